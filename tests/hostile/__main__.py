"""`python -m tests.hostile [--seconds N] [--peers N] [--rate HZ] [--rounds N] [--alone] [NAME …]`:
a hub, a good relay, a good client, and peers that mean harm, kind by kind; a table of figures.

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
acts/s: what the peers did, of {{peers}} at {{rate:g}}/s each. held/s: what they were ready to do
and could not, as the hub had not read what they said before; what is missing beside both, their
own processes did not come to. stall: the longest time the loop of the hub stood still, less what
the system took; in brackets how many were over 50 ms. pass: what a pass of the hub's loop took of
the processor's time, of a hundred the second longest; in brackets the longest of all. cpu: of
the hub, of one processor; in brackets of the bare listener. p50, p99 (ms): answers of a good client
that gives a good relay's toy {VALUES_HZ:g} values a second. bare: p99 of the same while the same
peers are at a listener that is no hub, by turns with the hub; of several rounds, the median. own:
both of these p99 once more, without the time for which hub and client waited for a processor.
stopped: how often that toy was stopped. KiB each: the most that the hub grew by, for each peer.
end: how long it took to end, attacked still. The attackers' processes are of lower priority, by
10, and share this machine's processors. "stands still": the hub's process is stopped for 10 s and
goes on. "two hubs": second ones on the same state folder.
"""
_HEAD = (
    f"{'peer':<13}{'acts/s':>8}{'held/s':>8}{'stall ms':>12}{'pass ms':>13}{'cpu':>13}{'p50':>6}"
    f"{'p99':>7}{'bare':>7}{'own':>7}"
    f"{'bare':>6}"
    f"{'errors':>8}{'stopped':>9}{'KiB each':>10}{'fds':>5}{'places':>8}{'indexes':>9}{'end s':>6}"
    "  fine"
)


def line(plan: Plan, all: list[Figures], bare: list[Figures]) -> str:
    # Of what is a bound, the worst; of what others' work disturbs, the median.
    worst = max(all, key=lambda it: it.report.stall_ms).report
    stalls = sum(it.report.stalls for it in all)
    longest = max(it.report.longest_pass_ms for it in all)
    passes = f"{median(it.report.pass_ms for it in all):.1f} ({longest:.0f})"
    each = max(max(0.0, it.report.peak - it.memory_before) for it in all) * 1024 / plan.peers
    cpu = f"{median(it.report.cpu for it in all):.2f}"
    beside = beside_own = ""
    if bare:
        cpu += f" ({median(it.bare_cpu for it in bare):.2f})"
        beside = f"{median(it.p99_ms for it in bare):.1f}"
        beside_own = f"{median(it.own_ms for it in bare):.1f}"
    return (
        f"{plan.name:<13}{median(it.acts_s for it in all):>8.0f}"
        f"{median(it.held_s for it in all):>8.0f}"
        f"{f'{worst.stall_ms:.0f} ({stalls})':>12}{passes:>13}{cpu:>13}"
        f"{median(it.p50_ms for it in all):>6.1f}{median(it.p99_ms for it in all):>7.1f}"
        f"{beside:>7}{median(it.own_ms for it in all):>7.1f}{beside_own:>6}"
        f"{sum(it.errors for it in all):>8}{sum(it.stopped for it in all):>9}{each:>10.1f}"
        f"{max(it.report.descriptors for it in all):>5}"
        f"{max(it.report.connections for it in all):>8}"
        f"{max(it.report.indexes for it in all):>9}{max(it.end_s for it in all):>6.1f}"
        f"  {'yes' if all_fine(all) else 'NO'}"
    )


def all_fine(all: list[Figures]) -> bool:
    return not [it for it in all if not it.fine]


async def _one(plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return await attacked(Path(folder), plan)


async def main(names: list[str], plan: Plan, *, rounds: int, alone: bool) -> int:
    print(_HEAD, flush=True)
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
