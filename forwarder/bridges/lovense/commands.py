"""The requests of the Lovense LAN API, read. Sans-I/O: JSON in, a request out, or the code of what
is wrong with it.

Source: the vendor's public Standard API documentation (2023), and what lovensepy 1.0.4 sends.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from forwarder.bridges.bounds import (
    LEAST_PATTERN_MS,
    MOST_ACTION_MS,
    MOST_ACTIONS,
    MOST_OFFSET_MS,
    MOST_S,
    MOST_STRENGTHS,
)

# Codes of answers.
OK: Final = 200
INVALID_COMMAND: Final = 400
NO_TOY: Final = 401
NOT_CONNECTED: Final = 402
UNSUPPORTED: Final = 403
INVALID_PARAMETER: Final = 404
SERVER_ERROR: Final = 506

# Of each action the highest level; Stroke has a range instead.
LEVELS: Final = {
    "Vibrate": 20, "Vibrate1": 20, "Vibrate2": 20, "Vibrate3": 20, "Rotate": 20, "Thrusting": 20,
    "Fingering": 20, "Suction": 20, "Oscillate": 20, "All": 20, "Pump": 3, "Depth": 3,
}  # fmt: skip
STROKE: Final = "Stroke"
# What a letter of a pattern's rule means.
LETTERS: Final = {
    "v": "Vibrate", "v1": "Vibrate1", "v2": "Vibrate2", "v3": "Vibrate3", "r": "Rotate",
    "p": "Pump", "t": "Thrusting", "f": "Fingering", "s": "Suction", "d": "Depth",
    "o": "Oscillate", "st": STROKE,
}  # fmt: skip
PRESETS: Final = ("pulse", "wave", "fireworks", "earthquake")
_RULE = re.compile(r"V:1;F:([a-z0-9,]*);S:(\d{1,5})#?")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d+)?")
_RANGE = re.compile(r"(\d{1,3})-(\d{1,3})")


class Misunderstood(Exception):
    """`code` as the API has it; the text is for the answer's `message`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class GetToys:
    pass


@dataclass(frozen=True, slots=True)
class GetToyName:
    pass


@dataclass(frozen=True, slots=True)
class FunctionCommand:
    """`levels`: action → 0 to 1. `stroke`: lowest and highest position, 0 to 1. `seconds` None: as
    long as its sender is heard. `running`, `pause`: seconds on and off, again and again."""

    toys: tuple[str, ...]
    levels: Mapping[str, float]
    stroke: tuple[float, float] | None
    seconds: float | None
    running: float | None
    pause: float | None
    alone: bool


@dataclass(frozen=True, slots=True)
class Halt:
    toys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatternCommand:
    """`strengths` 0 to 1, each for `step_s`. `actions` empty: everything the toy has."""

    toys: tuple[str, ...]
    actions: tuple[str, ...]
    strengths: tuple[float, ...]
    step_s: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Preset:
    toys: tuple[str, ...]
    name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Position:
    toys: tuple[str, ...]
    place: float


@dataclass(frozen=True, slots=True)
class Setup:
    """Positions 0 to 1 by the second at which they are reached."""

    actions: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Play:
    """Play what was set up, or `actions`; from `begin_s` of it on, `offset_s` from now."""

    toys: tuple[str, ...]
    actions: tuple[tuple[float, float], ...] | None
    begin_s: float
    offset_s: float
    seconds: float | None
    alone: bool


@dataclass(frozen=True, slots=True)
class SyncTime:
    pass


LovenseCommand = (
    GetToys
    | GetToyName
    | FunctionCommand
    | Halt
    | PatternCommand
    | Preset
    | Position
    | Setup
    | Play
    | SyncTime
)


def read(body: bytes) -> LovenseCommand:
    """Raises Misunderstood."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise Misunderstood(INVALID_COMMAND, "the request is no JSON") from None
    if not isinstance(said, dict):
        raise Misunderstood(INVALID_COMMAND, "the request is no JSON object")
    match said.get("command"):
        case "GetToys":
            return GetToys()
        case "GetToyName" | "GetToyNames":
            return GetToyName()
        case "Function":
            return _function(said)
        case "Pattern":
            return _pattern(said)
        case "Preset":
            return _preset(said)
        case "Position":
            return Position(_toys(said), _number(said, "value", 0, 100) / 100)
        case "PatternV2":
            return _pattern_v2(said)
        case other:
            raise Misunderstood(INVALID_COMMAND, f"{_shown(other)} is no command")


def _function(said: Mapping[str, object]) -> LovenseCommand:
    action = said.get("action")
    if not isinstance(action, str):
        raise Misunderstood(INVALID_PARAMETER, "action is missing")
    toys = _toys(said)
    parts = [part.strip() for part in action.split(",") if part.strip()]
    if "Stop" in parts:
        return Halt(toys)
    levels: dict[str, float] = {}
    stroke = None
    for part in parts:
        name, _, value = part.partition(":")
        if name == STROKE:
            stroke = _stroke(value)
            continue
        highest = LEVELS.get(name)
        if highest is None:
            raise Misunderstood(INVALID_PARAMETER, f"{_shown(name)} is no action")
        if not _NUMBER.fullmatch(value):
            raise Misunderstood(INVALID_PARAMETER, f"{_shown(part)} has no level")
        levels[name] = min(float(value), highest) / highest
    if not levels and stroke is None:
        raise Misunderstood(INVALID_PARAMETER, "there is no action")
    return FunctionCommand(
        toys,
        levels,
        stroke,
        _seconds(said),
        _span(said, "loopRunningSec"),
        _span(said, "loopPauseSec"),
        alone=said.get("stopPrevious", 1) not in (0, "0", False),
    )


def _stroke(value: str) -> tuple[float, float]:
    found = _RANGE.fullmatch(value)
    if found is None or not int(found[1]) < int(found[2]) <= 100:
        raise Misunderstood(INVALID_PARAMETER, f"{_shown(value)} is no range such as 0-100")
    return int(found[1]) / 100, int(found[2]) / 100


def _pattern(said: Mapping[str, object]) -> PatternCommand:
    rule = said.get("rule")
    found = _RULE.fullmatch(rule) if isinstance(rule, str) else None
    if found is None:
        raise Misunderstood(INVALID_PARAMETER, "rule is not like V:1;F:v,r;S:1000#")
    letters = [letter for letter in found[1].split(",") if letter]
    unknown = [letter for letter in letters if letter not in LETTERS]
    if unknown:
        raise Misunderstood(INVALID_PARAMETER, f"{_shown(unknown[0])} is no letter of a rule")
    step_ms = int(found[2])
    if step_ms < LEAST_PATTERN_MS:
        raise Misunderstood(INVALID_PARAMETER, f"steps last at least {LEAST_PATTERN_MS} ms")
    strength = said.get("strength")
    texts = strength.strip(";").split(";") if isinstance(strength, str) else []
    if not 0 < len(texts) <= MOST_STRENGTHS or not all(map(_NUMBER.fullmatch, texts)):
        raise Misunderstood(
            INVALID_PARAMETER, f"strength is 1 to {MOST_STRENGTHS} levels, like 20;10;0"
        )
    levels = tuple(min(float(text), 20.0) / 20 for text in texts)
    actions = tuple(LETTERS[letter] for letter in letters)
    return PatternCommand(_toys(said), actions, levels, step_ms / 1000, _seconds(said))


def _preset(said: Mapping[str, object]) -> Preset:
    name = said.get("name")
    if name not in PRESETS:
        raise Misunderstood(INVALID_PARAMETER, f"a preset is one of {', '.join(PRESETS)}")
    assert isinstance(name, str)
    return Preset(_toys(said), name, _seconds(said))


def _pattern_v2(said: Mapping[str, object]) -> LovenseCommand:
    match said.get("type"):
        case "Setup":
            return Setup(_actions(said))
        case "Play" | "InitPlay" as kind:
            total = _span(said, "timeMs") or _span(said, "timeMsTotal")
            return Play(
                _toys(said),
                _actions(said) if kind == "InitPlay" else None,
                (_span(said, "startTime") or 0.0) / 1000,
                min(_span(said, "offsetTime") or 0.0, MOST_OFFSET_MS) / 1000,
                None if not total else min(total / 1000, MOST_S),
                alone=said.get("stopPrevious", 1) not in (0, "0", False),
            )
        case "Stop":
            return Halt(_toys(said))
        case "SyncTime":
            return SyncTime()
        case other:
            raise Misunderstood(INVALID_PARAMETER, f"{_shown(other)} is no type of a pattern")


def _actions(said: Mapping[str, object]) -> tuple[tuple[float, float], ...]:
    given = said.get("actions")
    if not isinstance(given, list) or not 0 < len(given) <= MOST_ACTIONS:
        raise Misunderstood(INVALID_PARAMETER, f"actions is a list of 1 to {MOST_ACTIONS}")
    found: list[tuple[float, float]] = []
    for each in given:
        if not isinstance(each, dict):
            raise Misunderstood(INVALID_PARAMETER, "an action has ts and pos")
        at = _number(each, "ts", 0, MOST_ACTION_MS) / 1000
        if found and at <= found[-1][0]:
            raise Misunderstood(INVALID_PARAMETER, "the ts of actions rise")
        found.append((at, _number(each, "pos", 0, 100) / 100))
    return tuple(found)


def _toys(said: Mapping[str, object]) -> tuple[str, ...]:
    """Empty: all."""
    given = said.get("toy")
    if given in (None, "", []):
        return ()
    names: Iterable[object] = given if isinstance(given, list) else [given]
    toys = tuple(name.lower() for name in names if isinstance(name, str))
    if len(toys) != (len(given) if isinstance(given, list) else 1):
        raise Misunderstood(INVALID_PARAMETER, "toy is an id, or a list of them")
    return toys


def _seconds(said: Mapping[str, object]) -> float | None:
    """`timeSec`; None for 0, which is without an end. Raises Misunderstood."""
    seconds = _number(said, "timeSec", 0, math.inf, otherwise=0.0)
    return None if seconds == 0 else min(max(seconds, 1.0), MOST_S)


def _span(said: Mapping[str, object], key: str) -> float | None:
    return None if said.get(key) is None else _number(said, key, 0, math.inf)


def _number(
    said: Mapping[str, object], key: str, low: float, high: float, otherwise: float | None = None
) -> float:
    """A number, or text that is one: apps send both."""
    given = said.get(key, otherwise)
    if isinstance(given, str) and len(given) <= 20:
        try:
            given = float(given)
        except ValueError:
            given = None
    good = isinstance(given, int | float) and not isinstance(given, bool)
    # Compared as what it is: a whole number may be too large to be a float.
    if not good or not low <= given <= min(high, sys.float_info.max):  # type: ignore[operator]
        span = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
        raise Misunderstood(INVALID_PARAMETER, f"{key} is a number, {span}")
    return float(given)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    return f"'{str(value)[:40]}'"
