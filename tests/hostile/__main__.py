"""`python -m tests.hostile [--seconds N] [--peers N] [--rate HZ] [--alone] [NAME …]`: a hub, a good
relay, a good client, and peers that mean harm, one kind after the other; a table of figures.

Exit status 1 if a toy was stopped, a good one had an error, or the hub ended."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.hostile.good import VALUES_HZ
from tests.hostile.house import PEERS_IN_ALL, RATE_HZ, Figures, Plan, attacked
from tests.hostile.peers import PEERS

OTHERS = ("neighbours", "two hubs", "stands still")
LEGEND = f"""
acts/s: what the peers did, of {{peers}} at {{rate:g}}/s each. stall: the longest time for which the
hub's loop stood still, less what the system took; in brackets how many were over 50 ms. cpu: of
the hub, of one processor. p50, p99 (ms): answers of a good client that gives a good relay's toy
{VALUES_HZ:g} values a second. bare: p99 of the same while the same peers are at a listener that is
no hub. stopped: how often that toy was stopped. KiB each: the most that the hub grew by, for each
peer. end: how long it took to end, attacked still. The attackers' processes are of lower priority
and share this machine's processors. "stands still": the hub's process is stopped for 10 s and goes
on. "two hubs": second ones on the same state folder.
"""
_HEAD = (
    f"{'peer':<13}{'acts/s':>8}{'stall ms':>12}{'cpu':>6}{'p50':>6}{'p99':>7}{'bare':>7}"
    f"{'errors':>8}{'stopped':>9}{'KiB each':>10}{'fds':>5}{'places':>8}{'indexes':>9}{'end s':>6}"
    "  fine"
)


def line(plan: Plan, it: Figures, bare: Figures | None) -> str:
    r = it.report
    each = max(0.0, r.peak - it.memory_before) * 1024 / plan.peers
    return (
        f"{plan.name:<13}{it.acts_s:>8.0f}{f'{r.stall_ms:.0f} ({r.stalls})':>12}{r.cpu:>6.2f}"
        f"{it.p50_ms:>6.1f}{it.p99_ms:>7.1f}{'' if bare is None else f'{bare.p99_ms:.1f}':>7}"
        f"{it.errors:>8}{it.stopped:>9}{each:>10.1f}{r.descriptors:>5}{r.connections:>8}"
        f"{r.indexes:>9}{it.end_s:>6.1f}  {'yes' if it.fine else 'NO'}"
    )


async def _one(plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return await attacked(Path(folder), plan)


async def main(names: list[str], plan: Plan, *, alone: bool) -> int:
    print(_HEAD, flush=True)
    wrong = 0
    for name in names:
        plan = replace(plan, name=name)
        bare = None
        if name in PEERS and not alone:
            bare = await _one(replace(plan, bare=True))
        figures = await _one(plan)
        wrong += not figures.fine
        print(line(plan, figures, bare), flush=True)
    print(LEGEND.format(peers=plan.peers, rate=plan.rate_hz))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.hostile")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--peers", type=int, default=PEERS_IN_ALL)
    parser.add_argument("--rate", type=float, default=RATE_HZ)
    parser.add_argument("--alone", action="store_true", help="not beside a bare listener")
    parser.add_argument("names", nargs="*", default=["nobody", *PEERS, *OTHERS])
    options = parser.parse_args()
    wanted = Plan("", options.seconds, options.peers, options.rate)
    sys.exit(asyncio.run(main(options.names, wanted, alone=options.alone)))
