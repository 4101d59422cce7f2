"""Beside an Intiface Engine, on its own ground: `python -m tests.benchmarks.peer --engine PATH`.

A toy that dials in by websocket and a client, both in one compiled program (load.c); between them
this hub, the engine, or nothing but an echo in aiohttp and uvloop (the floor: answers only, for it
knows no toys). Then a hub with a relay that was paired, so that their link is encrypted, whose toy
is simulated and has no gap, beside its own floor: the same echo, one process further away. ROUNDS
rounds, all of them in each round, in alternating order: what else the machine does hits them alike,
and each round gives one ratio. Told is min/median/max of those.

Processor time is the scheduler's, of the server alone; of hub and relay together. Latencies are
from the moment a command was due, so a server that stands still pays for what should have been said
meanwhile. The flood is ten times what the server answers with eight outstanding; the stop comes
from another client (from the same one at the engine, which serves no more) and counts when the toy
has a 0 behind it; `python -m tests.benchmarks.flood` does that on every way to a toy. System calls
are counted by strace, if it is there, in a run of their own.

`--json FILE` keeps everything with the commit; without an engine the hub is measured beside the
floor. A line says which figures this machine could not give.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.benchmarks.load import NO_COMPILER, Figures, Load, compiled, run
from tests.benchmarks.pauses import without_gaps
from tests.benchmarks.process import cpu_fine_s, load_average, memory_kib
from tests.benchmarks.relay import ADDRESS, TOY
from tests.benchmarks.scale import pair_all
from tests.benchmarks.start import listens
from tests.system.processes import Program, free_ports, hub_program, until

ROUNDS = 5
SECONDS = 4.0
STEADY_HZ = 50
OUTSTANDING = 8
STOPS = 30
FLOOD = 10
# What a server does behind its start; and an engine that was left listens again after a moment.
AGAIN_S = 1.0
# More runnable programs than processors: then what is told by the clock is the others' doing.
NOISY = float(os.cpu_count() or 1)
USER_FILE = {
    "user_configs": {
        "protocols": {"lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]}}
    }
}


@dataclass(frozen=True, slots=True)
class Server:
    """What stands between client and toy, in the processes `pids`. `ends`: how the load dials."""

    pids: tuple[int, ...]
    ends: dict[str, float]

    @property
    def cpu_s(self) -> float:
        return sum(map(cpu_fine_s, self.pids))

    @property
    def memory_mib(self) -> float:
        return sum(map(memory_kib, self.pids)) / 1024


@dataclass(slots=True)
class Side:
    """One of the servers, and what was measured of it: figure → a value for each round."""

    name: str
    engine: Path | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)
    raw: list[Figures] = field(default_factory=list)

    def note(self, figure: str, value: float) -> None:
        self.rounds.setdefault(figure, []).append(value)


@asynccontextmanager
async def served(side: Side, folder: Path) -> AsyncIterator[Server]:
    port, second = free_ports(2)
    bare: dict[str, float] = {"port": port, "bare": 1}
    one_toy: dict[str, float] = {"port": port, "devices": 1}
    its_own = {**one_toy, "toys": 1, "toys_port": second}
    # Each is started when the one before listens, at its port.
    match side.name:
        case "floor":
            ends, starts = bare, [(_floor(folder, port), port)]
        case "two-hop floor":
            ends = bare
            starts = [(_floor(folder, second), second), (_floor(folder, port, second), port)]
        case "hub + relay":
            key = pair_all(folder, 1)
            without_gaps(folder, {ADDRESS: TOY})
            relay = Program("tests.benchmarks.relay", [str(second), key.hex()], folder, "relay")
            ends, starts = one_toy, [(hub_program(folder, port, second), port), (relay, second)]
        case _ if side.engine is not None:
            ends, starts = its_own, [(_engine(side.engine, folder, port, second), second)]
        case _:
            ends, starts = its_own, [(_hub(folder, port, second), second)]
    try:
        for program, listening in starts:
            await program.start()
            await until(partial(listens, listening), f"{side.name} listens")
        await until(partial(listens, port), f"{side.name} listens")
        await asyncio.sleep(AGAIN_S)
        yield Server(tuple(program.process.pid for program, _ in starts), ends)
    finally:
        for program, _ in starts:
            await program.end()


def _floor(folder: Path, *ports: int) -> Program:
    return Program("tests.benchmarks.floor", list(map(str, ports)), folder, f"floor {ports[0]}")


def _hub(folder: Path, port: int, toys_port: int) -> Program:
    state = folder / "hub"
    state.mkdir(mode=0o700, exist_ok=True)
    (folder / "devices.json").write_text(
        json.dumps({"version": {"major": 4, "minor": 0}, **USER_FILE})
    )
    config = folder / "hub.toml"
    config.write_text(
        f"[websocket_devices]\nenabled = true\nport = {toys_port}\n"
        f'[devices]\nuser = "{folder / "devices.json"}"\n'
    )
    ports = ["--port", str(port), "--link-port", str(free_ports(1)[0]), "--https-port", "0"]
    words = ["run", "--config", str(config), "--state", str(state), *ports]
    return Program("forwarder", words, folder, "hub")


def _engine(engine: Path, folder: Path, port: int, toys_port: int) -> Program:
    user = folder / "engine.json"
    user.write_text(json.dumps({"version": {"major": 5, "minor": 0}, **USER_FILE}))
    words = [
        "--websocket-port", str(port), "--use-device-websocket-server",
        "--device-websocket-server-port", str(toys_port), "--user-device-config-file",
        str(user), "--log", "error",
    ]  # fmt: skip
    return Program("", words, folder, "engine", (engine, os.environ))


async def one_round(side: Side, folder: Path, seconds: float) -> None:
    async with served(side, folder) as server:
        steady = await _measured(side, server, "50/s", rate=STEADY_HZ, seconds=seconds)
        which = "toy_us" if "toys" in server.ends else "ok_us"
        side.note("50/s: p50, µs", steady[which].get("p50", 0))
        side.note("50/s: p99, µs", steady[which].get("p99", 0))
        side.note("50/s: answer p50, µs", steady["ok_us"].get("p50", 0))
        full = await _measured(side, server, "8 at once", window=OUTSTANDING, seconds=seconds)
        side.note("8 at once: answered a second", full["per_s"])
        if "toys" in server.ends:
            flood = await run(
                **server.ends,
                rate=FLOOD * full["per_s"],
                stops=STOPS,
                stopper=0 if side.engine else 1,
                seconds=STOPS * 0.07,
            )
            side.raw.append({"flood": flood})
            off = flood["off_us"]
            side.note(f"flood: stops written, of {STOPS}", off["count"])
            side.note("flood: worst stop, ms", off.get("max", 0) / 1e3)
        side.note("memory, MiB", server.memory_mib)


async def _measured(side: Side, server: Server, what: str, **how: float) -> Figures:
    load = Load(**server.ends, **how, quit=0)
    await load.start()
    try:
        await load.line()  # all are there: what that cost is no command's
        before = server.cpu_s
        figures = await load.line()
        spent = server.cpu_s - before
    finally:
        await load.end()
    await asyncio.sleep(AGAIN_S)
    side.raw.append({what: figures, "cpu_s": spent})
    side.note(f"{what}: CPU for a command, µs", spent / max(1, figures["answered"]) * 1e6)
    return figures


async def system_calls(side: Side, folder: Path, seconds: float) -> float | None:
    """For a command at 50/s; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    async with served(side, folder) as server:
        loading = asyncio.create_task(run(**server.ends, rate=STEADY_HZ, seconds=seconds + 3))
        await asyncio.sleep(2)  # the toy is there
        counting = await asyncio.create_subprocess_exec(
            strace,
            "-f",
            "-c",
            "-q",
            *(word for pid in server.pids for word in ("-p", str(pid))),
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.sleep(seconds)
        counting.terminate()
        _, told = await counting.communicate()
        await loading
    total = re.search(r"^100.00\s+\S+\s+(?:\S+\s+)?(\d+)(?:\s+\d+)?\s+total", told.decode(), re.M)
    return None if total is None else int(total[1]) / (seconds * STEADY_HZ)


def _three(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    digits = 2 if high < 10 else 0
    return f"{low:.{digits}f}/{middle:.{digits}f}/{high:.{digits}f}"


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _table(sides: Sequence[Side]) -> list[str]:
    ours, others = sides[0], sides[1:]
    head = ["figure (min/median/max)", *(side.name for side in sides)]
    lines = [[*head, *(f"ours / {side.name}" for side in others)]]
    for figure, values in ours.rounds.items():
        line = [figure, *(_three(each) if (each := s.rounds.get(figure)) else "–" for s in sides)]
        for side in others:
            theirs = side.rounds.get(figure)
            ratios = [a / b for a, b in zip(values, theirs or [], strict=False) if b]
            line.append(_three(ratios) if ratios else "–")
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    made = ["| " + " | ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)) + " |"
            for line in lines]  # fmt: skip
    return [made[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *made[1:]]


async def measure(engine: Path | None, rounds: int, seconds: float, folder: Path) -> list[Side]:
    sides = [Side("hub"), Side("floor"), Side("hub + relay"), Side("two-hop floor")]
    if engine is not None:
        sides.insert(1, Side("engine", engine))
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            await one_round(side, made(folder / f"{number}-{side.name}"), seconds)
    for side in sides:
        calls = await system_calls(side, made(folder / f"calls-{side.name}"), seconds)
        if calls is not None:
            side.note("system calls for a command at 50/s", calls)
    return sides


def commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peer")
    parser.add_argument("--engine", type=Path, help="an intiface-engine")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each figure")
    parser.add_argument("--json", type=Path, help="where everything is kept")
    options = parser.parse_args()
    if compiled() is None:
        print(NO_COMPILER)
        return 0
    if options.engine is not None and not os.access(options.engine, os.X_OK):
        print(f"{options.engine} is no program: build one with `cargo install intiface-engine`.")
        return 2
    before = load_average()
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        sides = asyncio.run(measure(options.engine, options.rounds, options.seconds, Path(folder)))
    after = load_average()
    named = {side.name: side for side in sides}
    for names in (("hub", "engine", "floor"), ("hub + relay", "engine", "two-hop floor")):
        print("\n".join(_table([named[name] for name in names if name in named])), end="\n\n")
    print(
        f"commit {commit()}, {options.rounds} rounds; load {before:.1f} before,"
        f" {after:.1f} after, {os.cpu_count()} processors"
    )
    if max(before, after) > NOISY:
        print(
            "This machine was busy: p50, p99, worst stops and answers a second say more about"
            " others\nthan about these programs. CPU, system calls, memory and stops written hold."
        )
    if options.json is not None:
        kept = {
            "commit": commit(), "at": time.time(), "load": [before, after],
            "sides": {side.name: {"rounds": side.rounds, "raw": side.raw} for side in sides},
        }  # fmt: skip
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(kept, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
