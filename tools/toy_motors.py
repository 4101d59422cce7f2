"""What a simulated toy must look for in the packets that reach it, found by trying the protocol.

Each output is driven through its levels while the others stand at various ones. What is only seen
with it on drives it, what is only seen with it off brings it to rest; from both, patterns are made.
When in doubt it runs: a toy at rest that says it runs is a nuisance, the other way round a lie.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.model import NAME_OF, Definition, OutputSpec
from forwarder.protocols.base import DeviceProtocol
from forwarder.protocols.compiled import Behaviour, PacketRule
from forwarder.protocols.memory import DeviceMemory
from forwarder.protocols.template import Plan, TemplateProtocol
from relay.link.messages import Packet
from tools.toy_patterns import pattern_of, split

# Levels of one output that are tried: enough for every digit to be seen.
_MOST_LEVELS = 64
# Patterns for one group of packets; what needs more is enciphered, and not told apart at all.
_MOST_PATTERNS = 12
# Combinations of the other outputs' levels, beside all at 0 and all at the top.
_COMBINATIONS = 3
_MASKS = (0xFF, 0x7F, 0x0F, 0xF0, 0x3F)
_TEXT = re.compile(rb"[A-Za-z$][\x09-\x7e]{2,}")

MotorCue = tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int]
Outputs = dict[int, tuple[OutputType, OutputSpec]]
# Endpoint; packet, with zeros at the places that differ when nothing changes; those places.
MotorWrites = tuple[str, bytes, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class MotorData:
    """A motor of toys.json: its fields are those of `Motor` there."""

    name: str
    drives: tuple[MotorCue, ...]
    rest: tuple[MotorCue, ...] = ()
    top: int = 0
    silence_ms: int | None = None
    toggles: tuple[MotorCue, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A packet of a command after which the observed output stood at `level`.

    `form`: what made it. `ends`: it comes later by itself and ends what the command began.
    """

    written: MotorWrites
    level: int
    form: object
    command: int
    ends: bool = False

    @property
    def data(self) -> bytes:
        return self.written[1]


@dataclass(slots=True)
class Observed:
    """What was written for one output: `on` and `off` were seen in that state only, other things
    being equal; `while_on` and `while_off` are all that was written then.
    """

    on: list[Sample] = field(default_factory=list)
    off: set[MotorWrites] = field(default_factory=set)
    while_on: list[Sample] = field(default_factory=list)
    while_off: set[MotorWrites] = field(default_factory=set)
    # With all other outputs off, too.
    all_off: set[MotorWrites] = field(default_factory=set)

    @property
    def text(self) -> bool:
        """Whether these are commands of letters and digits."""
        seen = {one.written for one in self.while_on} | self.while_off
        return all(_TEXT.fullmatch(data) for _, data, _ in seen)

    def compare(self, samples: Iterable[Sample]) -> None:
        """Samples of commands that differ by the level of the observed output only."""
        samples = list(samples)
        off = {one.written for one in samples if one.ends or not one.level}
        on = [one for one in samples if one.level and not one.ends]
        seen = {one.written for one in on}
        self.on += [one for one in on if one.written not in off]
        self.off |= off - seen
        self.while_on += on
        self.while_off |= off

    def settle(self) -> None:
        """Nothing may count as rest that leaves the output on; what drives it again afterwards, in
        the same command, is all right.

        If that leaves nothing, what was written for off is its rest all the same: then another
        output's command takes this one off, too (Libo's first motor takes the second with it).
        """
        told = set(self.off)
        driving = {one.written for one in self.on}
        redriven = False
        command = 0
        for one in reversed(self.while_on):
            redriven = redriven and one.command == command
            command = one.command
            if not redriven:
                self.off.discard(one.written)
            redriven = redriven or one.written in driving
        self.off = self.off or told


class TracedProtocol(TemplateProtocol):
    """Remembers which rule made each packet."""

    def __init__(self, behaviour: Behaviour, opening: DeviceMemory) -> None:
        super().__init__(behaviour, opening)
        self.traced: list[int] = []

    def _packet(self, rule: PacketRule, plan: Plan, call: tuple[object, ...]) -> Packet:
        self.traced.append(id(rule))
        return super()._packet(rule, plan, call)


def motors_of(
    definition: Definition, protocol: DeviceProtocol, endpoints: Mapping[str, int]
) -> tuple[MotorData, ...]:
    """The motors of a connected model; outputs that hold by themselves have none. `endpoints`: what
    it was opened with."""
    roles = {handle: role for role, handle in endpoints.items()}
    names = motor_names(definition)
    outputs = {
        feature.index: (kind, spec)
        for feature in definition.features
        for kind, spec in feature.outputs.items()
        if (feature.index, kind) in names
    }
    return tuple(
        _motor(name, spec, _observe(index, outputs, protocol, roles))
        for (index, (_, spec)), name in zip(outputs.items(), names.values(), strict=True)
    )


def motor_names(definition: Definition) -> dict[tuple[int, OutputType], str]:
    """Feature and output → `vibrate`, or `vibrate 1`, `vibrate 2` where there are several.

    Positions are no motors.
    """
    outputs = [
        (feature.index, kind)
        for feature in definition.features
        for kind in feature.outputs
        if not kind.is_position
    ]
    kinds = [kind for _, kind in outputs]
    counted: dict[OutputType, int] = {}
    names = {}
    for index, kind in outputs:
        counted[kind] = counted.get(kind, 0) + 1
        several = kinds.count(kind) > 1
        names[index, kind] = f"{NAME_OF[kind]} {counted[kind]}" if several else NAME_OF[kind]
    return names


def _observe(
    index: int, outputs: Outputs, protocol: DeviceProtocol, roles: Mapping[int, str]
) -> Observed:
    found = Observed()
    # The seed makes the file the same on every run.
    trial = _Trial(outputs, protocol, roles, index, random.Random(0))
    trial.repeat()
    own = _levels(outputs[index][1])
    some = sorted({0, 1, *own[::6]})
    for others in trial.combinations():
        trial.set(others)
        if not any(others.values()):
            found.all_off.update(one.written for one in trial.write(index, 0, 0))
        found.compare(one for level in own for one in trial.write(index, level, level))
        for other, value in others.items():
            found.compare(trial.beside(other, value, some))
    few = sorted({0, 1, outputs[index][1].high})
    for other in trial.others:
        for value in _levels(outputs[other][1]):
            found.compare(trial.beside(other, value, few))
    protocol.stop(None)
    found.settle()
    return found


@dataclass(slots=True)
class _Trial:
    outputs: Outputs
    protocol: DeviceProtocol
    roles: Mapping[int, str]
    observed: int
    random: random.Random
    commands: int = 0
    # What made a packet → its places that differ from one time to the next.
    running: dict[object, set[int]] = field(default_factory=dict)

    def repeat(self) -> None:
        """Find running numbers, and the checksums over them."""
        for index, (_, spec) in self.outputs.items():
            for value in (0, 1, spec.high):
                before: list[Sample] = []
                # The first one may differ because of the value before.
                for number in range(5):
                    samples = self.write(index, value, 0)
                    for one, other in zip(samples, before, strict=False):
                        if number > 1 and one.form == other.form:
                            places = zip(one.data, other.data, strict=False)
                            found = {at for at, (a, b) in enumerate(places) if a != b}
                            self.running.setdefault(one.form, set()).update(found)
                    before = samples

    @property
    def others(self) -> list[int]:
        return [index for index in self.outputs if index != self.observed]

    def combinations(self) -> Iterator[dict[int, int]]:
        specs = {index: self.outputs[index][1] for index in self.others}
        yield dict.fromkeys(specs, 0)
        if specs:
            yield {index: spec.high for index, spec in specs.items()}
        for _ in range(_COMBINATIONS if specs else 0):
            yield {i: self.random.randint(max(spec.low, 0), spec.high) for i, spec in specs.items()}

    def set(self, levels: dict[int, int]) -> None:
        self.protocol.stop(None)
        for index, level in levels.items():
            self.write(index, level, 0)

    def beside(self, other: int, value: int, levels: list[int]) -> Iterator[Sample]:
        """A command for another output, while the observed one stands at each of `levels`."""
        # Some commands begin with a packet only if the value before was of another kind.
        self.write(other, value, 0)
        for level in levels:
            self.write(self.observed, level, level)
            yield from self.write(other, value, level)

    def write(self, index: int, value: int, level: int) -> list[Sample]:
        traced = self.protocol.traced if isinstance(self.protocol, TracedProtocol) else []
        traced.clear()
        self.commands += 1
        packets = self.protocol.output(index, self.outputs[index][0], value)
        return [
            self._sample(packet, level, traced[place] if traced else (place, len(packet.data)))
            for place, packet in enumerate(packets)
        ]

    def _sample(self, packet: Packet, level: int, form: object) -> Sample:
        running = tuple(sorted(self.running.get(form, ())))
        data = bytearray(packet.data)
        for at in running:
            data[at] = 0
        written = (self.roles[packet.handle], bytes(data), running)
        return Sample(written, abs(level), form, self.commands, ends=bool(packet.after_ms))


def _levels(spec: OutputSpec) -> list[int]:
    """All levels, or some if there are very many."""
    count = spec.high - spec.low + 1
    # Odd, so that both even and odd levels are among them.
    step = count // _MOST_LEVELS | 1
    return sorted({*range(spec.low, spec.high + 1, step), 0, 1, spec.high - 1, spec.high})


def _form(data: bytes, *, text: bool) -> tuple[object, ...]:
    """What packets share that can be compared place by place: length, or the words of a text."""
    if text:
        return tuple(re.split(r"\d+", data.decode("latin-1")))
    return (len(data),)


def _motor(name: str, spec: OutputSpec, seen: Observed) -> MotorData:
    text = seen.text
    groups = _telling(seen, text=text)
    placed = any(_place(samples, text=text) for samples in groups)
    while_on = {one.written for one in seen.while_on}
    idle = seen.while_off - while_on - seen.off
    return MotorData(
        name=name,
        drives=_drive_cues(groups, idle, text=text),
        rest=tuple(_rest_cues(seen, while_on - seen.off, text=text)),
        top=spec.high if placed else 0,
        # hgod: silence is its stop, after about a second (stpihkal).
        silence_ms=None if seen.off else 1000,
    )


def _telling(seen: Observed, *, text: bool) -> list[list[Sample]]:
    """Driving packets by what made them; without those that only accompany the level."""
    groups: dict[tuple[object, ...], list[Sample]] = {}
    for sample in seen.on:
        role, data, running = sample.written
        groups.setdefault((role, running, sample.form, *_form(data, text=text)), []).append(sample)
    placed = [group for group in groups.values() if _place(group, text=text)]
    told = {one.command for group in placed for one in group}
    return [
        group
        for group in groups.values()
        if group in placed or not all(one.command in told for one in group)
    ]


def _drive_cues(
    groups: list[list[Sample]], idle: set[MotorWrites], *, text: bool
) -> tuple[MotorCue, ...]:
    found: dict[tuple[str, str], MotorCue] = {}
    for group in sorted(groups, key=lambda group: _place(group, text=text) is None):
        role, _, running = group[0].written
        place = _place(group, text=text)
        against = sorted(data for other, data, at in idle if (other, at) == (role, running))
        samples = sorted({one.data for one in group})
        patterns = split(samples, against, text=text)
        if len(patterns) > _MOST_PATTERNS:
            patterns = [pattern_of(samples, text=text)]
        for pattern in patterns:
            shown = _open(pattern, running)
            cue: MotorCue = (role, shown)
            if place is not None:
                cue = (role, shown, place[0]) if place[1] == 0xFF else (role, shown, *place)
            found.setdefault((role, shown), cue)
    return tuple(found.values())


def _open(pattern: str, running: tuple[int, ...]) -> str:
    """The pattern with any bytes at these places."""
    for at in running:
        pattern = pattern[: 2 * at] + "??" + pattern[2 * at + 2 :]
    return pattern


def _place(samples: list[Sample], *, text: bool) -> tuple[int, int] | None:
    """Byte and mask where the level stands, or the number of the run of digits in a text."""
    # An output that only knows on and off has no level to find.
    if len({sample.level for sample in samples}) < 2:
        return None
    if text:
        runs = [re.findall(r"\d+", sample.data.decode("latin-1")) for sample in samples]
        for at in range(len(runs[0])):
            if all(int(r[at]) == s.level for r, s in zip(runs, samples, strict=True)):
                return at, 0xFF
        return None
    for mask in _MASKS:
        shift = (mask & -mask).bit_length() - 1
        for at in range(len(samples[0].data)):
            if all((s.data[at] & mask) >> shift == s.level for s in samples):
                return at, mask
    return None


def _rest_cues(seen: Observed, driving: set[MotorWrites], *, text: bool) -> Iterator[MotorCue]:
    """Patterns that fit what brings the output to rest and nothing that leaves it on.

    Of enciphered packets only those are known for certain that turn everything off.
    """
    groups: dict[tuple[object, ...], list[MotorWrites]] = {}
    for one in sorted(seen.off):
        role, data, running = one
        groups.setdefault((role, running, *_form(data, text=text)), []).append(one)
    for group in groups.values():
        role, _, running = group[0]
        against = sorted(data for other, data, at in driving if (other, at) == (role, running))
        samples = [data for _, data, _ in group]
        patterns = split(samples, against, text=text)
        common = set(pattern_of(samples, text=text)) - {"?"}
        if len(patterns) > _MOST_PATTERNS or not common:
            patterns = [data.hex() for data in samples if (role, data, running) in seen.all_off]
        yield from ((role, _open(pattern, running)) for pattern in patterns)
