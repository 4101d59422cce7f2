"""How long this hub's loop stands still: what one peer costs all the others.

A timer that comes late tells. What the system took, because others had the processor, is not the
hub's and is taken off, where it says so (Linux). Where the loop stood, a thread has seen meanwhile:
it looks ten times a second whether the timer is late, and only then at the stack.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from types import FrameType
from typing import Final

log = logging.getLogger(__name__)

# Often enough to see what matters to a lease of 900 ms, and 0.05 % of a processor.
EVERY_S: Final = 0.1
# From here on it counts: a fifth of what a stop may take in all.
SEEN_S: Final = 0.05
_OWN: Final = ("forwarder", "relay")
# Worth a line: a third of the time after which toys are stopped.
LONG_S: Final = 0.3
# Second number: nanoseconds for which this thread was ready and waited for a processor (Linux,
# Documentation/scheduler/sched-stats.rst).
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"


def taken_s() -> float:
    """For how long this thread has waited for a processor in all; 0 where nobody says."""
    # The system's calls themselves: an idle hub does this ten times a second, and little else.
    try:
        file = os.open(_SCHEDSTAT, os.O_RDONLY)
        try:
            return int(os.read(file, 64).split()[1]) / 1e9
        finally:
            os.close(file)
    except (OSError, IndexError, ValueError):
        return 0.0


class Stalls:
    """`longest_s` and `count` since they were last reset, and in which function the longest was, as
    far as it was seen (`longest_in`, else empty); stalls shorter than `every_s` are seen in part.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self.reset()

    def reset(self) -> None:
        self.longest_s = 0.0
        self.longest_in = ""
        self.count = 0  # of those over 50 ms

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        watcher = _Watcher(threading.get_ident(), self._every_s)
        try:
            while True:
                due, taken = loop.time() + self._every_s, taken_s()
                watcher.beat()
                await asyncio.sleep(self._every_s)
                late = loop.time() - due
                stood_still = late - (taken_s() - taken) if late > 0.01 else late
                self.note(stood_still, watcher.seen)
        finally:
            watcher.end()

    def note(self, stood_still_s: float, seen: str = "") -> None:
        """It stood still for so long, in the function `seen`."""
        if stood_still_s > self.longest_s:
            self.longest_s, self.longest_in = stood_still_s, seen if stood_still_s > SEEN_S else ""
        if stood_still_s > SEEN_S:
            self.count += 1
        if stood_still_s > LONG_S:
            where = f" in {seen}" if seen else ""
            log.warning("this hub stood still for %.1f s%s", stood_still_s, where)


class _Watcher:
    """A thread that looks at another one when that has not been heard for longer than `every_s`."""

    def __init__(self, thread: int, every_s: float) -> None:
        self._thread = thread
        self._every_s = every_s
        self._beat = time.monotonic()
        self._over = threading.Event()
        self.seen = ""
        threading.Thread(target=self._watch, name="stalls", daemon=True).start()

    def beat(self) -> None:
        """It is alive."""
        self._beat = time.monotonic()
        self.seen = ""

    def end(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while True:
            silent_s = time.monotonic() - self._beat
            late_s = self._every_s + SEEN_S / 2
            if silent_s > late_s and not self.seen:
                self.seen = where(sys._current_frames().get(self._thread))
            # Just behind the moment at which it would be late; while it is, now and then.
            pause_s = late_s - silent_s if silent_s < late_s else self._every_s
            if self._over.wait(max(0.01, pause_s)):
                return


def where(frame: FrameType | None) -> str:
    """The innermost function of this software on that stack: what it did, and where that is."""
    while frame is not None:
        code = frame.f_code
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _OWN:
            return f"{module}.{code.co_qualname}"
        frame = frame.f_back
    return ""
