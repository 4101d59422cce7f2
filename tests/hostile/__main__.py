"""`python -m tests.hostile [--seconds N] [NAME …]`: a hub, a good relay, a good client, and peers
that mean harm, one kind after the other; a table of figures. Exit status 1 if a toy was stopped,
or the hub ended."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.hostile.house import Figures, attacked
from tests.hostile.peers import PEERS

LEGEND = """
stall: the longest time for which the hub's loop stood still, less what the system took; in brackets
how many were over 50 ms. answers: of a good client that drives a good relay's toy at 10 Hz.
stopped: how often that toy was stopped. The attacker's processes are of lower priority and share
this machine's processors. "stands still": the hub's process is stopped for 10 s and goes on.
"""
_HEAD = (
    f"{'peer':<14}{'stall ms':>14}{'cpu':>6}{'answers p50/p99 ms':>20}{'errors':>8}{'stopped':>9}"
    f"{'MiB':>7}{'fds':>6}{'places':>8}{'indexes':>9}  fine"
)


def line(name: str, it: Figures) -> str:
    r = it.report
    return (
        f"{name:<14}{f'{r.stall_ms:.0f} ({r.stalls})':>14}{r.cpu:>6.2f}"
        f"{f'{it.p50_ms:.1f} / {it.p99_ms:.1f}':>20}{it.errors:>8}{it.stopped:>9}{r.memory:>7.0f}"
        f"{r.descriptors:>6}{r.connections:>8}{r.indexes:>9}  {'yes' if it.fine else 'NO'}"
    )


async def main(names: list[str], seconds: float) -> int:
    print(_HEAD, flush=True)
    wrong = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            figures = await attacked(Path(folder), name, seconds)
        wrong += not figures.fine
        print(line(name, figures), flush=True)
    print(LEGEND)
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.hostile")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("names", nargs="*", default=["nobody", *PEERS, "stands still"])
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.names, options.seconds)))
