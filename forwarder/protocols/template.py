"""The interpreter of protocol files: outputs, stop, inputs and clock of one connected device.

A value leaves two traces: packets, and what the device's memory says of it from then on, for other
features' packets may carry it too (`s[0]` in a template). The memory is what was *asked for*; what
the radio took of it is not known here. So whoever learns that a packet failed has to say so, by
asking for what the feature counts as now (`Driver.recall`), or the next packet of another feature
would carry out what was answered with an error.

*Keys* say what a packet carries: a newer one with the same key takes the place of one that waits.
A packet of one feature has that feature's key, one that carries several has one for all of them.

The *armed stop* is made from a memory in which everything is 0, and leaves none of it behind: it
has to hold at any later moment, whatever was asked for by then.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.model import NAME_OF, FeatureSpec
from forwarder.protocols.base import (
    KeptAlive,
    ProtocolError,
    ReadStep,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.compiled import Behaviour, InputRule, OutputRule, PacketRule
from forwarder.protocols.connecting import FAULTS, MAX_NOTIFICATIONS, handshake, parts, search
from forwarder.protocols.memory import DeviceMemory, FeatureMemory, Memory
from forwarder.protocols.registry import TICKERS
from forwarder.protocols.tickers import Ticker
from relay.link.messages import Counter, Packet

log = logging.getLogger(__name__)

SHARED_KEY = ("all",)
_COUNTER_MASK = 0xFF


@dataclass(frozen=True, slots=True)
class Plan:
    """How one output of one feature is encoded: its rules, those ruled out already removed.

    `places`: handle and keys of its packets, by the identity of their rules.
    """

    feature: int
    type: str
    top: int
    own_keys: tuple[str, ...]
    rules: tuple[OutputRule, ...]
    places: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)


class TemplateProtocol:
    """One connected device that a protocol file describes. See DeviceProtocol for the contract."""

    def __init__(self, behaviour: Behaviour, opening: DeviceMemory) -> None:
        self._behaviour = behaviour
        self._opening = opening
        self._name = opening.definition.name
        self._memory = Memory(opening)
        self._memory.names = {**behaviour.captures, **opening.constants}
        # Where each feature was sent last; positions are measured from here, also after a stop.
        self._before: dict[int, int] = {}
        self._features = {one.index: one for one in opening.definition.features}
        self._plans = {
            (feature.index, kind): self._plan(feature, kind)
            for feature in self._features.values()
            for kind in feature.outputs
        }
        self._sharing = {
            index
            for (index, _), plan in self._plans.items()
            for rule in plan.rules
            for packet in rule.packets
            if packet.keys is not None or packet.encoder.shared
        }
        self._tickers: dict[int, tuple[Ticker, Plan]] = {}

    def __repr__(self) -> str:
        return f"<TemplateProtocol {self._behaviour.protocol} {self._name}>"

    def _plan(self, feature: FeatureSpec, kind: OutputType) -> Plan:
        type_ = NAME_OF[kind]
        top = feature.outputs[kind].high
        rules = []
        for rule in self._behaviour.outputs:
            if kind not in rule.types:
                continue
            if rule.when is None:
                rules.append(rule)
                break
            if not rule.static:
                rules.append(rule)
            elif rule.when(self._memory, feature.index, type_, 0, 0, 0, top):
                # It always holds, so nothing behind it is ever reached.
                rules.append(rule)
                break
        return Plan(feature.index, type_, top, (f"f{feature.index}",), tuple(rules))

    def rules(self, feature: int, kind: OutputType) -> tuple[OutputRule, ...]:
        """The rules of its file that this output goes by."""
        return self._plans[feature, kind].rules

    @property
    def keepalive(self) -> KeptAlive | None:
        rule = self._behaviour.keepalive
        if rule is None:
            return None
        packet = None
        if rule.packet is not None:
            data = self._bytes(rule.packet, ())
            packet = self._opening.packet(rule.packet.endpoint, data, response=rule.packet.response)
        return KeptAlive(rule.every_ms, packet, rule.only_running, rule.only_demanded, rule.primed)

    def handshake(self) -> Steps[None]:
        return handshake(self._behaviour.init, self._memory, self._opening)

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        try:
            plan = self._plans[feature, kind]
        except KeyError:
            raise ProtocolError(f"{self._name}: feature {feature} has no {kind}") from None
        remembered = self._memory.s[feature]
        try:
            return self._encode(plan, value, duration_ms)
        except FAULTS as error:
            # Nothing leaves, so no other packet may tell the device about it either.
            self._memory.s[feature] = remembered
            what = f"{self._name}: {kind} {value} cannot be encoded"
            raise ProtocolError(f"{what}: {error}") from error

    def _encode(self, plan: Plan, value: int, duration_ms: int) -> tuple[Packet, ...]:
        memory = self._memory
        feature = plan.feature
        remembered = memory.s[feature]
        # Rules see the new value in s[]; one that must not leak into other packets is taken back.
        memory.s[feature] = value
        call = (feature, plan.type, value, self._before.get(feature, 0), duration_ms, plan.top)
        for rule in plan.rules:
            if rule.when is None or rule.static or rule.when(memory, *call):
                break
        else:
            raise ValueError("no rule of the protocol's file covers it")
        if not rule.remember:
            memory.s[feature] = remembered
        if rule.ticks is not None:
            self._ticker(plan, rule.ticks).go(value, duration_ms)
        packets = []
        for packet in rule.packets:
            if packet.when is None or packet.when(memory, *call):
                packets.append(self._packet(packet, plan, call))
        self._before[feature] = value
        return tuple(packets)

    def _packet(self, rule: PacketRule, plan: Plan, call: tuple[object, ...]) -> Packet:
        memory = self._memory
        data = self._bytes(rule, call)
        counter = None
        if rule.encoder.counts:
            # The relay counts what it really writes: packets may be merged, dropped or repeated on
            # the way, and devices refuse a number that they have seen. Ours is only the first.
            counter = Counter(memory.counter_at, memory.counter_xor_at)
            memory.seq = (memory.seq + 1) & _COUNTER_MASK
        place = plan.places.get(id(rule)) or self._place(plan, rule)
        return Packet(place[0], data, rule.response, place[1], rule.after_ms, counter)

    def _place(self, plan: Plan, rule: PacketRule) -> tuple[int, tuple[int, ...]]:
        """Where this packet of this output goes, and the slots it fills: looked up once."""
        keys = rule.keys or (SHARED_KEY if rule.encoder.shared else plan.own_keys)
        opening = self._opening
        place = plan.places[id(rule)] = opening.handle(rule.endpoint), opening.keys(keys)
        return place

    def _bytes(self, rule: PacketRule, call: tuple[object, ...]) -> bytes:
        self._memory.counter_xor_at = None
        data = rule.encoder.encode(self._memory, *call)
        return data if rule.codec is None else rule.codec(data)

    def _ticker(self, plan: Plan, name: str) -> Ticker:
        if plan.feature not in self._tickers:
            self._tickers[plan.feature] = (TICKERS[name](), plan)
        return self._tickers[plan.feature][0]

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        indexes = sorted(self._features if features is None else self._features.keys() & features)
        for index in indexes:
            if index in self._tickers:
                # Whatever becomes of the packets: nothing may go on by the clock.
                self._tickers[index][0].halt()
        commands = self._stops(indexes)
        return commands[0] if len(commands) == 1 else merge(commands)

    def _stops(self, indexes: list[int]) -> list[tuple[Packet, ...]]:
        """What stops these features. One that cannot be encoded must not keep the others running.

        Raises ProtocolError only if nothing is left to send.
        """
        commands: list[tuple[Packet, ...]] = []
        failed: ProtocolError | None = None
        for index in indexes:
            for kind in self._features[index].outputs:
                try:
                    if not kind.is_position:
                        commands.append(self.output(index, kind, 0))
                except ProtocolError as error:
                    log.error("a stop cannot be encoded: %s", error)
                    failed = error
        if self._behaviour.stops:
            features = [self._features[index] for index in indexes]
            commands += _alike(halt for each in features for halt in self._position_stops(each))
        if failed is not None and not any(commands):
            raise failed
        return commands

    def armed(self) -> tuple[Packet, ...]:
        memory = self._memory
        # Of a copy, and with the counter put back: to be armed says nothing to the device.
        state, counter, before = FeatureMemory(memory.s), memory.seq, self._before
        memory.s = FeatureMemory(dict.fromkeys(state.keys(), 0))
        self._before = {}
        try:
            return merge(self._stops(sorted(self._features)))
        finally:
            memory.s, memory.seq, self._before = state, counter, before

    def _position_stops(self, feature: FeatureSpec) -> list[Packet]:
        found: list[Packet] = []
        for kind in feature.outputs:
            plan = self._plans[feature.index, kind]
            # A value of 0 stands for "none": a file's packet that halts has no place to go to.
            call = (feature.index, plan.type, 0, 0, 0, plan.top)
            for rule in self._behaviour.stops:
                if kind in rule.types and (rule.when is None or rule.when(self._memory, *call)):
                    found.append(self._packet(rule.packet, plan, call))
                    break
        return found

    def shares_packets(self, feature: int) -> bool:
        return feature in self._sharing

    def _input(self, feature: int, kind: InputType) -> InputRule | None:
        if feature not in self._features or kind not in self._features[feature].inputs:
            raise ProtocolError(f"{self._name}: feature {feature} has no {kind}")
        for rule in self._behaviour.inputs:
            if rule.kind is kind and rule.feature in (None, feature):
                return rule
        return None

    def read(self, feature: int, kind: InputType) -> Steps[int]:
        rule = self._input(feature, kind)
        what = f"{self._name}: its {kind} could not be read"
        try:
            if rule is None:
                return (yield from self._standard_battery(kind))
            if rule.read is not None:
                value = self.reading(feature, kind, (yield ReadStep(rule.read)) or b"")
            else:
                value = yield from self._ask(rule, feature, kind)
        except StepFailed as error:
            raise ProtocolError(f"{what}: {error}") from error
        if value is None:
            raise ProtocolError(f"{what}: the answer makes no sense")
        return value

    def _standard_battery(self, kind: InputType) -> Steps[int]:
        """Bluetooth's own battery level: one byte, percent."""
        if kind is not InputType.BATTERY or "rxblebattery" not in self._opening.endpoints:
            raise ProtocolError(f"{self._name}: its protocol does not say how to read {kind}")
        value = percent((yield ReadStep("rxblebattery")) or b"")
        if value is None:
            raise ProtocolError(f"{self._name}: what its battery answers makes no sense")
        return value

    def _ask(self, rule: InputRule, feature: int, kind: InputType) -> Steps[int | None]:
        if rule.subscribe is not None:
            yield SubscribeStep(rule.subscribe)
        if rule.ask is not None:
            data = self._bytes(rule.ask, ())
            yield WriteStep(rule.ask.endpoint, data, rule.ask.response)
        assert rule.listen is not None
        pending = b""
        for _ in range(MAX_NOTIFICATIONS):
            data = (yield WaitStep(rule.listen, rule.timeout_ms)) or b""
            found, pending = parts(pending, data, rule.until)
            for one in found:
                value = self.reading(feature, kind, one)
                if value is not None:
                    return value
        return None

    def subscription(self, feature: int, kind: InputType) -> str:
        rule = self._input(feature, kind)
        if rule is None or rule.subscribe is None or rule.ask is not None:
            raise ProtocolError(f"{self._name}: {kind} cannot be subscribed to")
        return rule.subscribe

    def reading(self, feature: int, kind: InputType, data: bytes) -> int | None:
        rule = self._input(feature, kind)
        if rule is None:
            return percent(data)
        groups = search(rule.pattern, data)
        if groups is None:
            return None
        try:
            call = {"i": feature, "r": data, "g": groups}
            if rule.when is not None and not rule.when(self._memory, **call):
                return None
            value = rule.value(self._memory, **call)
        except FAULTS:
            # What a device sends is not ours to trust: too short or out of place is no reading.
            return None
        if not isinstance(value, (int, float)) or (
            kind is InputType.BATTERY and not 0 <= value <= 100
        ):
            return None
        return int(value)

    @property
    def listens(self) -> tuple[str, ...]:
        return ()

    def heard(self, endpoint: str, data: bytes) -> tuple[Packet, ...]:
        del endpoint, data
        return ()

    @property
    def tick_ms(self) -> int | None:
        if not self._tickers:
            return None
        return min(
            (ticker.every_ms for ticker, _ in self._tickers.values() if ticker.active),
            default=None,
        )

    def tick(self) -> tuple[Packet, ...]:
        packets = []
        for ticker, plan in self._tickers.values():
            data = ticker.tick() if ticker.active else None
            if data is not None:
                packets.append(self._opening.packet("tx", data, *plan.own_keys))
        return tuple(packets)


def percent(data: bytes) -> int | None:
    """Bluetooth's battery level: one byte, 0-100; others are reserved (GATT specification 3.27)."""
    return data[0] if data and data[0] <= 100 else None


def _alike(halts: Iterable[Packet]) -> list[tuple[Packet, ...]]:
    """Each packet once, for all features that it halts: one word stops every axis of a machine."""
    found: dict[tuple[int, bytes], Packet] = {}
    for halt in halts:
        place = (halt.handle, halt.data)
        same = found.get(place)
        if same is not None:
            halt = replace(same, keys=tuple(dict.fromkeys((*same.keys, *halt.keys))))
        found[place] = halt
    return [(halt,) for halt in found.values()]


def merge(commands: Iterable[tuple[Packet, ...]]) -> tuple[Packet, ...]:
    """What is left of several commands when newer packets replace older ones that share a key."""
    kept: list[Packet] = []
    for packets in commands:
        keys = {key for packet in packets for key in packet.keys}
        kept = [packet for packet in kept if keys.isdisjoint(packet.keys)]
        kept += packets
    return tuple(kept)
