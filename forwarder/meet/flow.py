"""How fast one direction of a pair may be, and how often somebody may come. Sans-I/O."""

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


class Rate:
    """A bucket that fills in a minute."""

    __slots__ = ("left", "then")

    def __init__(self, most: int, now: float) -> None:
        self.left, self.then = float(most), now

    def take(self, most: int, now: float) -> bool:
        self.left = min(most, self.left + (now - self.then) * most / 60)
        self.then = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
