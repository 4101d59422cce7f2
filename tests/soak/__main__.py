"""`python -m tests.soak [SECONDS]`: prints what was done; ten virtual minutes by default."""

from __future__ import annotations

import logging
import sys
import time

from tests.doubles.clock import run_virtual
from tests.soak.soak import soak

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    started = time.monotonic()
    counts = run_virtual(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0))
    for what, count in sorted(counts.items()):
        print(f"{count:8,}  {what}")
    print(
        f"every answer right, every motor where it should be ({time.monotonic() - started:.0f} s)"
    )
