"""Speeds for strokers that take a position and a speed, where clients give a position and a time.

Fitted curves; source: the reference server's handlers (facts in their numbers only), except where
noted. Every result is what the device takes, an integer.
"""

from __future__ import annotations

import math


def launch_speed(distance: float, ms: float) -> int:
    """Fleshlight Launch and its kin: 0-99 for a `distance` of 0-1 in `ms` milliseconds.

    The fit has no upper end; the device takes 99 at most.
    """
    if distance <= 0:
        return 0
    if ms <= 0:
        return 99
    return min(99, int(99 * 250 * (90 * ms / (100 * distance)) ** -1.05))


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


# Fredorch: how long one step takes at speed 1 and 20, in ms, for a distance of 1 and of 15;
# measured by others. Between them, time falls with speed and grows with distance along power laws.
_SLOWEST = (1000.0, 8048.0)
_FASTEST = (22.0, 200.0)
_SPEEDS = 20
_LONGEST = 15


def fredorch_time(distance: int, speed: int) -> float:
    """Milliseconds for `distance` 1-15 at `speed` 1-20."""
    along = math.log(distance) / math.log(_LONGEST)
    slowest = _SLOWEST[0] * (_SLOWEST[1] / _SLOWEST[0]) ** along
    fastest = _FASTEST[0] * (_FASTEST[1] / _FASTEST[0]) ** along
    exponent = math.log(fastest / slowest) / math.log(_SPEEDS)
    return float(slowest * speed**exponent)


def fredorch_speed(distance: int, ms: float) -> int:
    """The slowest speed that covers `distance` (0-15) within `ms` milliseconds; 20 at most."""
    if distance <= 0:
        return 0
    for speed in range(1, _SPEEDS):
        if fredorch_time(min(distance, _LONGEST), speed) < ms:
            return speed
    return _SPEEDS
