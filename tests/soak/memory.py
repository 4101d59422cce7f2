"""How memory grows over a long run: a straight line through its second half."""

from __future__ import annotations

import statistics

HOUR_S = 3600.0
# Six values an hour.
EVERY_S = 600.0


class MemoryTrend:
    """`note` what there is when it is `due`; the first half is warming up."""

    def __init__(self) -> None:
        self._due = 0.0
        self._noted: list[tuple[float, float]] = []

    def due(self, now: float) -> bool:
        return now >= self._due

    def note(self, now: float, kib: float) -> None:
        self._noted.append((now / HOUR_S, kib))
        self._due = now + EVERY_S

    def kib_per_hour(self) -> float | None:
        """None as long as there are too few values."""
        half = self._noted[len(self._noted) // 2 :]
        if len(half) < 3:
            return None
        slope: float = statistics.linear_regression(*zip(*half, strict=True)).slope
        return slope
