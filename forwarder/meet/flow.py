"""How fast one direction of a pair may be. Sans-I/O."""

from __future__ import annotations


class Flow:
    """`burst` bytes at once, then `rate` a second: above it the source is read more slowly."""

    __slots__ = ("_burst", "_left", "_rate", "_then")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._then = burst, now

    def take(self, size: int, now: float) -> float:
        """Count a frame of `size` bytes; returns the seconds to wait before it is passed on."""
        self._left = min(self._burst, self._left + (now - self._then) * self._rate) - size
        self._then = now
        return max(0.0, -self._left / self._rate)
