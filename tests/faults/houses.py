"""The combinations that need processes: a client, a hub, a relay, proxies between them, and BlueZ.

The toys live in a process that plays BlueZ (`tests.doubles.fake_bluez`), so that they and their
record outlive a relay. The relay reaches them with bleak, over D-Bus.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.fake_bluez_process import ROOT, BluezProcess, bluez_process
from tests.system.processes import free_ports, supervisors, until

MAX_PING_MS = 750
# Outputs have been on for so long (s) when the fault comes.
WARM_S = 1.0
# It is looked for so long (s) beyond the limit of its row: late is told from never.
OFF_S = 20.0
# Several programs are started, on a machine that others use as well: no promise, only patience.
START_S = 60.0
# A toy whose relay and supervisor are dead runs on for so long (s) before the next start.
ALONE_S = 0.5
# From the start of a program to the stop of what it finds running: interpreter, imports, D-Bus. All
# of it is work, so what it waits for a processor is left out: others may have it.
AGAIN_MS = 6_000
# A machine with too much other work is late with pings before there is any fault.
TRIES = 3


class NotReady(Exception):
    """The toy does not run, or not any more, before anything was broken."""


@dataclass(slots=True)
class House:
    """`own_radio`: there is no relay; the hub has the radio. `again` starts one of them anew, which
    is `anew` then."""

    bluez: BluezProcess
    hub: Process
    relay: Process
    client: Process
    link: Process
    way: Process
    again: Callable[[str], Awaitable[Process]]
    anew: Process | None = None

    def moments(self, since_ns: int = 0) -> list[dict[str, Any]]:
        return [each for each in self.bluez.record() if each["t_ns"] >= since_ns]

    @property
    def at_rest(self) -> bool:
        record = self.bluez.record()
        return not record or bool(record[-1]["at_rest"])


async def _start(stack: AsyncExitStack, log: Path, *words: str, env: dict[str, str]) -> Process:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *words,
            stdin=PIPE, stdout=output, stderr=output,
            cwd=ROOT, env=env,
        )  # fmt: skip

    async def end() -> None:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    stack.push_async_callback(end)
    return process


@asynccontextmanager
async def house(toy: str, folder: Path, *, own_radio: bool = False) -> AsyncIterator[House]:
    """The toy runs, driven by the client through hub and relay."""
    async with AsyncExitStack() as stack:
        bluez = await stack.enter_async_context(bluez_process(toy, folder / "record"))
        env = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": bluez.address, "PYTHONUNBUFFERED": "1"}
        port, link_port, way_port, relay_port = free_ports(4)
        config = folder / "hub.toml"
        config.write_text(f"[clients]\nmax_ping_ms = {MAX_PING_MS}\n")
        programs = {
            "hub": (
                "tests.faults.hooked", "forwarder", "--log", "info", "run",
                "--port", str(port), "--link-port", str(link_port), "--state", str(folder / "hub"),
                "--config", str(config), *(["--local-radio"] if own_radio else []),
            ),
            "relay": (
                "tests.faults.hooked", "relay", "run",
                "--hub", f"ws://127.0.0.1:{relay_port}", "--state", str(folder / "relay"),
            ),
        }  # fmt: skip
        starts: Counter[str] = Counter()

        async def start(name: str) -> Process:
            starts[name] += 1
            log = folder / f"{name}{starts[name]}.log"
            return await _start(stack, log, *programs[name], env=env)

        hub = await start("hub")
        ways = []
        for name, here, there in (("way", way_port, port), ("link", relay_port, link_port)):
            words = ("tests.faults.proxy", str(here), str(there))
            ways.append(await _start(stack, folder / f"{name}.log", *words, env=env))
        relay = hub if own_radio else await start("relay")
        # All at once: relay and client dial until the others listen.
        client = await _start(
            stack, folder / "client.log", "tests.faults.client", f"ws://127.0.0.1:{way_port}",
            env=env,
        )  # fmt: skip
        home = House(bluez, hub, relay, client, ways[1], ways[0], start)
        try:
            await until(lambda: not home.at_rest, "the toy runs", START_S)
        except AssertionError as error:
            raise NotReady(str(error)) from error
        await asyncio.sleep(WARM_S)
        if home.at_rest:
            raise NotReady("the toy runs no more")
        yield home


# --- faults --------------------------------------------------------------------------------------

Inflict = Callable[[House], Awaitable[None]]


def _signal(which: Callable[[House], tuple[Process, ...]], number: signal.Signals) -> Inflict:
    async def inflict(home: House) -> None:
        for process in which(home):
            process.send_signal(number)

    return inflict


def _say(which: Callable[[House], Process], *lines: str, then: Inflict | None = None) -> Inflict:
    async def inflict(home: House) -> None:
        process = which(home)
        assert process.stdin is not None
        process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await process.stdin.drain()
        if then is not None:
            await asyncio.sleep(0.5)
            await then(home)

    return inflict


@dataclass(frozen=True, slots=True)
class Row:
    """`quiet_s`: for how long after it is off nobody can have armed anything."""

    fault: str
    place: str
    detail: str
    inflict: Inflict
    limit_ms: float = 1_000
    quiet_s: float = 3.0
    own_radio: bool = False
    begins_late: bool = False

    @property
    def name(self) -> str:
        return f"{self.fault} × {self.place}: {self.detail}"


def _hub(home: House) -> tuple[Process, ...]:
    return (home.hub,)


def _client(home: House) -> tuple[Process, ...]:
    return (home.client,)


def _relay(home: House) -> tuple[Process, ...]:
    return (home.relay,)


def _link(home: House) -> tuple[Process, ...]:
    return (home.link,)


def _hub_and_relay(home: House) -> tuple[Process, ...]:
    return home.hub, home.relay


def _with_supervisor(name: str) -> Inflict:
    """It and its supervisor die at one moment; a service manager starts it anew."""

    async def inflict(home: House) -> None:
        process = home.hub if name == "hub" else home.relay
        # The supervisor first: it needs no millisecond to notice that its relay is gone.
        for pid in (*supervisors(process.pid), process.pid):
            os.kill(pid, KILL)
        await process.wait()
        await asyncio.sleep(ALONE_S)
        if home.at_rest:
            raise NotReady("the supervisor was faster")
        home.anew = await home.again(name)

    return inflict


def _waited_ms(process: Process | None) -> float:
    """For how long it has waited for a processor that others had; 0 where nobody counts that."""
    if process is None:
        return 0.0
    try:
        fields = Path(f"/proc/{process.pid}/schedstat").read_text().split()
    except OSError:
        return 0.0
    return int(fields[1]) / 1e6


KILL, FREEZE = signal.SIGKILL, signal.SIGSTOP
_kill_hub = _signal(_hub, KILL)
_kill_client = _signal(_client, KILL)

ROWS: tuple[Row, ...] = (
    Row("kill -9", "client", "the process", _kill_client),
    Row("kill -9", "hub", "the process", _kill_hub),
    Row("kill -9", "relay", "the process", _signal(_relay, KILL), 2_000),
    Row("kill -9", "hub", "with a radio of its own", _kill_hub, 2_000, own_radio=True),
    Row("kill -9", "hub and relay", "at once", _signal(_hub_and_relay, KILL), 2_000),
    Row(
        "kill -9", "relay", "and its supervisor at once → started anew",
        _with_supervisor("relay"), AGAIN_MS, quiet_s=0.0, begins_late=True,
    ),
    Row(
        "kill -9", "hub", "with a radio of its own, and supervisor → started anew",
        _with_supervisor("hub"), AGAIN_MS, quiet_s=0.0, own_radio=True, begins_late=True,
    ),
    Row("kill -9", "link", "the proxy in between", _signal(_link, KILL)),
    Row("SIGSTOP", "client", "the process", _signal(_client, FREEZE)),
    Row("SIGSTOP", "hub", "the process", _signal(_hub, FREEZE)),
    Row("SIGSTOP", "relay", "the process", _signal(_relay, FREEZE)),
    Row("SIGSTOP", "hub", "with a radio of its own", _signal(_hub, FREEZE), own_radio=True),
    Row("SIGSTOP", "hub and relay", "at once", _signal(_hub_and_relay, FREEZE)),
    Row("SIGSTOP", "link", "the proxy in between", _signal(_link, FREEZE)),
    Row("half-open", "link", "the proxy swallows", _say(lambda it: it.link, "silent")),
    Row("half-open", "client", "the proxy swallows", _say(lambda it: it.way, "silent")),
    Row("event-loop stall", "hub", "3 s", _say(lambda it: it.hub, "stall 3"), quiet_s=1.5),
    Row("event-loop stall", "relay", "3 s", _say(lambda it: it.relay, "stall 3"), quiet_s=1.5),
    Row(
        "event-loop stall", "hub", "3 s, with a radio of its own",
        _say(lambda it: it.hub, "stall 3"), quiet_s=1.5, own_radio=True,
    ),
    Row("clock jump", "hub", "1 h forward", _say(lambda it: it.hub, "jump 3600"), quiet_s=0.05),
    Row("clock jump", "relay", "1 h forward", _say(lambda it: it.relay, "jump 3600"), quiet_s=0.0),
    Row(
        "clock jump", "hub", "wall clock a day back → hub killed",
        _say(lambda it: it.hub, "wall -86400", then=_kill_hub), begins_late=True,
    ),
    Row(
        "clock jump", "relay", "wall clock a day on → hub killed",
        _say(lambda it: it.relay, "wall 86400", then=_kill_hub), begins_late=True,
    ),
    Row(
        "full disk", "hub", "every file → client killed",
        _say(lambda it: it.hub, "full", then=_kill_client), begins_late=True,
    ),
    Row(
        "full disk", "relay", "every file → hub killed",
        _say(lambda it: it.relay, "full", then=_kill_hub), begins_late=True,
    ),
    Row(
        "full disk", "relay", "every file → relay killed",
        _say(lambda it: it.relay, "full", then=_signal(_relay, KILL)), 2_000, begins_late=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    off_ms: float | None
    violations: int


async def play(row: Row, toy: str, folder: Path) -> Outcome:
    """Run one row with one toy, in real time. Raises NotReady if it could not even begin."""
    for number in range(1, TRIES + 1):
        place = folder / f"try {number}"
        place.mkdir()
        try:
            return await _play(row, toy, place)
        except NotReady:
            if number == TRIES:
                raise
    raise AssertionError("the last try returns or raises")


async def _play(row: Row, toy: str, folder: Path) -> Outcome:
    async with house(toy, folder, own_radio=row.own_radio) as home:
        begun = time.monotonic_ns()
        await row.inflict(home)
        if row.begins_late:
            begun = time.monotonic_ns()
        off: dict[str, Any] | None = None
        deadline = time.monotonic() + row.limit_ms / 1000 + OFF_S
        while off is None and time.monotonic() < deadline:
            off = next((each for each in home.moments(begun) if each["at_rest"]), None)
            await asyncio.sleep(0.005)
        if off is None:
            return Outcome(None, 0)
        waited_ms = _waited_ms(home.anew)
        await asyncio.sleep(row.quiet_s)
        end = off["t_ns"] + int(row.quiet_s * 1e9)
        wrong = [
            each
            for each in home.moments(off["t_ns"])
            if each["t_ns"] <= end and each["op"].startswith("write") and not each["at_rest"]
        ]
        return Outcome((off["t_ns"] - begun) / 1e6 - waited_ms, len(wrong))


def verdict(row: Row, outcome: Outcome) -> str:
    """Empty if all is well, else what is not."""
    if outcome.off_ms is None:
        return "never off"
    if outcome.off_ms > row.limit_ms:
        return f"off after {outcome.off_ms:.0f} ms"
    if outcome.violations:
        return f"{outcome.violations} writes after the stop"
    return ""
