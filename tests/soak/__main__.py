"""`python -m tests.soak [SECONDS]`: prints what was done; ten virtual minutes by default.

`make soak-day` is a day of it, which takes an hour or two: each virtual hour it says what memory
the process has, and at the end how that grows. A day that grows by more than GROWS_KIB_H an hour
over its second half has a leak, and fails.
"""

from __future__ import annotations

import logging
import sys
import time

from tests.benchmarks.process import memory_kib
from tests.doubles.clock import run_virtual
from tests.soak.memory import HOUR_S, MemoryTrend
from tests.soak.soak import soak

# An object of a hundred bytes for each of the ten clients a minute that come and go is 60.
GROWS_KIB_H = 128


def main() -> int:
    logging.disable(logging.CRITICAL)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    trend = MemoryTrend()
    started = time.monotonic()

    def looked(now: float) -> None:
        if trend.due(now):
            trend.note(now, memory_kib())
            if now >= HOUR_S:
                print(f"{now / HOUR_S:5.1f} h  {memory_kib() / 1024:6.1f} MiB", flush=True)

    counts = run_virtual(soak(seconds, looked=looked))
    for what, count in sorted(counts.items()):
        print(f"{count:8,}  {what}")
    print(
        f"every answer right, every motor where it should be ({time.monotonic() - started:.0f} s)"
    )
    grows = trend.kib_per_hour()
    if grows is None or seconds < 4 * HOUR_S:
        return 0
    print(f"memory over the second half: {grows:+.0f} KiB an hour (at most {GROWS_KIB_H})")
    return int(grows > GROWS_KIB_H)


if __name__ == "__main__":
    sys.exit(main())
