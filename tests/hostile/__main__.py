"""`python -m tests.hostile [--seconds N] [--peers N] [--rate HZ] [--rounds N] [--alone] [NAME …]`:
a hub, a good relay, a good client, and peers that mean harm, kind by kind; a table of figures, in
Markdown, as it stands in docs/faults.md.

Exit status 1 if a toy was stopped, a good one had an error, or the hub ended."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from tests.hostile.good import VALUES_HZ
from tests.hostile.house import PEERS_IN_ALL, RATE_HZ, Figures, Plan, attacked
from tests.hostile.peers import PEERS

OTHERS = ("neighbours", "two hubs", "stands still")
LEGEND = f"""
Acts/s: what the peers did, of {{peers}} at {{rate:g}}/s each; with "+", what they were ready to do
and could not, as the hub had not read what they said before. What is missing beside both, their own
processes did not come to: those that only talk need 0.01 to 0.06 ms for an act, so that 10,000 a
second want 0.6 of a processor, those that listen as well (inventor, liar, comer, upstream) up to
0.5 ms. Stall: the longest time the loop of the hub stood still,
less what the system took; in brackets how many were over 50 ms. Pass: what a pass of the hub's loop
took of the processor's time, the 99th percentile and the longest. CPU: of one processor. p99:
answers of a good client that gives a good relay's toy {VALUES_HZ:g} values a second. Own: the same
without the time for which hub and client waited for a processor. Bare: while the same peers are at
a listener that is no hub, by turns with the hub; of several rounds, the median. Grown: the most
that the hub grew by, for each peer. The attackers' processes are of lower priority, by 10, and
share this machine's processors. "stands still": the hub's process is stopped for 10 s and goes on.
"two hubs": second ones on the same state folder. Bold: above 50 ms, or twice the bare listener.
"""
_COLUMNS = (
    "Peer", "Acts/s", "Stall, ms", "Pass, ms", "CPU: hub, bare", "p99, ms: hub, bare",
    "Own, ms: hub, bare", "Toys stopped", "Errors", "Grown, KiB each", "Descriptors", "Indexes",
    "End, s",
)  # fmt: skip
STALL_MOST_MS = 50.0
TIMES_BARE = 2.0


def head() -> str:
    return f"| {' | '.join(_COLUMNS)} |\n|---|{'--:|' * (len(_COLUMNS) - 1)}"


def _beside(hub: float, bare: float | None, digits: int = 1) -> str:
    """Both, and whether the hub's is too much."""
    if bare is None:
        return f"{hub:.{digits}f}, –"
    shown = f"{hub:.{digits}f}"
    if hub > TIMES_BARE * bare:
        shown = f"**{shown}**"
    return f"{shown}, {bare:.{digits}f}"


def line(plan: Plan, all: list[Figures], bare: list[Figures]) -> str:
    """A row of the table, in Markdown. Of what is a bound, the worst; of what others' work
    disturbs, the median."""
    stall = max(it.report.stall_ms for it in all)
    stalls = sum(it.report.stalls for it in all)
    shown = f"{stall:.0f} ({stalls})"
    if stall > STALL_MOST_MS and plan.name != "stands still":
        shown = f"**{shown}**"
    acts = f"{median(it.acts_s for it in all):,.0f}"
    if held := median(it.held_s for it in all):
        acts += f" + {held:,.0f}"
    passes = median(it.report.pass_ms for it in all)
    longest = max(it.report.longest_pass_ms for it in all)
    each = max(max(0.0, it.report.peak - it.memory_before) for it in all) * 1024 / plan.peers
    cpu = f"{median(it.report.cpu for it in all):.2f}"
    cpu += f", {median(it.bare_cpu for it in bare):.2f}" if bare else ", –"
    cells = (
        plan.name,
        acts,
        shown,
        f"{passes:.1f}, {longest:.0f}",
        cpu,
        _beside(
            median(it.p99_ms for it in all), median(it.p99_ms for it in bare) if bare else None
        ),
        _beside(
            median(it.own_ms for it in all), median(it.own_ms for it in bare) if bare else None
        ),
        str(sum(it.stopped for it in all)),
        str(sum(it.errors for it in all)),
        f"{each:.1f}",
        str(max(it.report.descriptors for it in all)),
        str(max(it.report.indexes for it in all)),
        f"{max(it.end_s for it in all):.1f}",
    )
    return f"| {' | '.join(cells)} |{'' if all_fine(all) else ' NOT FINE'}"


def all_fine(all: list[Figures]) -> bool:
    return not [it for it in all if not it.fine]


async def _one(plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return await attacked(Path(folder), plan)


async def main(names: list[str], plan: Plan, *, rounds: int, alone: bool) -> int:
    print(head(), flush=True)
    wrong = 0
    for name in names:
        plan = replace(plan, name=name)
        bare: list[Figures] = []
        figures: list[Figures] = []
        for _ in range(rounds):
            if name in PEERS and not alone:
                bare.append(await _one(replace(plan, bare=True)))
            figures.append(await _one(plan))
        wrong += not all_fine(figures)
        print(line(plan, figures, bare), flush=True)
    print(LEGEND.format(peers=plan.peers, rate=plan.rate_hz))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.hostile")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--peers", type=int, default=PEERS_IN_ALL)
    parser.add_argument("--rate", type=float, default=RATE_HZ)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="not beside a bare listener")
    parser.add_argument("names", nargs="*", default=["nobody", *PEERS, *OTHERS])
    options = parser.parse_args()
    wanted = Plan("", options.seconds, options.peers, options.rate)
    sys.exit(asyncio.run(main(options.names, wanted, rounds=options.rounds, alone=options.alone)))
