"""How much of one peer is read at a time, and how fast: `Budget`. Sans-I/O.

A peer that says more than its budget is not refused: it is read more slowly.
"""

from __future__ import annotations


class Budget:
    """A purse that fills at `rate` a second up to `burst`. It may be overdrawn; then whoever
    spends from it waits until it is empty, not overdrawn, again."""

    __slots__ = ("_burst", "_left", "_rate", "_when")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._when = now

    @property
    def burst(self) -> float:
        return self._burst

    def left(self, now: float) -> float:
        """What is in it; below zero if it was overdrawn."""
        return min(self._burst, self._left + (now - self._when) * self._rate)

    def grants(self, now: float) -> bool:
        """Take one out of it, if there is one."""
        left = min(self._burst, self._left + (now - self._when) * self._rate)
        if left < 1:
            return False
        self._left, self._when = left - 1, now
        return True

    def spend(self, cost: float, now: float) -> float:
        """Take `cost` out of it; returns the seconds to wait before the next."""
        self._left = self.left(now) - cost
        self._when = now
        return max(0.0, -self._left / self._rate)


class Sayings:
    """What is worth a line in the log once in `every_s`, per kind, with how often it was kept back.

    Kinds beyond `most` share what the oldest of them had.
    """

    __slots__ = ("_every_s", "_most", "_said")

    def __init__(self, every_s: float = 60.0, most: int = 64) -> None:
        self._every_s = every_s
        self._most = most
        self._said: dict[object, list[float]] = {}

    def say(self, kind: object, now: float) -> int | None:
        """Whether to say it now: None for no, else how often it was kept back since."""
        known = self._said.get(kind)
        if known is not None and now - known[0] < self._every_s:
            known[1] += 1
            return None
        kept_back = 0 if known is None else int(known[1])
        self._said.pop(kind, None)
        self._said[kind] = [now, 0.0]
        while len(self._said) > self._most:
            del self._said[next(iter(self._said))]
        return kept_back


def again(kept_back: int) -> str:
    """What stands behind a line that was kept back before."""
    return f" ({kept_back} more of these since)" if kept_back else ""
