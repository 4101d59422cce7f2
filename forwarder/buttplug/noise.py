"""Float noise: what the arithmetic of a client leaves beside the number that it meant. Pure.

A fade that ends at -2.8e-17 means 0. To refuse it would leave the value before it running.
"""

from __future__ import annotations

from typing import Final

# Far above what sums of doubles leave, far below a step of any device.
NOISE: Final = 1e-6


def clamped(value: float, low: float, high: float) -> float | None:
    """`value`, brought to the end of low..high that it misses by noise; None if it misses more."""
    if low - NOISE <= value <= high + NOISE:
        return min(max(value, low), high)
    return None


def whole(value: object) -> object:
    """The integer that a float misses by noise; anything else as it is."""
    if isinstance(value, float) and abs(value) <= _EXACT and abs(value - round(value)) <= NOISE:
        return round(value)
    return value


def milliseconds(value: object) -> object:
    """Half milliseconds are no use to any device: rounded. Anything else as it is."""
    return round(value) if isinstance(value, float) and abs(value) <= _EXACT else value


_EXACT: Final = 2.0**53  # beyond it doubles are integers, and none that any field takes
