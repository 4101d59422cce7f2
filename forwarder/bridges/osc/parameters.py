"""Parameters of an avatar, and the levels that follow from them. Sans-I/O.

What a sender says is all that is known of it: it sends a value when that changes and then nothing,
and UDP tells nobody that a sender has gone. So each value holds for `hold_s`, and no longer.

| heard                                | then |
|--------------------------------------|------|
| a value of a parameter that is used  | it holds until `hold_s` later |
| `/avatar/change`, `AFK` true         | all values are over: the avatar that gave them is gone |
| `VRCPleasure/StopAll`, not 0         | all values are over |
| anything else                        | nothing |
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forwarder.bridges.bounds import MOST_VALUES

PREFIX: Final = "/avatar/parameters/"
AVATAR_CHANGE: Final = "/avatar/change"
# What others do to the avatar, by the conventions of VRCFury, OscGoesBrrr and TPS.
USUAL: Final = (
    "OGB/*/TouchOthers", "OGB/*/PenOthers", "OGB/*/FrotOthers", "VFH/Zone/Touch/*/Others",
    "TPS_Internal/Orf/*/Depth_In",
)  # fmt: skip
# A touch counts only while the hand is close, where the avatar says whether it is.
_GATES: Final = {"TouchOthers": "TouchOthersClose", "TouchSelf": "TouchSelfClose"}
_OVER: Final = ("AFK", "VRCPleasure/StopAll")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which parameters make a level: names, with * and ?. What is below `dead_zone` is nothing."""

    parameters: tuple[str, ...] = USUAL
    scale: float = 1.0
    dead_zone: float = 0.0

    def level(self, value: float) -> float:
        """0 to 1."""
        if value <= self.dead_zone:
            return 0.0
        return min((value - self.dead_zone) / (1 - self.dead_zone) * self.scale, 1.0)


class Parameters:
    """The last values of the parameters that `rules` name."""

    def __init__(self, rules: Sequence[Rule], hold_s: float) -> None:
        self._rules = tuple(rules)
        self._hold_s = hold_s
        self._values: dict[str, tuple[float, float]] = {}

    def heard(self, address: str, arguments: Sequence[object], now: float) -> bool:
        """Take one message; whether any level may be another one now."""
        if address == AVATAR_CHANGE:
            return self._clear()
        if not address.startswith(PREFIX):
            return False
        name = address[len(PREFIX) :]
        value = _number(arguments)
        if value is None:
            return False
        if name in _OVER:
            return self._clear() if value else False
        if not self._is_used(name):
            return False
        self._values.pop(name, None)
        self._values[name] = (value, now + self._hold_s)
        if len(self._values) > MOST_VALUES:
            del self._values[next(iter(self._values))]
        return True

    def forget(self) -> None:
        """Whoever said them has ended."""
        self._values.clear()

    def levels(self, now: float) -> tuple[float, ...]:
        """The level of each rule: the highest of its parameters."""
        self._values = {
            name: (value, until) for name, (value, until) in self._values.items() if now < until
        }
        return tuple(
            max((rule.level(self._open(name)) for name in self._matching(rule)), default=0.0)
            for rule in self._rules
        )

    def until(self) -> float | None:
        """When the first of the values is over; None without any."""
        return min((until for _, until in self._values.values()), default=None)

    def _matching(self, rule: Rule) -> list[str]:
        return [name for name in self._values if _matches(rule, name)]

    def _open(self, name: str) -> float:
        """The value, 0 while its gate is shut."""
        before, _, last = name.rpartition("/")
        gate = f"{before}/{_GATES[last]}" if last in _GATES else ""
        if gate in self._values and not self._values[gate][0]:
            return 0.0
        return self._values[name][0]

    def _is_used(self, name: str) -> bool:
        before, _, last = name.rpartition("/")
        gated = [touch for touch, gate in _GATES.items() if gate == last]
        names = [name, *(f"{before}/{touch}" for touch in gated)]
        return any(_matches(rule, each) for rule in self._rules for each in names)

    def _clear(self) -> bool:
        had = bool(self._values)
        self._values.clear()
        return had


def _matches(rule: Rule, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in rule.parameters)


def _number(arguments: Sequence[object]) -> float | None:
    """Senders use whatever type they like; None for none of them, and for what is no level."""
    if len(arguments) != 1 or not isinstance(arguments[0], int | float):
        return None
    value = float(arguments[0])
    return value if math.isfinite(value) else None
