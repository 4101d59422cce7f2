"""From a model's ranges to what clients see, and back to the device's own steps. Pure functions.

One filtered table serves every spec version: outputs that the user disabled, that the wearer took
away or that have no width left are not in it. Source of the rules: the reference server's
conversion of values (ranges are re-based to start at 0), with its gaps closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from msgspec import UNSET, UnsetType

from forwarder.buttplug.messages import DeviceFeature, InputRange, OutputRange, OutputType
from forwarder.definitions.model import (
    Definition,
    FeatureSpec,
    OutputLimit,
    OutputSpec,
    UserDevice,
)
from forwarder.errors import OutOfRange, Unsupported
from relay.link.messages import Ceiling


@dataclass(frozen=True, slots=True)
class Scale:
    """One output's window [low, high] on the device's own steps, seen by clients as [0, steps]."""

    kind: OutputType
    low: int
    high: int
    signed: bool
    reverse: bool = False
    duration: tuple[int, int] | None = None

    @property
    def steps(self) -> int:
        return self.high - self.low

    @property
    def range(self) -> OutputRange:
        lowest = -self.steps if self.signed else 0
        # Durations are milliseconds, not steps: shown up to the longest, clamped, never shifted.
        duration: tuple[int, int] | UnsetType = UNSET
        if self.duration is not None:
            duration = (0, self.duration[1])
        return OutputRange(value=(lowest, self.steps), duration=duration)

    def to_device(self, value: int) -> int:
        """The device's step for a client's `value`, which must lie in the range shown.

        0 is off, whatever the lower limit; a position 0 is the end that the user left it.
        """
        if self.kind.is_position:
            return self.high - value if self.reverse else self.low + value
        if value == 0:
            return 0
        return self.low + value if value > 0 else -(self.low - value)

    def to_visible(self, step: int) -> int:
        """What clients are shown of the device's `step`, within the range that they see."""
        if self.kind.is_position:
            shown = self.high - step if self.reverse else step - self.low
            return min(max(shown, 0), self.steps)
        shown = min(max(abs(step) - self.low, 0), self.steps)
        return shown if step >= 0 else -shown

    def clamp_duration(self, duration: int) -> int:
        if self.duration is None:
            return duration
        shortest, longest = self.duration
        return min(max(duration, shortest), longest)


@dataclass(frozen=True, slots=True)
class VisibleFeature:
    """A feature as clients see it; `spec` is the same feature as the device has it."""

    device: str
    spec: FeatureSpec
    info: DeviceFeature
    scales: dict[OutputType, Scale]

    def to_device(self, kind: OutputType, value: int, duration: int = 0) -> tuple[int, int]:
        """Device step and duration in ms. Raises Unsupported without such an output, OutOfRange."""
        scale = self.scales.get(kind)
        if scale is None:
            raise Unsupported(f"{self.device}: feature {self.spec.index} has no output {kind}.")
        highest = scale.high - scale.low
        lowest = -highest if scale.signed else 0
        if not lowest <= value <= highest:
            raise OutOfRange(self.device, kind, value, lowest, highest)
        if scale.duration is not None:
            duration = scale.clamp_duration(duration)
        return scale.to_device(value), duration


def narrower(before: Iterable[VisibleFeature], after: Iterable[VisibleFeature]) -> bool:
    """Whether any output may do less than before, or is not there any more."""
    left = {(one.info.feature_index, kind): s for one in after for kind, s in one.scales.items()}
    for one in before:
        for kind, scale in one.scales.items():
            now = left.get((one.info.feature_index, kind))
            if now is None or now.high < scale.high:
                return True
    return False


def build_features(
    definition: Definition,
    user: UserDevice | None = None,
    ceilings: Iterable[Ceiling] = (),
    *,
    address: str | None = None,
) -> tuple[VisibleFeature, ...]:
    """The features that clients may see and use, in index order.

    `ceilings` for another address than `address` are left out; without an address all apply.
    """
    limits = effective_limits(definition, user) if user is not None else {}
    name = (user.display_name if user is not None else None) or definition.name
    ceilings = [c for c in ceilings if c.address is None or address in (None, c.address)]
    table = []
    for spec in sorted(definition.features, key=lambda feature: feature.index):
        scales = {}
        for kind, output in spec.outputs.items():
            limit = limits.get((spec.index, kind), OutputLimit())
            scale = _scale(kind, output, limit, _level(kind, ceilings))
            if scale is not None:
                scales[kind] = scale
        if scales or spec.inputs:
            table.append(VisibleFeature(name, spec, _info(spec, scales), scales))
    return tuple(table)


def effective_limits(
    definition: Definition, user: UserDevice
) -> dict[tuple[int, OutputType], OutputLimit]:
    """The user's limits by (feature index, output type).

    A limit belongs to the feature whose id it names. One whose feature has gone (the definition
    changed) is not dropped if it restricts: it then holds for every feature with that output.
    """
    found: dict[tuple[int, OutputType], OutputLimit] = {}

    def add(spec: FeatureSpec, kind: OutputType, limit: OutputLimit) -> None:
        key = (spec.index, kind)
        found[key] = _stricter(found[key], limit) if key in found else limit

    for limits in user.features:
        named = [spec for spec in definition.features if spec.id == limits.base_id != ""]
        if limits.unknown:
            # What we cannot limit as the user wants nobody may drive.
            for spec in named or definition.features:
                for kind in spec.outputs:
                    add(spec, kind, OutputLimit(disabled=True))
        for kind, limit in limits.outputs.items():
            owners = [spec for spec in named if kind in spec.outputs]
            if not owners and limit.restricts:
                owners = [spec for spec in definition.features if kind in spec.outputs]
                limit = replace(limit, reverse=False)
            for spec in owners:
                add(spec, kind, limit)
    return found


def _stricter(one: OutputLimit, other: OutputLimit) -> OutputLimit:
    return OutputLimit(
        value=_narrower(one.value, other.value),
        duration=_narrower(one.duration, other.duration),
        reverse=one.reverse or other.reverse,
        disabled=one.disabled or other.disabled,
    )


def _narrower(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    return max(one[0], other[0]), min(one[1], other[1])


def _level(kind: OutputType, ceilings: Iterable[Ceiling]) -> float:
    """The wearer's ceiling for this type, as a part of 1."""
    wanted = kind.value.casefold()
    levels = [
        c.level
        for c in ceilings
        if c.output is None or c.output.replace("_", "").casefold() == wanted
    ]
    return min(levels, default=1.0)


def _scale(kind: OutputType, output: OutputSpec, limit: OutputLimit, level: float) -> Scale | None:
    """None if nothing is left of the output."""
    if limit.disabled:
        return None
    low, high = limit.value if limit.value is not None else (0, output.high)
    # The tiny addend keeps 0.07 × 100 at 7, as a person who typed 7 % expects.
    high = min(high, output.high, math.floor(output.high * level + 1e-9))
    low = max(low, 0)
    if high <= low:
        return None
    duration = output.duration
    if duration is not None and limit.duration is not None:
        shortest, longest = max(limit.duration[0], duration[0]), min(limit.duration[1], duration[1])
        duration = (shortest, max(shortest, longest))
    return Scale(
        kind=kind,
        low=low,
        high=high,
        signed=output.low < 0 and not kind.is_position,
        reverse=limit.reverse and kind.is_position,
        duration=duration,
    )


def _info(spec: FeatureSpec, scales: dict[OutputType, Scale]) -> DeviceFeature:
    inputs = {
        kind: InputRange(value=one.ranges, command=one.commands)
        for kind, one in spec.inputs.items()
    }
    return DeviceFeature(
        feature_index=spec.index,
        feature_description=spec.description,
        output={kind: scale.range for kind, scale in scales.items()} if scales else UNSET,
        input=inputs if inputs else UNSET,
    )
