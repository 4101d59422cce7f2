"""`make faults`: every combination, measured, as a table. Exit status 1 if one of them fails."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.clock import run_virtual
from tests.faults import away, away_nodes, houses, matrix, radios
from tests.faults.world import Outcome
from tests.forwarder.meet.one_name import PROGRAMS

LEGEND = """
off: from the fault (behind an arrow: from the stop that follows it) to the write that left every
motor at rest, by the toy's own record. limit: the longest that may take.
virtual: hub, encrypted link, relay and simulated toy in one process, in virtual time; the times are
exact, and computing costs none. processes: client, hub, relay, TCP proxies, and BlueZ with the toy,
a process each, or a relay and its toy behind a port or socket (the toy's column says which); real
time on this machine. Each virtual row stands for three toys: without response
and one motor, with response and two motors, two kinds of output; the slowest is shown.
After each stop the toys are watched, for 6 s virtual or 3 s real, while late frames arrive and the
client drives on: no write may set one going again unless it was armed anew. One thing is let
through: the handshake of a relay that takes the toy, where it is the same as the first time and the
next write, 0.1 s later at most, has the toy at rest (a We-Vibe's sets both motors going for 50 ms).

Limits other than 1,000 ms:
  kill -9 of a relay  2,000 ms: nobody but its supervisor is left.
  6,000 ms            supervisor and relay are dead; off counts from the start of the next one, an
                      interpreter and its imports included, without what it waits for a processor.
  3,000 ms            only the way from relay to hub is broken, or its writer is gone: every stop
                      still arrives (see the rows with arrows). The hub leases nothing once an
                      answer is 1.2 s late, and gives the link up after 2 s.
  pulled, failing     3,000 ms for a toy that is not there meanwhile: from its return on, or for a
                      moment of a second at most that it was lost.
Not in the table:
  kill -9, SIGSTOP, stall × radio   the controller's own firmware; a dead or silent radio cannot be
                      told anything, by nobody. Errors of up to 0.6 s are in; what lasts for more
                      than a second ends in disconnecting, and most toys stop then or soon after.
  cancelled task × radio   a radio has no tasks; the peripheral's worker is the relay's.
  delay, duplicates, half-open, full disk, clock jump × radio   a radio has no frames of ours, no
                      disk and no clock of ours; its delays are rows of radio error.
  duplicates × client               TCP does not do that, and a client that repeats itself means it.
  clock jump, full disk × client    a client that does not ping any more is a frozen client.
  full disk, clock jump × link      a wire has neither.
  kill -9 of a relay with simulated toys   the toys die with it.
A client that stands still is told from one that has nothing to say by Buttplug's pings alone: the
rows with a frozen or half-open client have max_ping_ms = 750 (600 in virtual time). With the
default of 0 only the websocket notices, within half a minute.
"""

TOY_STYLE = "3 toys"


@dataclass(frozen=True, slots=True)
class Line:
    where: str
    fault: str
    place: str
    detail: str
    toy: str
    off_ms: float | None
    limit_ms: float
    wrong: str

    def __str__(self) -> str:
        off = "never" if self.off_ms is None else f"{self.off_ms:,.0f}"
        fields = (self.fault, self.place, self.detail, self.toy, off, f"{self.limit_ms:,.0f}")
        return f"| {' | '.join(fields)} | {self.where} | {self.wrong or 'ok'} |"


HEAD = """\
| fault | place | what | toy | off (ms) | limit | where | |
|---|---|---|---|--:|--:|---|---|"""


def virtual_lines(folder: Path) -> Iterator[Line]:
    for number, row in enumerate(matrix.ROWS):
        slowest: Outcome | None = None
        wrong = ""
        for toy in matrix.TOYS:
            place = folder / f"{number}-{matrix.TOYS.index(toy)}"
            place.mkdir()
            outcome = run_virtual(matrix.play(row, toy, place))
            found = matrix.verdict(row, outcome)
            wrong = wrong or (f"{toy}: {found}" if found else "")
            if slowest is None or (outcome.off_ms or 1e9) > (slowest.off_ms or 1e9):
                slowest = outcome
        assert slowest is not None
        detail = f"{row.detail} → {row.then}" if row.then else row.detail
        yield Line(
            "virtual", row.fault, row.place, detail, TOY_STYLE, slowest.off_ms, row.limit_ms, wrong
        )


def process_lines(folder: Path) -> Iterator[Line]:
    for number, row in enumerate(houses.ROWS):
        toy = matrix.TOYS[number % len(matrix.TOYS)]
        place = folder / str(number)
        place.mkdir()
        outcome = asyncio.run(houses.play(row, toy, place))
        yield Line(
            "processes", row.fault, row.place, row.detail, toy, outcome.off_ms, row.limit_ms,
            houses.verdict(row, outcome),
        )  # fmt: skip


def radio_lines(folder: Path) -> Iterator[Line]:
    for number, row in enumerate(radios.ROWS):
        place = folder / str(number)
        place.mkdir()
        outcome = asyncio.run(radios.play(row, place))
        yield Line(
            "processes", row.fault, row.place, row.detail, row.radio, outcome.off_ms, row.limit_ms,
            radios.verdict(row, outcome),
        )  # fmt: skip


def away_lines(folder: Path) -> Iterator[Line]:
    for number, row in enumerate(away.ROWS):
        place = folder / str(number)
        place.mkdir()
        outcome = asyncio.run(away.play(row, place))
        yield Line(
            "processes", row.fault, row.place, row.detail, away.TOY, outcome.off_ms, away.LIMIT_MS,
            away.verdict(row, outcome),
        )  # fmt: skip


def node_lines(folder: Path) -> Iterator[Line]:
    for number, row in enumerate(away_nodes.ROWS):
        place = folder / str(number)
        place.mkdir()
        outcome = asyncio.run(away_nodes.play(row, place))
        yield Line(
            "processes", row.fault, row.place, "toy driven by two nodes", away.TOY, outcome.off_ms,
            away.LIMIT_MS, away_nodes.verdict(outcome),
        )  # fmt: skip


def main() -> int:
    # What the programs say about the faults is not what is asked here.
    logging.disable(logging.CRITICAL)
    lines = []
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        ways = [virtual_lines, radio_lines, away_lines]
        if shutil.which("dbus-daemon") is None:
            print("no dbus-daemon here: the rows with processes are left out", file=sys.stderr)
        else:
            ways.append(process_lines)
        if shutil.which("nats-server", path=PROGRAMS) is None:
            print("no nats-server here: the rows with nodes are left out", file=sys.stderr)
        else:
            ways.append(node_lines)
        for way in ways:
            place = Path(folder, way.__name__)
            place.mkdir()
            for line in way(place):
                print(line, flush=True)
                lines.append(line)
    bad = [line for line in lines if line.wrong]
    runs = sum(len(matrix.TOYS) if line.where == "virtual" else 1 for line in lines)
    print(LEGEND)
    print(f"{len(lines)} combinations, {runs} runs, {len(bad)} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
