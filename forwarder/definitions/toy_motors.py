"""What a simulated toy must look for in the packets that reach it, found by trying the protocol.

A model's outputs are driven through many values; from the packets seen with an output off and on,
patterns are made that tell the two apart, and the place where the level stands.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.model import NAME_OF, Definition, OutputSpec
from forwarder.protocols.base import DeviceProtocol, Packet
from forwarder.protocols.compiled import Behaviour, PacketRule
from forwarder.protocols.memory import Opening
from forwarder.protocols.template import Plan, TemplateProtocol

_WALK = 160
_MASKS = (0xFF, 0x7F, 0x0F, 0xF0, 0x3F)
_TEXT = re.compile(rb"[A-Za-z$][\x09-\x7e]{2,}")
_DIGITS = re.compile(r"\d+|\D+")

Cue = tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class MotorData:
    """A motor of toys.json: its fields are those of `Motor` there."""

    name: str
    drives: tuple[Cue, ...]
    rest: tuple[Cue, ...] = ()
    top: int = 0
    silence_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A packet, and the level of every output once it has been taken."""

    role: str
    data: bytes
    levels: dict[int, int]


@dataclass(slots=True)
class Shape:
    """Packets that one kind of command of one feature brings, at one place of its sequence."""

    commanded: int
    keys: set[str] = field(default_factory=set)
    samples: list[Sample] = field(default_factory=list)

    def tells(self, feature: int) -> bool:
        """Whether the bytes depend on this feature's level."""
        if feature == self.commanded:
            return True
        seen: dict[tuple[tuple[int, int], ...], set[tuple[int, bytes]]] = {}
        for sample in self.samples:
            others = tuple(sorted((k, v) for k, v in sample.levels.items() if k != feature))
            seen.setdefault(others, set()).add((sample.levels[feature], sample.data))
        return any(
            len({data for _, data in group}) > 1 and len({level for level, _ in group}) > 1
            for group in seen.values()
        )


class TracedProtocol(TemplateProtocol):
    """Remembers which rule made each packet."""

    def __init__(self, behaviour: Behaviour, opening: Opening) -> None:
        super().__init__(behaviour, opening)
        self.traced: list[int] = []

    def _packet(self, rule: PacketRule, plan: Plan, call: tuple[object, ...]) -> Packet:
        self.traced.append(id(rule))
        return super()._packet(rule, plan, call)


def motors_of(definition: Definition, protocol: DeviceProtocol) -> tuple[MotorData, ...]:
    """The motors of a connected model; outputs that hold by themselves have none."""
    outputs = {
        feature.index: (kind, spec)
        for feature in definition.features
        for kind, spec in feature.outputs.items()
        if not kind.is_position
    }
    shapes = _sample(outputs, protocol)
    names = _names([kind for kind, _ in outputs.values()])
    found = []
    for (index, (_, spec)), name in zip(outputs.items(), names, strict=True):
        motor = _motor(index, name, spec, shapes)
        if motor is not None:
            found.append(motor)
    return tuple(found)


def _names(kinds: Sequence[OutputType]) -> list[str]:
    """`vibrate`, or `vibrate 1`, `vibrate 2` where there are several."""
    counted: dict[OutputType, int] = {}
    names = []
    for kind in kinds:
        counted[kind] = counted.get(kind, 0) + 1
        several = kinds.count(kind) > 1
        names.append(f"{NAME_OF[kind]} {counted[kind]}" if several else NAME_OF[kind])
    return names


def _sample(
    outputs: dict[int, tuple[OutputType, OutputSpec]], protocol: DeviceProtocol
) -> list[Shape]:
    # The seed makes the file the same on every run.
    rng = random.Random(0)
    levels = dict.fromkeys(outputs, 0)
    shapes: dict[tuple[object, ...], Shape] = {}
    traced: list[int] = protocol.traced if isinstance(protocol, TracedProtocol) else []

    def command(index: int, value: int) -> None:
        kind, _ = outputs[index]
        levels[index] = abs(value)
        traced.clear()
        for place, packet in enumerate(protocol.output(index, kind, value)):
            form = traced[place] if traced else len(packet.data)
            key = (index, packet.endpoint, place, form)
            shape = shapes.setdefault(key, Shape(index))
            shape.keys |= set(packet.keys)
            shown = dict(levels)
            if packet.after_ms:
                # What comes later by itself ends what the command began.
                shown[index] = 0
            shape.samples.append(Sample(packet.endpoint, packet.data, shown))

    protocol.stop(None)
    for base in (0, None):
        for index, (_, spec) in outputs.items():
            for other, (_, other_spec) in outputs.items():
                command(other, 0 if base == 0 else other_spec.high)
            for value in _values(spec):
                command(index, value)
    for _ in range(_WALK * len(outputs)):
        index = rng.choice(list(outputs))
        spec = outputs[index][1]
        command(index, rng.choice([0, 0, 0, *_values(spec), rng.randint(spec.low, spec.high)]))
    protocol.stop(None)
    return list(shapes.values())


def _values(spec: OutputSpec) -> list[int]:
    high = spec.high
    values = {spec.low, 0, 1, high // 3, high // 2, high - 1, high}
    return sorted(value for value in values if spec.low <= value <= high)


def _form(data: bytes) -> tuple[object, ...]:
    """What packets share that can be compared place by place: length, or the words of a text."""
    if _TEXT.fullmatch(data):
        return tuple(re.split(r"\d+", data.decode("latin-1")))
    return (len(data),)


def _motor(index: int, name: str, spec: OutputSpec, shapes: list[Shape]) -> MotorData | None:
    telling = [shape for shape in shapes if shape.tells(index)]
    keys = {key for shape in telling for key in shape.keys}
    # A packet of a shared slot that is only ever sent with this output off turns it off, too.
    off = [
        shape
        for shape in shapes
        if shape not in telling
        and keys & shape.keys
        and not any(sample.levels[index] for sample in shape.samples)
    ]
    telling = [shape for shape in telling if not _ambiguous(shape, index)]
    if any(_place(index, shape) for shape in telling):
        # Where others give the level, a packet that is always the same is about something else.
        telling = [shape for shape in telling if len({s.data for s in shape.samples}) > 1]
    rest = [s for shape in (*telling, *off) for s in shape.samples if s.levels[index] == 0]
    drives = [s for shape in telling for s in shape.samples if s.levels[index]]
    if not drives:
        return None
    silence_ms = None
    if not rest:
        # hgod: silence is its stop, after about a second (stpihkal).
        silence_ms = 1000
    return MotorData(
        name=name,
        drives=_drive_cues(index, telling),
        rest=tuple(_rest_cues(_unique(rest), _unique(drives))),
        top=spec.high if any(_place(index, shape) for shape in telling) else 0,
        silence_ms=silence_ms,
    )


def _ambiguous(shape: Shape, index: int) -> bool:
    """The same bytes with the output off and on: it says nothing about it."""
    off = {sample.data for sample in shape.samples if not sample.levels[index]}
    return any(sample.data in off for sample in shape.samples if sample.levels[index])


def _unique(samples: Iterable[Sample]) -> list[tuple[str, bytes]]:
    return sorted({(sample.role, sample.data) for sample in samples})


def _drive_cues(index: int, shapes: list[Shape]) -> tuple[Cue, ...]:
    found: dict[Cue, None] = {}
    for shape in shapes:
        on = [sample for sample in shape.samples if sample.levels[index]]
        if not on:
            continue
        role = on[0].role
        pattern = pattern_of([sample.data for sample in on])
        place = _place(index, shape)
        cue: Cue = (role, pattern)
        if place is not None:
            cue = (role, pattern, place[0]) if place[1] == 0xFF else (role, pattern, *place)
        found[cue] = None
    return tuple(found)


def _place(index: int, shape: Shape) -> tuple[int, int] | None:
    """Byte and mask where the level stands, or the number of the run of digits in a text."""
    on = [sample for sample in shape.samples if sample.levels[index]]
    # An output that only knows on and off has no level to find.
    if len({sample.levels[index] for sample in on}) < 2:
        return None
    if _TEXT.fullmatch(on[0].data):
        runs = [re.findall(r"\d+", sample.data.decode("latin-1")) for sample in on]
        for at in range(len(runs[0])):
            if all(int(r[at]) == s.levels[index] for r, s in zip(runs, on, strict=True)):
                return at, 0xFF
        return None
    for mask in _MASKS:
        shift = (mask & -mask).bit_length() - 1
        for at in range(len(on[0].data)):
            if all((s.data[at] & mask) >> shift == s.levels[index] for s in on):
                return at, mask
    return None


def pattern_of(samples: Sequence[bytes]) -> str:
    """What these packets have in common, in the language of toys.json."""
    if all(_TEXT.fullmatch(data) for data in samples):
        texts = [_DIGITS.findall(data.decode("latin-1")) for data in samples]
        parts = ["*" if len(set(part)) > 1 else part[0] for part in zip(*texts, strict=True)]
        return "'" + "".join(parts)
    digits = [data.hex() for data in samples]
    return "".join(
        "?" if len(set(column)) > 1 else column[0] for column in zip(*digits, strict=True)
    )


def _rest_cues(rest: list[tuple[str, bytes]], drives: list[tuple[str, bytes]]) -> list[Cue]:
    """Patterns that fit all of `rest` and none of `drives`."""
    groups: dict[tuple[object, ...], list[bytes]] = {}
    for role, data in rest:
        groups.setdefault((role, *_form(data)), []).append(data)
    found: list[Cue] = []
    for form, samples in groups.items():
        role = str(form[0])
        against = [data for other, data in drives if other == role]
        found += [(role, pattern) for pattern in _split(samples, against)]
    return found


def _split(samples: list[bytes], against: list[bytes]) -> list[str]:
    pattern = pattern_of(samples)
    expression = _compiled(pattern)
    if not any(expression.fullmatch(_shown(pattern, data)) for data in against):
        return [pattern]
    columns = list(zip(*(_units(data) for data in samples), strict=True))
    choices = [(len(set(column)), at) for at, column in enumerate(columns) if len(set(column)) > 1]
    if not choices:
        return [pattern]
    _, at = min(choices)
    parts: dict[str, list[bytes]] = {}
    for data in samples:
        parts.setdefault(_units(data)[at], []).append(data)
    return [found for part in parts.values() for found in _split(part, against)]


def _units(data: bytes) -> list[str]:
    if _TEXT.fullmatch(data):
        return _DIGITS.findall(data.decode("latin-1"))
    return list(data.hex())


def _compiled(pattern: str) -> re.Pattern[str]:
    body = re.escape(pattern.removeprefix("'"))
    return re.compile(body.replace(r"\?", ".").replace(r"\*", ".*"), re.DOTALL)


def _shown(pattern: str, data: bytes) -> str:
    return data.decode("latin-1") if pattern.startswith("'") else data.hex()
