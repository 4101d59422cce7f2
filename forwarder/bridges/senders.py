"""The programs of this machine that speak to a bridge, and their end.

Neither a request nor a datagram says that a game has died, and silence takes seconds. Where the
system says which program has the other end of a port (the package psutil), that program is watched:
when it ends, nothing that it set going has to wait for the silence.

| a sender                         | then |
|----------------------------------|------|
| its program is found             | it is watched |
| its program is not found         | it may be anybody: for `silence_s` only silence ends it |
| every program of it has ended    | `ended` is called |
| another machine's, or this hub's | only silence ends it |
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Hashable
from typing import Literal

from forwarder.bridges.bounds import (
    FIND_S,
    LOOK_S,
    MOST_PORTS,
    SENDERS_AGAIN_S,
    SENDERS_MOST_PROGRAMS,
)

try:
    import psutil
except ImportError:  # the extra is not installed
    psutil = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

Protocol = Literal["tcp", "udp"]


def program_of(protocol: Protocol, port: int) -> int | None:
    """The process that has this local port, if the system says so. Blocks for some ms."""
    try:
        found = psutil.net_connections(protocol)
    except (psutil.Error, OSError) as error:
        log.debug("programs cannot be seen: %s", error)
        return None
    pids = {each.pid for each in found if each.laddr and each.laddr.port == port}
    pids -= {None, os.getpid()}
    return pids.pop() if len(pids) == 1 else None


class Senders:
    """Of one bridge. `ended`: every program that spoke as this sender has ended.

    `find`: the process behind a port, called in a thread.
    """

    def __init__(
        self,
        protocol: Protocol,
        ended: Callable[[Hashable], None],
        silence_s: float,
        find: Callable[[Protocol, int], int | None] = program_of,
    ) -> None:
        self._protocol = protocol
        self._ended = ended
        self._find = find
        # Whether anything can be found here.
        self.able = psutil is not None or find is not program_of
        self._programs: dict[Hashable, dict[int, psutil.Process]] = {}
        # Until when somebody else may have spoken as this sender, and when it was looked for last.
        self._strangers: dict[Hashable, float] = {}
        self._looked: dict[Hashable, float] = {}
        self._silence_s = silence_s
        self._ports: dict[int, int | None] = {}
        self._finding = asyncio.Lock()
        self._some = asyncio.Event()

    async def met(self, sender: Hashable, port: int) -> None:
        """It has set something going, from this port; returns when its program is known, or cannot
        be."""
        now = asyncio.get_running_loop().time()
        known = sender in self._programs and now - self._looked[sender] < SENDERS_AGAIN_S
        if not self.able or known:
            return
        try:
            async with asyncio.timeout(FIND_S), self._finding:
                if port not in self._ports:
                    pid = await asyncio.to_thread(self._find, self._protocol, port)
                    self._ports[port] = pid
                    while len(self._ports) > MOST_PORTS:
                        del self._ports[next(iter(self._ports))]
                pid = self._ports[port]
        except TimeoutError:
            pid = None
        process = None if pid is None else _process(pid)
        if process is None or len(self._programs) >= SENDERS_MOST_PROGRAMS:
            self._strangers[sender] = now + self._silence_s
            return
        self._looked[sender] = now
        self._programs.setdefault(sender, {})[process.pid] = process
        self._some.set()

    async def run(self) -> None:
        """Look at what is known. Until cancelled."""
        while True:
            self._some.clear()
            if not self._programs:
                await self._some.wait()
            self._look()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        for sender, programs in tuple(self._programs.items()):
            for pid, process in tuple(programs.items()):
                if not _lives(process):
                    del programs[pid]
                    self._ports = {port: one for port, one in self._ports.items() if one != pid}
            if not programs:
                del self._programs[sender], self._looked[sender]
                if self._strangers.pop(sender, 0.0) <= asyncio.get_running_loop().time():
                    log.info("a program that drove toys has ended")
                    self._ended(sender)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _lives(process: psutil.Process) -> bool:
    """A zombie has ended, and waits for its parent to look."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
