"""A house that grows: `python -m tests.benchmarks.scale [--relays N] [--toys N] [--clients N]`.

1,000 relays with 5 toys each, and 200 clients. The hub is one process, `forwarder run` as anybody
starts it, with its defaults. The relays are `tests.benchmarks.swarm`, in SWARMS processes: to the
hub they are true ones, paired and encrypted, but they cost a fraction of those; the clients are one
compiled program (load.c). All of them share this machine's processors and speak over loopback. So
what is told of the hub is processor time (the system's accounting of that process alone; the
swarm's is told beside it), the longest time that its loop stood still (without what the system
took), and memory; seconds by the clock are worth something only where both fit on the machine, and
are told with its load.

What is measured, in this order:
1. FIRST relays with their toys, then all others at once, while every client is there and hears
   each list: processor time of the hub until all toys are devices, its longest stall, its memory.
2. Commands to all toys, at a rate for each client, and one for each toy: Ok p50, p99, errors.
3. `kill -9` of the hub, and a new one: when all relays are linked again, all from one address.

`--json FILE` keeps it with the commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from forwarder.access.relay_keys import HubTrust
from tests.benchmarks.load import NO_COMPILER, Figures, Load, compiled
from tests.benchmarks.process import cpu_s, load_average, memory_kib
from tests.benchmarks.row import Row, busy, keep
from tests.benchmarks.swarm import key_of, name_of
from tests.system.processes import Program, free_ports, hub_program

FIRST = 10
SWARMS = 2
# A machine of two cores has the swarm to carry as well; who waits longer waits in vain.
GROW_S = 600.0
BACK_S = 120.0
DRIVE_S = 10.0
# From the connection of the last toy to a device: some requests.
SETTLE_S = 1.0


class Swarm:
    """Processes of many relays each."""

    def __init__(self, folder: Path, port: int, hub_key: bytes, toys: int) -> None:
        self._folder, self._port, self._key, self._toys = folder, port, hub_key, toys
        self._programs: list[Program] = []

    async def add(self, first: int, count: int) -> None:
        words = [str(self._port), self._key.hex(), str(first), str(count), str(self._toys)]
        name = f"swarm{len(self._programs)}"
        program = Program("tests.benchmarks.swarm", words, self._folder, name)
        self._programs.append(program)
        await program.start()

    def said(self, what: str) -> int:
        """The newest count of all processes: "linked" or "toys"."""
        total = 0
        for program in self._programs:
            assert program.process.returncode is None, program.text[-2000:]
            lines = program.text.splitlines()
            if len(lines) > 1:
                total += int(json.loads(lines[-2])[what])  # the last one may be half
        return total

    @property
    def cpu_s(self) -> float:
        return sum(cpu_s(program.process.pid) for program in self._programs)

    async def end(self) -> None:
        for program in self._programs:
            await program.end()


class HubFigures:
    """What the hub says of itself at /metrics, and the system of it."""

    def __init__(self, hub: Program, link_port: int) -> None:
        self._hub = hub
        self._url = f"http://127.0.0.1:{link_port}/metrics"
        self.stalled_in = ""

    async def said(self) -> dict[str, float]:
        def read() -> str:
            with urllib.request.urlopen(self._url, timeout=60) as answer:
                return str(answer.read().decode())

        text = await asyncio.to_thread(read)
        self.stalled_in = "".join(
            re.findall(r'^forwarder_stall_longest_info{in="([^"]*)"}', text, re.MULTILINE)
        )
        found = re.findall(r"^(forwarder_[a-z_]+) ([0-9.e+-]+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    @property
    def cpu_s(self) -> float:
        return cpu_s(self._hub.process.pid)

    @property
    def peak_mib(self) -> float:
        return memory_kib(self._hub.process.pid, "VmHWM") / 1024


def pair_all(folder: Path, relays: int) -> bytes:
    """Have the hub of this folder know all relays; returns its key."""
    (folder / "hub").mkdir(mode=0o700, exist_ok=True)
    trust = HubTrust.open(folder / "hub", "hub")
    for number in range(relays):
        trust.book.add(key_of(number).public, name_of(number))
    return trust.key.public


@asynccontextmanager
async def started(hub: Program) -> AsyncIterator[Program]:
    try:
        await hub.start()
        await hub.until_said("Relays, dashboard")
        yield hub
    finally:
        await hub.end()


async def until_toys(swarm: Swarm, wanted: int, limit_s: float) -> float | None:
    """Seconds until the hub had so many toys; None if it never did. It is not asked itself: from
    the first look at its figures on it takes the time of each command."""
    begun = time.monotonic()
    while time.monotonic() - begun < limit_s:
        if swarm.said("toys") >= wanted:
            return time.monotonic() - begun
        await asyncio.sleep(0.1)
    return None


async def grow(folder: Path, relays: int, toys: int, clients: int, driven_hz: float) -> list[Row]:
    key = pair_all(folder, relays)
    client_port, link_port = free_ports(2)
    swarm = Swarm(folder, link_port, key, toys)
    rows: list[Row] = []
    devices = relays * toys
    try:
        async with started(hub_program(folder, client_port, link_port)) as hub:
            figures = HubFigures(hub, link_port)
            begun_cpu = figures.cpu_s
            idle_mib = memory_kib(hub.process.pid) / 1024
            load = Load(port=client_port, clients=clients, quit=0, scan=1, seconds=0.1)
            await load.start()
            await load.line()
            first = min(FIRST, relays)
            await swarm.add(0, first)
            await until_toys(swarm, first * toys, 60.0)
            each = -(-(relays - first) // SWARMS) if relays > first else 0
            for begin in range(first, relays, each or 1):
                await swarm.add(begin, min(each, relays - begin))
            took = await until_toys(swarm, devices, GROW_S)
            await asyncio.sleep(SETTLE_S)
            grown_s, swarm_s = figures.cpu_s - begun_cpu, swarm.cpu_s
            peak_mib = figures.peak_mib
            grown = f"{first} → {relays} relays, {devices} devices, {clients} clients"
            there = swarm.said("toys")
            rows += [
                Row(f"{grown}: the hub's CPU until all there", f"{grown_s:.1f} s"
                    + ("" if took is not None else f" ({there} are)"), "30 s"),
                Row("  the relays' CPU, in their own processes", f"{swarm_s:.1f} s"),
                Row("  by the clock", "never" if took is None else f"{took:.1f} s"),
                Row("  memory, its peak (idle)", f"{peak_mib:.0f} ({idle_mib:.0f}) MiB",
                    "400 MiB"),
            ]  # fmt: skip
            await load.end()
            if took is not None:
                rows += await driven(figures, swarm, client_port, clients, devices, driven_hz)
        rows += await homecoming(folder, swarm, client_port, link_port, relays, devices)
    finally:
        await swarm.end()
    return rows


async def driven(
    figures: HubFigures, swarm: Swarm, port: int, clients: int, devices: int, each_hz: float
) -> list[Row]:
    rows: list[Row] = []
    for what, rate in (
        (f"each client {each_hz:g}/s", each_hz * clients),
        (f"each device {each_hz:g}/s", each_hz * devices),
    ):
        if rows:
            # From here on the hub takes the time of each command, for it was asked for figures.
            rows += await stalls(figures, "coming, and driven by each client")
        load = Load(
            port=port, clients=clients, devices=devices, rate=rate, seconds=DRIVE_S, ready=120,
            quit=0,
        )  # fmt: skip
        await load.start()
        try:
            await load.line()  # all have read the list: what that cost is no command's
            before = figures.cpu_s, swarm.cpu_s
            said: Figures = await load.line()
            hub, others = figures.cpu_s - before[0], swarm.cpu_s - before[1]
        finally:
            await load.end()
        ok = said["ok_us"]
        text = f"p50 {ok.get('p50', 0) / 1e3:.1f} ms, p99 {ok.get('p99', 0) / 1e3:.1f} ms"
        wrong = said["errors"] + said["unanswered"]
        each_us = hub / max(1, said["answered"]) * 1e6
        rows += [
            Row(f"{what}, {rate:.0f}/s in all: Ok", text, "p99 50 ms"),
            Row("  answered a second; errors", f"{said['per_s']:.0f}; {wrong}"),
            Row("  of a processor: the hub; the relays; µs of the hub for each",
                f"{hub / DRIVE_S:.0%}; {others / DRIVE_S:.0%}; {each_us:.0f}"),
        ]  # fmt: skip
    return [*rows, *await stalls(figures, "of all that")]


async def stalls(figures: HubFigures, what: str) -> list[Row]:
    said = await figures.said()
    longest, count = said["forwarder_stall_longest_seconds"], said["forwarder_stalls_total"]
    return [
        Row(f"longest stall, {what}", f"{longest * 1e3:.0f} ms", "50 ms"),
        Row("  in", figures.stalled_in or "–"),
        Row("  stalls over 50 ms", f"{count:.0f}"),
    ]


async def homecoming(
    folder: Path, swarm: Swarm, client_port: int, link_port: int, relays: int, devices: int
) -> list[Row]:
    """A second hub in the place of one that was killed, with the same relays."""
    hub = hub_program(folder, client_port, link_port)
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    async with started(hub):
        figures = HubFigures(hub, link_port)
        linked = 0
        while time.monotonic() - begun < BACK_S and linked < relays:
            await asyncio.sleep(0.1)
            linked = swarm.said("linked")
        took = time.monotonic() - begun
        linked_cpu = figures.cpu_s
        there = await until_toys(swarm, devices, BACK_S)
        back = time.monotonic() - begun
        await asyncio.sleep(SETTLE_S)
        whole_cpu, stalled = figures.cpu_s, await stalls(figures, "coming home")
    return [
        Row(f"kill -9: {relays} relays behind one address linked again",
            f"{took:.1f} s" if linked >= relays else f"never ({linked})", "10 s"),
        Row("  the hub's CPU until then, start included", f"{linked_cpu:.1f} s"),
        Row("  all their devices", "never" if there is None else f"{back:.1f} s"),
        Row("  the hub's CPU until then", f"{whole_cpu:.1f} s"),
        *stalled,
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("--relays", type=int, default=1000)
    parser.add_argument("--toys", type=int, default=5)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--json", type=Path, help="where it is kept")
    parser.add_argument("--hz", type=float, default=2.0, help="how often each is driven")
    options = parser.parse_args()
    if compiled() is None:
        print(NO_COMPILER)
        return 0
    before = load_average()
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        rows = asyncio.run(
            grow(Path(folder), options.relays, options.toys, options.clients, options.hz)
        )
    rows.append(Row("load of the machine before, after", f"{before:.1f}, {load_average():.1f}"))
    width = max(len(row.figure) for row in rows)
    for row in rows:
        print(f"{row.figure:{width}}   {row.value:28}   {row.budget}".rstrip())
    if lost := busy(rows, before, load_average()):
        print(lost)
    if options.json is not None:
        keep(options.json, rows, before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
