"""The outputs that a play moves, and what each is told at a moment. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from forwarder.buttplug.messages import (
    LEVEL_OUTPUTS,
    OutputCmd,
    OutputRange,
    OutputType,
    OutputValue,
)
from forwarder.errors import MessageError, UnknownDevice, UnknownFeature, Unsupported
from forwarder.hub.device import Device
from forwarder.play.patterns import place, steps
from forwarder.play.play import TICK_S, PlaySetting

# More than all toys that one hub was ever seen to drive.
MOST_OUTPUTS: Final = 256
# A stroke over the whole range takes at least this (s), whatever the pattern jumps.
STROKE_S: Final = 0.25
# Nobody knows where it is at first: it gets there slowly (s).
FIRST_STROKE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class OutputChoice:
    """Outputs of a device: of one feature, or each; of one kind, or the first that has a level."""

    device: int
    feature: int | None = None
    kind: OutputType | None = None


class PlayedOutput:
    """One of them. `driven`: it was told something, so that somebody drives it. `under_way`: how
    many of its values are not answered."""

    __slots__ = (
        "_free_at",
        "_place",
        "_sent",
        "device",
        "driven",
        "feature",
        "kind",
        "under_way",
    )

    def __init__(self, device: Device, feature: int, kind: OutputType) -> None:
        self.device = device
        self.feature = feature
        self.kind = kind
        self.driven = False
        self.under_way = 0
        self._sent: int | None = None
        # Of a position: where it is by now, 0 to 1, and until when it is on its way there.
        self._place: float | None = None
        self._free_at = float("-inf")

    @property
    def key(self) -> tuple[int, int]:
        return self.device.index, self.feature

    def forget(self) -> None:
        """What it was told last was not carried out: the next time says it again."""
        self._sent = None

    def command(self, setting: PlaySetting, level: float, now: float) -> OutputCmd | None:
        """What to tell it; None if that is what it was told last, or it is gone with its range."""
        span = self._span()
        if span is None:
            return None
        value, duration_ms = (
            self._stroke(setting, level, span, now)
            if self.kind.is_position
            else (self._level(setting, level, span), None)
        )
        if value is None or value == self._sent:
            return None
        self._sent = value
        timed = self.kind is OutputType.HW_POSITION_WITH_DURATION and span.duration is not UNSET
        return OutputCmd(
            id=1,
            device_index=self.device.index,
            feature_index=self.feature,
            command={
                self.kind: OutputValue(
                    value=value,
                    duration=_within(duration_ms or 0, span) if timed else UNSET,
                )
            },
        )

    def _span(self) -> OutputRange | None:
        for feature in self.device.features:
            if feature.feature_index == self.feature and feature.output:
                return feature.output.get(self.kind)
        return None

    def _level(self, setting: PlaySetting, level: float, span: OutputRange) -> int:
        low, high = span.value
        part = -level if setting.backwards and low < 0 else level
        return steps(part, low, high)

    def _stroke(
        self, setting: PlaySetting, level: float, span: OutputRange, now: float
    ) -> tuple[int | None, int]:
        low, high = sorted((setting.low, setting.high))
        wanted = low + level * (high - low)
        if now < self._free_at:
            return None, 0
        if self._place is None:
            took_s = FIRST_STROKE_S
        else:
            most = TICK_S / STROKE_S
            wanted = min(max(wanted, self._place - most), self._place + most)
            took_s = TICK_S
        self._free_at = now + took_s - TICK_S / 2
        self._place = wanted
        return place(wanted, *span.value), round(took_s * 1000)


def chosen_outputs(
    devices: dict[int, Device], choices: Sequence[OutputChoice], real: Iterable[Device]
) -> list[PlayedOutput]:
    """The outputs that are meant; without a choice all levels of `real`. Raises UnknownDevice,
    UnknownFeature, Unsupported, MessageError: there are too many, or none."""
    if not choices:
        found = [each for device in real for each in _of(device, OutputChoice(device.index))]
    else:
        found = []
        for choice in choices:
            device = devices.get(choice.device)
            if device is None:
                raise UnknownDevice(choice.device)
            here = list(_of(device, choice))
            if not here:
                what = choice.kind or "level that a pattern could play"
                raise Unsupported(f"{device.shown_name} has no {what} there.")
            found += here
    once = {(each.key, each.kind): each for each in found}
    if not once:
        raise MessageError("No toy is here that a pattern could play on.")
    if len(once) > MOST_OUTPUTS:
        raise MessageError(f"A pattern plays on {MOST_OUTPUTS} outputs at most.")
    return list(once.values())


def _of(device: Device, choice: OutputChoice) -> Iterator[PlayedOutput]:
    if choice.feature is not None and choice.feature not in device.feature_indexes:
        raise UnknownFeature(device.shown_name, choice.feature)
    kinds = LEVEL_OUTPUTS if choice.kind is None else (choice.kind,)
    for feature in device.features:
        if choice.feature not in (None, feature.feature_index) or not feature.output:
            continue
        kind = next((kind for kind in kinds if kind in feature.output), None)
        if kind is not None:
            yield PlayedOutput(device, feature.feature_index, kind)


def _within(duration_ms: int, span: OutputRange) -> int:
    assert span.duration is not UNSET
    shortest, longest = span.duration
    return min(max(duration_ms, shortest), longest)
