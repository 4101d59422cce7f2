"""Patterns: how strong something is at a moment. Pure functions of time.

The same as forwarder/web/play/patterns.js, which the pages use to draw and to play by themselves;
both are held to the vectors in tests/forwarder/play/vectors.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LEAST_SPEED: Final = 0.25
MOST_SPEED: Final = 4.0
# Points of a drawn loop that are kept at most: finer than a hand draws, or a motor follows.
MOST_POINTS: Final = 128
# One turn of a drawn loop (s) at speed 1.
LOOP_S: Final = 4.0
# Below this, a part of a range is off.
_NOTHING: Final = 0.005


@dataclass(frozen=True, slots=True)
class TurningPattern:
    """`period`: seconds of one turn at speed 1. `at`: phase, 0 up to 1 → level, 0 to 1."""

    name: str
    period: float
    at: Callable[[float], float]


def _bump(phase: float, at: float, width: float) -> float:
    return max(0.0, 1 - abs(phase - at) / width)


PATTERNS: Final[Mapping[str, TurningPattern]] = {
    "steady": TurningPattern("Steady", 1, lambda phase: 1.0),
    "pulse": TurningPattern("Pulse", 1, lambda phase: 1.0 if phase < 0.5 else 0.0),
    "wave": TurningPattern("Wave", 3, lambda phase: (1 - math.cos(2 * math.pi * phase)) / 2),
    "ramp": TurningPattern("Ramp", 4, lambda phase: phase),
    "heartbeat": TurningPattern(
        "Heartbeat",
        1.2,
        lambda phase: max(_bump(phase, 0.12, 0.12), 0.7 * _bump(phase, 0.4, 0.14)),
    ),
}


def loop(points: Sequence[float], period: float = LOOP_S) -> TurningPattern:
    """A pattern that somebody drew: levels, spread evenly over one turn, whose end runs into its
    beginning."""
    levels = [_part(point) for point in points]

    def at(phase: float) -> float:
        if not levels:
            return 0.0
        place = _wrapped(phase) * len(levels)
        first = math.floor(place) % len(levels)
        second = (first + 1) % len(levels)
        return levels[first] + (levels[second] - levels[first]) * (place - math.floor(place))

    return TurningPattern("My loop", period, at)


def level(pattern: TurningPattern, seconds: float, speed: float = 1, strength: float = 1) -> float:
    """How strong it is so long after it began. `speed` in turns, `strength` 0 to 1."""
    phase = _wrapped(max(0.0, seconds) * _held(speed) / pattern.period)
    return _part(pattern.at(phase)) * _part(strength)


def rescaled(seconds: float, before: float, after: float) -> float:
    """The seconds that lead to the same phase at another speed, so that nothing jumps."""
    return seconds * _held(before) / _held(after)


def steps(part: float, low: int, high: int) -> int:
    """The whole steps of a level within `low`..`high`, whose sign is the direction. A little is at
    least one step, for it must not turn into off. `part`: -1 to 1."""
    wanted = min(1.0, max(-1.0 if low < 0 else 0.0, part))
    if abs(wanted) < _NOTHING:
        return 0
    end = -low if wanted < 0 else high
    count = min(end, max(1, math.floor(abs(wanted) * end + 0.5)))
    return -count if wanted < 0 else count


def place(part: float, low: int, high: int) -> int:
    """The place of a position, 0 to 1, in `low`..`high`: 0 is a place like any other."""
    return math.floor(low + _part(part) * (high - low) + 0.5)


def _wrapped(phase: float) -> float:
    return phase - math.floor(phase)


def _held(speed: float) -> float:
    return min(MOST_SPEED, max(LEAST_SPEED, speed))


def _part(value: float) -> float:
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0
