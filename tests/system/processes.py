"""Hubs and relays as operating-system processes, and the traces they leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

# How long anything is waited for that must come, on a machine that ten others use as well: there
# starting Python with all its imports was seen to take 20 s. What a test says about time it
# measures by itself.
START_S = 60.0
END_S = 60.0
POLL_S = 0.005
# Below those that a system gives out by itself (Linux: from 32768 on), or any connection may have
# got one before the program that was told of it.
_PORTS = range(20_000, 32_768)
# Not the common generator: Hypothesis sets that to the same start in each of the runs beside it.
_CHANCE = SystemRandom()


def free_ports(count: int) -> list[int]:
    """Ports that are free; a program is to have them in a moment."""
    ports: list[int] = []
    while len(ports) < count:
        port = _CHANCE.choice(_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in ports:
            ports.append(port)
    return ports


async def until(holds: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Return once `holds()`; fails with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not: {what}")
        await asyncio.sleep(POLL_S)


def kept_waiting_s(pid: int) -> float:
    """For how long this process was ready to run and waited for a processor; 0 where nobody says.

    Source: Linux, Documentation/scheduler/sched-stats.rst.
    """
    waited = 0.0
    with suppress(OSError, IndexError, ValueError):
        for thread in Path("/proc", str(pid), "task").iterdir():
            waited += int((thread / "schedstat").read_text().split()[1]) / 1e9
    return waited


async def until_within(holds: Callable[[], bool], what: str, limit_s: float, *pids: int) -> None:
    """As `until`, for what is promised within `limit_s`. What the processes `pids`, just started,
    were kept waiting for a processor meanwhile is not theirs, and comes on top."""
    begun, worst = time.monotonic(), 0.0
    while not holds():
        worst = max(worst, sum(map(kept_waiting_s, pids)))
        if time.monotonic() > begun + limit_s + worst:
            raise AssertionError(f"after {limit_s:g} s, and {worst:.1f} more, still not: {what}")
        await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a trace."""

    t_ns: int
    address: str
    characteristic: str
    op: str
    data: bytes

    @property
    def write(self) -> bool:
        return self.op in ("write", "write_no_response")


class Trace:
    """A trace file that another process is writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[Line]:
        if not self.path.exists():
            return []
        found = []
        for text in self.path.read_text().splitlines():
            fields = json.loads(text)
            found.append(Line(**{**fields, "data": bytes.fromhex(fields["data"])}))
        return found

    def writes(self, address: str | None = None) -> list[bytes]:
        return [
            line.data for line in self.lines() if line.write and address in (None, line.address)
        ]

    async def until_write(self, data: bytes, timeout_s: float = END_S) -> Line:
        """The newest line that wrote `data`, once there is one."""
        await until(lambda: data in self.writes(), f"{data!r} in the trace", timeout_s)
        return [line for line in self.lines() if line.write and line.data == data][-1]


class Program:
    """One process of ours. `output` is where its standard output and error go. `program`: one that
    was installed, with its whole environment, instead of the module in this Python."""

    def __init__(
        self,
        module: str,
        arguments: list[str],
        folder: Path,
        name: str,
        program: tuple[Path, Mapping[str, str]] | None = None,
    ) -> None:
        here = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._words, self.environment = (
            ([sys.executable, "-m", module], here)
            if program is None
            else ([str(program[0])], dict(program[1]))
        )
        self._arguments = arguments
        self.output = folder / f"{name}.log"
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self._words, *self._arguments,
                stdout=output, stderr=output, stdin=asyncio.subprocess.DEVNULL,
                env=self.environment,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text()

    def send(self, number: signal.Signals) -> int:
        """Send a signal; returns the monotonic nanoseconds just before it."""
        now = time.monotonic_ns()
        self.process.send_signal(number)
        return now

    async def until_said(self, words: str) -> None:
        """Return once the program has printed `words`; fails with all it printed if it does not,
        and at once if it has ended."""
        deadline = time.monotonic() + START_S
        while words not in self.text:
            ended = self.process.returncode is not None
            if ended or time.monotonic() > deadline:
                how = "ended" if ended else f"ran for {START_S:g} s"
                raise AssertionError(f"{self.output.stem} {how} without {words!r}:\n{self.text}")
            await asyncio.sleep(POLL_S)

    async def wait(self, timeout_s: float = END_S) -> int:
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def end(self) -> None:
        # Whoever starts it in a way of its own says so by `process`, too.
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass(slots=True)
class House:
    """A hub and a relay, two processes. The relay's toys are simulated and traced."""

    hub: Program
    relay: Program | None
    trace: Trace
    client_port: int
    link_port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.client_port}"


def hub_program(folder: Path, client_port: int, link_port: int, *more: str) -> Program:
    ports = ["--port", str(client_port), "--link-port", str(link_port)]
    state = ["--state", str(folder / "hub")]
    return Program("forwarder", ["--log", "info", "run", *ports, *state, *more], folder, "hub")


def relay_program(folder: Path, link_port: int, toys: str, *more: str) -> Program:
    return Program(
        "relay",
        [
            "run", "--hub", f"ws://127.0.0.1:{link_port}", "--simulate", toys,
            "--state", str(folder / "relay"), "--trace", str(folder / "trace.jsonl"), *more,
        ],
        folder,
        "relay",
    )  # fmt: skip


@asynccontextmanager
async def house(folder: Path, toys: str, *, embedded: bool = False) -> AsyncIterator[House]:
    """A hub and a relay with `toys`, linked; `embedded`: the relay inside the hub's process."""
    client_port, link_port = free_ports(2)
    trace = Trace(folder / "trace.jsonl")
    more = ["--simulate", toys, "--trace", str(trace.path)] if embedded else []
    hub = hub_program(folder, client_port, link_port, *more)
    relay = None if embedded else relay_program(folder, link_port, toys)
    try:
        await hub.start()
        if relay is not None:
            # One that dials before anybody listens waits longer each time.
            await hub.until_said("Relays, dashboard")
            await relay.start()
        await hub.until_said(" connected (")
        yield House(hub, relay, trace, client_port, link_port, folder)
    finally:
        for program in (relay, hub):
            if program is not None:
                await program.end()


def supervisors(parent: int) -> list[int]:
    """Live processes that `parent` started to supervise it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            status = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if b"relay.supervision" in line and int(status[1]) == parent and status[0] != "Z":
            found.append(int(entry.name))
    return found
