"""A stop in a true flood, on every way to a toy: `python -m tests.benchmarks.flood`.

One client says ten times what the hub answers with eight outstanding; another one says a stop each
50 ms, STOPS of them. Counted where the toy is: a stop has arrived with the first 0 that the toy was
told behind it. A stop that is late is late, and only one that no 0 followed until the end is
missing; `zeros` says how often the toy was told to rest, which is once for each stop.

The ways: a toy that dials in by websocket, one at a relay in a process of its own, one at the hub's
own radio, and one of another hub (upstream). The radios are simulated, and trace what is written.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.load import NO_COMPILER, Figures, compiled, run
from tests.benchmarks.pauses import without_gaps
from tests.benchmarks.peer import FLOOD, OUTSTANDING, Side, made, served
from tests.benchmarks.process import load_average
from tests.system.processes import Trace, free_ports, house, hub_program

TOY = "Lovense Hush"
OFF = b"Vibrate:0;"
STOPS = 30
# Until what is said last has been written, and is in the trace.
SETTLE_S = 0.5
WAYS = ("websocket device", "hub + relay", "own radio", "upstream")


@dataclass(frozen=True, slots=True)
class Way:
    """How the load dials, and where what the toy is told is written down, if not by itself."""

    ends: dict[str, float]
    trace: Trace | None


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[Way]:
    if name == "websocket device":
        async with served(Side("hub"), folder) as server:
            yield Way(server.ends, None)
        return
    without_gaps(folder, TOY)
    async with house(folder, TOY, embedded=name != "hub + relay") as home:
        if name != "upstream":
            yield Way({"port": home.client_port, "devices": 1}, home.trace)
            return
        async with _another(made(folder / "near"), home.url) as port:
            yield Way({"port": port, "devices": 1}, home.trace)


@asynccontextmanager
async def _another(folder: Path, url: str) -> AsyncIterator[int]:
    """A hub whose toys are those of the hub at `url`."""
    port, link_port = free_ports(2)
    config = folder / "near.toml"
    config.write_text(f'[[upstream]]\nname = "far"\ndial = "{url}"\n')
    hub = hub_program(folder, port, link_port, "--config", str(config))
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        yield port
    finally:
        await hub.end()


@dataclass(frozen=True, slots=True)
class Stops:
    """Of `said` stops. `late_ms`: how long each took that arrived; `zeros`: how often the toy was
    told to rest meanwhile. `values`: what else it was told."""

    said: int
    late_ms: Sequence[float]
    zeros: int
    values: int

    def __str__(self) -> str:
        worst = f"{max(self.late_ms):.1f} ms at most" if self.late_ms else "none in time"
        return (
            f"{len(self.late_ms)} of {self.said} stops, {worst}, {self.zeros} zeros among"
            f" {self.values} values"
        )


def from_trace(figures: Figures, trace: Trace) -> Stops:
    """What became of the stops of that run, by what was written at the radio."""
    began = min(figures["stop_at_ns"])
    lines = [line for line in trace.lines() if line.write and line.t_ns >= began]
    zeros = [line.t_ns for line in lines if line.data == OFF]
    late = []
    for said in figures["stop_at_ns"]:
        behind = next((at for at in zeros if at >= said), None)
        if behind is not None:
            late.append((behind - said) / 1e6)
    return Stops(figures["stops"], late, len(zeros), len(lines) - len(zeros))


async def flooded(name: str, folder: Path, seconds: float) -> Stops:
    async with opened(name, folder) as way:
        full = await run(**way.ends, window=OUTSTANDING, seconds=seconds)
        await asyncio.sleep(SETTLE_S)
        how = {"rate": FLOOD * full["per_s"], "stops": STOPS, "seconds": STOPS * 0.06}
        figures = await run(**way.ends, **how)
        if way.trace is not None:
            await asyncio.sleep(SETTLE_S)
            return from_trace(figures, way.trace)
        off = figures["off_us"]
        late = [off["max"] / 1e3] * off["count"]
        return Stops(figures["stops"], late, figures["offs"], figures["toy_writes"])


async def measure(ways: Sequence[str], rounds: int, seconds: float, folder: Path) -> bool:
    """Print what came of it; False if a stop did not arrive."""
    whole = True
    for number in range(rounds):
        for name in ways:
            stops = await flooded(name, made(folder / f"{number}-{name}"), seconds)
            whole &= len(stops.late_ms) == stops.said
            print(f"{name}: {stops}", flush=True)
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flood")
    parser.add_argument("--way", choices=WAYS, action="append", help="this one (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="to find the rate")
    options = parser.parse_args()
    if compiled() is None:
        print(NO_COMPILER)
        return 0
    before = load_average()
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        ways = options.way or WAYS
        whole = asyncio.run(measure(ways, options.rounds, options.seconds, Path(folder)))
    print(f"load {before:.1f} before, {load_average():.1f} after")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
