"""The relay's side of its supervisor: starts the process, and tells it what is held.

See `relay.supervision`. Nothing here ever waits for the supervisor: what its socket does not take
at once is sent with a later beat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from relay.radio.base import Connection, Outlasting, Radio, kinds
from relay.radio.passing import outlasting
from relay.supervision.bounds import BEAT_S, END_S, PIECE_MS, SILENCE_S, START_S, SUPERVISOR_AGAIN_S
from relay.supervision.holds import LoopTurns, StopOrder, StopWithdrawn, encode, fitting

log = logging.getLogger(__name__)


# Kinds of radios for which it can do something.
# What is advertised is stopped by a process of its own, which needs to hear that we stood still.
_SUPERVISED = frozenset({"bleak", "serial", "tcode", "esphome", "dongle", "hid", "advertised"})
# And those whose toys go on, where there is none.
_WITHOUT = frozenset({"serial", "tcode", "esphome", "dongle", "hid", "xinput"})


class HeldPeripheral(Protocol):
    """A connected peripheral."""

    address: str

    @property
    def connection(self) -> Connection: ...

    def hold(self) -> StopOrder: ...


def outlives_its_relay(radio: Radio) -> bool:
    """Whether a supervisor can stop what `radio` drives once this process cannot.

    Windows and macOS end Bluetooth connections with the process, but not what a cable has started:
    there is no such supervisor there.
    """
    return sys.platform == "linux" and bool(kinds(radio) & _SUPERVISED)


def unsupervised(radio: Radio) -> str:
    """What to warn of when the relay starts: what goes on if it is killed; "" if nothing does."""
    found = kinds(radio)
    if "esphome" in found and outlives_its_relay(radio):
        return (
            "toys behind a Bluetooth proxy are disconnected if this relay is killed: one that goes"
            " on by itself then is stopped when the relay is started again"
        )
    if not found & _WITHOUT or outlives_its_relay(radio):
        return ""
    return (
        "what runs by cable, network or pad goes on if this relay is killed: on this system "
        "nothing stops it until the relay is started again"
    )


class Supervisor:
    """Tells a process of its own how to stop each of `devices`, and that our event loop turns.

    `record` knows the file that is to go when the supervisor has stopped an address in our place.
    `stalled` is called when the loop has stood still for so long that the supervisor may have
    stopped everything.
    """

    def __init__(
        self,
        devices: Iterable[HeldPeripheral],
        stalled: Callable[[], None],
        record: Callable[[str], Path | None] = lambda address: None,
    ) -> None:
        self._devices = devices
        self._record = record
        self._stalled = stalled
        self._channel: socket.socket | None = None
        self._told: dict[str, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._beat_at = 0.0
        self.pid: int | None = None
        self._tried = asyncio.Event()

    async def tried(self) -> None:
        """Wait until there is a supervisor, or none could be started; for START_S at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._tried.wait()

    async def run(self) -> None:
        """Keep a supervisor until cancelled. Without one the relay works on, and says so."""
        while True:
            try:
                await self._keep_one()
                log.error("the supervisor has ended by itself; starting another one")
            except OSError as error:
                log.error("no supervisor: devices run on if this relay is killed: %s", error)
                self._tried.set()
            await asyncio.sleep(SUPERVISOR_AGAIN_S)

    def changed(self) -> None:
        """Something was armed: from here on it can be stopped without us."""
        if self._channel is None:
            return
        self._tell()
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._beat_at = loop.time()
            self._timer = loop.call_later(BEAT_S, self._beat)

    async def _keep_one(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "relay.supervision", str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
            theirs.close()
            self._channel, self.pid = ours, process.pid
            self._tried.set()
            self._told.clear()
            self.changed()
            try:
                await process.wait()
            finally:
                self._hang_up()
                ours.close()
                await _ended(process)

    def _hang_up(self) -> None:
        """The last words: without them, what is still held would be stopped by the supervisor."""
        self._tell()
        self._channel = self.pid = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        # A timer, not a task: after a stall, timers run before whatever else has become possible.
        loop = asyncio.get_running_loop()
        now = loop.time()
        stood_s = now - self._beat_at
        if stood_s > SILENCE_S:
            log.warning("this relay stood still for %.1f s: stopping everything", stood_s)
            self._stalled()
        self._beat_at = now
        self._tell()
        self._send(encode(LoopTurns()))
        self._timer = loop.call_later(BEAT_S, self._beat) if self._told else None

    def _tell(self) -> None:
        """Send what has changed since it was last sent."""
        holds = {}
        for device in self._devices:
            line = outlasting(device.connection)
            address, packet = device.address, fitting(self._hold(device, line))
            holds[address] = packet
            handed = None if line is None else line.descriptor()
            if self._told.get(address) != packet and self._send(packet, handed):
                self._told[address] = packet
        for address in [each for each in self._told if each not in holds]:
            if self._send(encode(StopWithdrawn(address))):
                del self._told[address]

    def _hold(self, device: HeldPeripheral, line: Outlasting | None) -> StopOrder:
        record = self._record(device.address)
        hold = replace(device.hold(), record="" if record is None else str(record))
        if line is None:
            return hold
        writes = tuple(
            replace(write, data=piece, delay_ms=PIECE_MS if number else write.delay_ms)
            for write in hold.writes
            for number, piece in enumerate(line.on_wire(write.data))
        )
        if hold.writes and not writes:
            # All that can be done is to cut it off. It may run on, so its record stays.
            return replace(hold, writes=(), cut=True, record="", line=line.number)
        return replace(hold, writes=writes, line=line.number)

    def _send(self, packet: bytes, descriptor: int | None = None) -> bool:
        if self._channel is None:
            return False
        try:
            if descriptor is None:
                self._channel.send(packet)
            else:
                socket.send_fds(self._channel, [packet], [descriptor])
        except OSError:
            return False  # Full: later. Broken: its process has ended, which `_keep_one` sees.
        return True


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        log.warning("the supervisor took too long to end")
        process.kill()
        await process.wait()
