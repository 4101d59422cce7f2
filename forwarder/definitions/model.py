"""What the hub knows about a device after recognising it: plain values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from forwarder.buttplug.messages import InputCommand, InputType, OutputType

# Output types and inputs as files spell them.
OUTPUT_NAMES: dict[str, OutputType] = {
    "vibrate": OutputType.VIBRATE,
    "rotate": OutputType.ROTATE,
    "oscillate": OutputType.OSCILLATE,
    "constrict": OutputType.CONSTRICT,
    "temperature": OutputType.TEMPERATURE,
    "led": OutputType.LED,
    "spray": OutputType.SPRAY,
    "position": OutputType.POSITION,
    "hw_position_with_duration": OutputType.HW_POSITION_WITH_DURATION,
}
TYPES = tuple(OUTPUT_NAMES)
NAME_OF = {kind: name for name, kind in OUTPUT_NAMES.items()}
INPUT_NAMES: dict[str, InputType] = {
    "battery": InputType.BATTERY,
    "rssi": InputType.RSSI,
    "button": InputType.BUTTON,
    "pressure": InputType.PRESSURE,
    "depth": InputType.DEPTH,
    "position": InputType.POSITION,
}


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The device's own steps, before any limit: `low` is 0, or -high for both directions.

    Of a heater `low` may be its coolest degree; 0 is off nevertheless, and clients see 0 to `high`.
    `duration` in ms is only there for HwPositionWithDuration.
    """

    low: int
    high: int
    duration: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class InputSpec:
    """`ranges`: one pair per number of a reading."""

    ranges: tuple[tuple[int, int], ...]
    commands: tuple[InputCommand, ...]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature; `id` is the UUID that the official configuration gives it, "" if it has none.

    `word`: what a device says in its advertised name that has it; see `present`.
    """

    index: int
    description: str = ""
    outputs: dict[OutputType, OutputSpec] = field(default_factory=dict)
    inputs: dict[InputType, InputSpec] = field(default_factory=dict)
    id: str = ""
    word: str = ""


def present(features: tuple[FeatureSpec, ...], name: str) -> tuple[FeatureSpec, ...]:
    """The features of a device that advertises `name`: without those whose word is not in it.

    A name that has none of their words says nothing about them: all are there.
    """
    words = set(name.split())
    if not any(feature.word in words for feature in features):
        return features
    return tuple(feature for feature in features if not feature.word or feature.word in words)


@dataclass(frozen=True, slots=True)
class Definition:
    """A model: what it is called, what it has, how fast it may be written to.

    `identifier` is what told this model from others of the same protocol, None for the default.
    `gap_ms`: the least time between two writes; None leaves it to the kind of radio.
    """

    protocol: str
    identifier: str | None
    name: str
    features: tuple[FeatureSpec, ...]
    gap_ms: int | None = None
    id: str = ""
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """What the user allows of one output, in the device's own steps (never negative).

    `value`: lowest and highest step while on; `duration` in ms; `reverse` only for positions.
    """

    value: tuple[int, int] | None = None
    duration: tuple[int, int] | None = None
    reverse: bool = False
    disabled: bool = False

    @property
    def restricts(self) -> bool:
        """Whether losing this limit would let a device do more than the user allowed."""
        return self.disabled or self.value is not None or self.duration is not None


@dataclass(frozen=True, slots=True)
class FeatureLimits:
    """Limits of one feature, bound to it by `base_id`, the id of the feature that they refine.

    `unknown`: kinds of output that are limited and that we do not know.
    """

    base_id: str
    outputs: dict[OutputType, OutputLimit] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserDevice:
    """What the user decided about one device, as Intiface's user configuration holds it.

    `base_id` is the id of the model that it refines; `gap_ms` overrides the definition's.
    """

    protocol: str
    address: str
    identifier: str | None = None
    index: int | None = None
    display_name: str | None = None
    gap_ms: int | None = None
    allow: bool = False
    deny: bool = False
    base_id: str = ""
    features: tuple[FeatureLimits, ...] = ()
