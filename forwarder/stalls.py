"""How long this hub's loop stands still: what one peer costs all the others.

A timer that comes late tells. What the system took, because others had the processor, is not the
hub's and is taken off, where it says so (Linux).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

# Often enough to see what matters to a lease of 900 ms, and 0.05 % of a processor.
EVERY_S: Final = 0.1
# Worth a line: a third of the time after which toys are stopped.
LONG_S: Final = 0.3
# Second number: nanoseconds for which this thread was ready and waited for a processor (Linux,
# Documentation/scheduler/sched-stats.rst).
_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")


def taken_s() -> float:
    """For how long this thread has waited for a processor in all; 0 where nobody says."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Stalls:
    """`longest_s` and `count` since they were last reset; stalls shorter than `every_s` are seen
    in part."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self.reset()

    def reset(self) -> None:
        self.longest_s = 0.0
        self.count = 0  # of those over 50 ms

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due, taken = loop.time() + self._every_s, taken_s()
            await asyncio.sleep(self._every_s)
            late = loop.time() - due
            self.note(late - (taken_s() - taken) if late > 0.01 else late)

    def note(self, stood_still_s: float) -> None:
        self.longest_s = max(self.longest_s, stood_still_s)
        if stood_still_s > 0.05:
            self.count += 1
        if stood_still_s > LONG_S:
            log.warning("this hub stood still for %.1f s", stood_still_s)
