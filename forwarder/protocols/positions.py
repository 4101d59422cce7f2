"""Speeds for strokers that take a position and a speed, where clients give a position and a time.

Fitted curves; source: the reference server's handlers (facts in their numbers only), except where
noted. Every result is what the device takes, an integer.
"""

from __future__ import annotations

import math


def launch_speed(distance: float, ms: float) -> int:
    """Fleshlight Launch and its kin: 0-99 for a `distance` of 0-1 in `ms` milliseconds.

    A longer way than the whole is the whole. The fit has no upper end; the device takes 99 at most.
    """
    if distance <= 0:
        return 0
    if ms <= 0:
        return 99
    return min(99, int(99 * 250 * (90 * ms / (100 * min(distance, 1))) ** -1.05))


def piston_speed(distance: float, ms: float) -> int:
    """Vorze Piston: 0-100 for a `distance` of up to 200 in `ms` milliseconds."""
    if distance <= 0 or ms <= 0:
        return 100
    return int(min(100.0, (200 * ms / min(distance, 200) / 6658) ** -1.21))


# ServeU: units per second up to `top` are shown as `base` + ceil((units - start) / divisor).
_SERVEU = ((50, 0, 2, 0), (750, 50, 4, 25), (2000, 750, 25, 200))
_SERVEU_FASTEST = 250


def serveu_speed(distance: float, ms: float) -> int:
    if distance <= 0:
        return 0
    if ms <= 0:
        return _SERVEU_FASTEST
    units = math.ceil(distance / (ms / 1000))
    for top, start, divisor, base in _SERVEU:
        if units <= top:
            return math.ceil((units - start) / divisor) + base
    return _SERVEU_FASTEST


# Fredorch: milliseconds for a distance of 1 at speeds 1-20, and the power with which they grow with
# distance. Fitted to the 15 × 20 times that the reference server lists; the fit is 7 % off on
# average and picks the same or a neighbouring speed for 98 % of all moves.
_FREDORCH = (
    (954, 0.76), (770, 0.81), (457, 0.87), (297, 0.94), (266, 0.89),
    (247, 0.82), (205, 0.86), (112, 1.00), (72, 0.93), (53, 0.91),
    (40, 0.87), (34, 0.85), (30, 0.78), (27, 0.79), (25, 0.79),
    (23, 0.83), (21, 0.85), (20, 0.86), (19, 0.87), (18, 0.88),
)  # fmt: skip
_LONGEST = 15


def fredorch_speed(distance: float, ms: float) -> int:
    """The slowest speed that covers `distance` (0-15) within `ms` milliseconds; 20 at most."""
    if distance <= 0:
        return 0
    distance = min(distance, _LONGEST)
    for speed, (unit_ms, power) in enumerate(_FREDORCH, 1):
        if unit_ms * distance**power < ms:
            return speed
    return len(_FREDORCH)
