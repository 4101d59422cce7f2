"""Whether every model of a protocol file can be driven: what a file can get wrong beyond its shape.

Each output is encoded at both ends of its range, at 0 and at 1; the connect steps are walked
through with a device that answers with zeros; the stop is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from forwarder.buttplug.messages import InputCommand, InputType, OutputType
from forwarder.definitions.lines import Path
from forwarder.definitions.loader import LoadedProtocol, ModelEntry
from forwarder.definitions.model import NAME_OF, FeatureSpec, OutputSpec
from forwarder.definitions.schema import SchemaError
from forwarder.protocols.base import (
    DeviceProtocol,
    ProtocolError,
    ReadStep,
    StepFailed,
    Steps,
    WaitStep,
)
from forwarder.protocols.memory import DeviceMemory
from forwarder.protocols.template import TemplateProtocol
from relay.link.messages import Packet

# What a Bluetooth 4 device takes in one write without a larger MTU.
SMALL_PACKET = 20
# Longer than any identifier, model number or key that a device is asked for.
_ZEROS = bytes(20)
_MAX_STEPS = 200
_BYTE = 0xFF
_SAMPLE_MS = 500


class RestMethod(Enum):
    """How a model comes to rest."""

    PACKETS = "by packets"
    LETTING_GO = "by letting it go: its off is a toggle, which nobody may press blindly"
    SILENCE = "by silence: it turns itself off when packets cease"
    HOLDS = "not at all: it ends its last move and holds"
    SINGLE_SHOTS = "needs none: its outputs end by themselves"
    NOTHING = "needs none: it has no outputs"


@dataclass(frozen=True, slots=True)
class StopPlan:
    kind: RestMethod
    packets: tuple[Packet, ...]


def endpoints_of(loaded: LoadedProtocol) -> frozenset[str]:
    """Every endpoint that recognition knows; tx and rx for what is not Bluetooth."""
    found = {
        endpoint
        for block in loaded.blocks
        for table in block.services.values()
        for endpoint in table
    }
    return frozenset(found or ("tx", "rx"))


def numbered(endpoints: Collection[str]) -> dict[str, int]:
    """Handles for these endpoints, where no device has given them some."""
    return {endpoint: at for at, endpoint in enumerate(sorted(endpoints), 1)}


def opening_of(loaded: LoadedProtocol, entry: ModelEntry) -> DeviceMemory:
    """A model opened with all endpoints, as if it had advertised its identifier."""
    return DeviceMemory(
        definition=entry.definition,
        endpoints=numbered(endpoints_of(loaded)),
        address="00:00:00:00:00:00",
        name=entry.definition.identifier or "",
        constants=entry.constants,
    )


def stop_plan(definition_features: Collection[FeatureSpec], protocol: DeviceProtocol) -> StopPlan:
    """The stop of a model that has just been connected."""
    packets = protocol.armed()
    if packets is None:
        return StopPlan(RestMethod.LETTING_GO, ())
    if packets:
        return StopPlan(RestMethod.PACKETS, packets)
    kinds = {kind for feature in definition_features for kind in feature.outputs}
    if not kinds:
        return StopPlan(RestMethod.NOTHING, ())
    if all(kind.is_position for kind in kinds):
        return StopPlan(RestMethod.HOLDS, ())
    if kinds == {OutputType.SPRAY}:
        return StopPlan(RestMethod.SINGLE_SHOTS, ())
    return StopPlan(RestMethod.SILENCE, ())


def check_endpoints(loaded: LoadedProtocol) -> None:
    """Raises SchemaError for an endpoint that no way of recognition knows."""
    known = endpoints_of(loaded)
    file = loaded.file
    for name, rules in (("output", file.output), ("init", file.init), ("input", file.input)):
        for number, rule in enumerate(rules):
            for path, endpoint in _named(rule, (name, number)):
                if endpoint not in known and not _optional(file, endpoint):
                    raise SchemaError(path, f"there is no endpoint {endpoint} in match.services")


def _named(rule: object, path: Path) -> Iterator[tuple[Path, str]]:
    for key in ("to", "read", "subscribe", "unsubscribe", "wait", "from_"):
        value = getattr(rule, key, None)
        if isinstance(value, str) and _used(rule, key):
            yield (*path, key.rstrip("_")), value
    for number, packet in enumerate(getattr(rule, "send", None) or ()):
        yield (*path, "send", number), packet.to


def _used(rule: object, key: str) -> bool:
    if key != "to":
        return True
    texts = ("bytes", "text", "write")
    return any(getattr(rule, text, None) is not None for text in texts)


def _optional(file: object, endpoint: str) -> bool:
    """Files may ask has('x') and go another way without it."""
    texts = [rule.when or "" for name in ("output", "init") for rule in getattr(file, name)]
    return any(f"has('{endpoint}')" in text for text in texts)


def problems(loaded: LoadedProtocol, entry: ModelEntry, protocol: DeviceProtocol) -> list[str]:
    """What is wrong with one model, as lines; empty if it can be driven."""
    return [f"{entry.definition.name}: {line}" for line in _problems(loaded, entry, protocol)]


def _problems(loaded: LoadedProtocol, entry: ModelEntry, protocol: DeviceProtocol) -> Iterator[str]:
    definition = entry.definition
    yield from _walk(protocol.handshake())
    for feature in definition.features:
        for kind, spec in feature.outputs.items():
            yield from _try(protocol, feature.index, kind, spec)
        for input_kind, input_spec in feature.inputs.items():
            yield from _check_input(
                loaded, protocol, feature.index, input_kind, input_spec.commands
            )
    try:
        yield from _check_packets(protocol.stop(None))
        yield from _check_silence(definition.features, protocol)
    except ProtocolError as error:
        yield f"stop: {error}"


def drivable(loaded: LoadedProtocol, entry: ModelEntry, protocol: DeviceProtocol) -> ModelEntry:
    """The model without the outputs that the protocol's rules do not cover.

    For models from elsewhere: an official file may know an output that our rules do not.
    """
    strays = _strays(loaded, entry)
    features = []
    for feature in entry.definition.features:
        outputs = {
            kind: spec
            for kind, spec in feature.outputs.items()
            if (feature.index, kind) not in strays
            and not any(_try(protocol, feature.index, kind, spec))
            and not _wraps(loaded, entry, feature.index, kind, spec)
        }
        if outputs or feature.inputs or not feature.outputs:
            features.append(replace(feature, outputs=outputs))
    definition = replace(entry.definition, features=tuple(features))
    return ModelEntry(definition, entry.constants)


def _try(protocol: DeviceProtocol, index: int, kind: OutputType, spec: OutputSpec) -> Iterator[str]:
    for value in _samples(spec):
        try:
            packets = protocol.output(index, kind, value, _SAMPLE_MS)
        except ProtocolError as error:
            yield f"feature {index}, {NAME_OF[kind]} {value}: {error}"
            continue
        yield from _check_packets(packets)


def _fresh(loaded: LoadedProtocol, entry: ModelEntry) -> TemplateProtocol:
    return TemplateProtocol(loaded.behaviour, opening_of(loaded, entry))


def _strays(loaded: LoadedProtocol, entry: ModelEntry) -> set[tuple[int, OutputType]]:
    """Outputs whose packets carry the level of another one that has packets of its own.

    A rule may count on its motors standing first; a file that puts something else there would move
    the wrong motor.
    """
    found: set[tuple[int, OutputType]] = set()
    if loaded.code is not None:
        return found
    plans = [
        (feature.index, kind, spec.high)
        for feature in entry.definition.features
        for kind, spec in feature.outputs.items()
        if not kind.is_position
    ]
    rules = {one[:2]: _fresh(loaded, entry).rules(*one[:2]) for one in plans}
    for index, kind, high in plans:
        alone = _plain(_output(_fresh(loaded, entry), index, kind, high))
        for other, other_kind, other_high in plans:
            if other == index or rules[index, kind] == rules[other, other_kind]:
                continue
            both = _fresh(loaded, entry)
            _output(both, other, other_kind, other_high)
            if _plain(_output(both, index, kind, high)) != alone:
                found |= {(index, kind), (other, other_kind)}
    return found


def _wraps(
    loaded: LoadedProtocol, entry: ModelEntry, index: int, kind: OutputType, spec: OutputSpec
) -> bool:
    """Whether the range is larger than the packets can say: its top would look like a low level."""
    if loaded.code is not None or spec.high <= _BYTE:
        return False
    top, low = (
        _plain(_output(_fresh(loaded, entry), index, kind, value))
        for value in (spec.high, spec.high - _BYTE - 1)
    )
    return top == low


def _output(
    protocol: DeviceProtocol, index: int, kind: OutputType, value: int
) -> tuple[Packet, ...]:
    """Its packets, none for what no rule covers."""
    try:
        return protocol.output(index, kind, value, _SAMPLE_MS)
    except ProtocolError:
        return ()


def _plain(packets: tuple[Packet, ...]) -> list[tuple[int, bytes]]:
    """Without what counts up."""
    found = []
    for packet in packets:
        data = bytearray(packet.data)
        if packet.counter is not None:
            for at in (packet.counter.at, packet.counter.xor_at):
                if at is not None and at < len(data):
                    data[at] = 0
        found.append((packet.handle, bytes(data)))
    return found


def _samples(spec: OutputSpec) -> list[int]:
    return sorted({spec.low, 0, min(1, spec.high), spec.high})


def _check_silence(features: Collection[FeatureSpec], protocol: DeviceProtocol) -> Iterator[str]:
    """A toy that only silence stops must be left in silence once its values are at rest."""
    alive = protocol.keepalive
    if stop_plan(features, protocol).kind is not RestMethod.SILENCE or alive is None:
        return
    if not alive.only_running:
        yield "stop: it has no packet for off, so its keep-alive needs `while`, or it never stops"


def _check_packets(packets: tuple[Packet, ...]) -> Iterator[str]:
    for packet in packets:
        if not packet.data:
            yield "an empty packet"
        if packet.counter is not None and packet.counter.at >= len(packet.data):
            yield "its running number lies outside the packet"


def _check_input(
    loaded: LoadedProtocol,
    protocol: DeviceProtocol,
    feature: int,
    kind: InputType,
    commands: tuple[InputCommand, ...],
) -> Iterator[str]:
    if InputCommand.SUBSCRIBE in commands:
        try:
            protocol.subscription(feature, kind)
        except ProtocolError as error:
            yield str(error)
    standard = kind is InputType.BATTERY and "rxblebattery" in endpoints_of(loaded)
    ruled = any(rule.kind is kind for rule in loaded.behaviour.inputs)
    if InputCommand.READ in commands and not standard and not ruled:
        yield f"no input rule reads {kind}, and there is no rxblebattery"


def _walk(steps: Steps[None]) -> Iterator[str]:
    """The connect steps with a device that answers reads with zeros and is otherwise silent.

    A device that fails a handshake is no fault of the file; an expression that fails is.
    """
    try:
        step = next(steps)
        for _ in range(_MAX_STEPS):
            if isinstance(step, ReadStep):
                step = steps.send(_ZEROS)
            elif isinstance(step, WaitStep):
                step = steps.throw(StepFailed("the device of this check is silent"))
            else:
                step = steps.send(None)
    except StopIteration:
        return
    except ProtocolError as error:
        if not isinstance(error.__cause__, StepFailed):
            yield str(error)
        return
    yield f"its handshake has more than {_MAX_STEPS} steps"


def longest_packet(protocol: DeviceProtocol, features: Collection[FeatureSpec]) -> int:
    """The longest packet of this model, for a warning when it is over SMALL_PACKET."""
    longest = 0
    for feature in features:
        for kind, spec in feature.outputs.items():
            packets = protocol.output(feature.index, kind, spec.high, _SAMPLE_MS)
            longest = max([longest, *(len(packet.data) for packet in packets)])
    protocol.stop(None)
    return longest
