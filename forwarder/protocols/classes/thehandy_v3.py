"""The Handy with firmware 4 and later, and The Oh!: numbered requests in protocol buffers.

    Envelope { 1: 1, 2: Request { 2: number, n: body } }

    n = 710 battery, 713 capabilities, 744 position { 1: 0..1 as f32, 2: ms },
        746 stop of the position mode, 900 vibrate { 1: 0..1 as f32, 2: Hz }, 901 vibrate stop

A position may also say "stop on target" (3: 1); between the points of a script that makes it jerk,
so it is left out (reference server 12.0.0). The stop is the position mode's own (746), which every
firmware has; "stop whatever runs" (715) came with 4.0.13. Source: the reference server's handler
and message files (facts).
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import (
    KeptAlive,
    ProtocolError,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.classes.protobuf import f32, message, varint
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet

_BATTERY, _CAPABILITIES, _POSITION, _POSITION_STOP = 710, 713, 744, 746
_VIBRATE, _VIBRATE_STOP = 900, 901
# The one frequency that the reference uses.
_VIBRATE_HZ = 100
_STEPS = 100
# Its answers come within a connection interval or two.
_ANSWER_MS = 2_000
_KEEPALIVE_MS = 5_000
# How finely it is known whether a move is over.
_STEP_MS = 100


class TheHandyV3(PlainProtocol):
    kinds = frozenset({OutputType.HW_POSITION_WITH_DURATION, OutputType.VIBRATE})

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._number = 0
        # How long the move that was sent last may still take.
        self._moving_ms = 0

    def _request(self, kind: int, *body: bytes) -> bytes:
        self._number += 1
        return varint(1, 1) + message(2, varint(2, self._number), message(kind, *body))

    @property
    def keepalive(self) -> KeptAlive | None:
        question = varint(1, 1) + message(2, varint(2, 1), message(_BATTERY))
        return KeptAlive(
            _KEEPALIVE_MS, self._opening.packet("tx", question, response=True), only_demanded=True
        )

    def handshake(self) -> Steps[None]:
        yield SubscribeStep("rx")
        for question in (_BATTERY, _CAPABILITIES):
            yield WriteStep("tx", self._request(question))
            try:
                yield WaitStep("rx", _ANSWER_MS)
            except StepFailed as error:
                raise ProtocolError(f"{self._name}: does not answer the handshake") from error

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        self._check_output(feature, kind)
        if kind.is_position:
            self._moving_ms = duration_ms + _STEP_MS
            move = (f32(1, value / _STEPS), varint(2, duration_ms))
            data = self._request(_POSITION, *move)
        elif value:
            strength = (f32(1, value / _STEPS), varint(2, _VIBRATE_HZ))
            data = self._request(_VIBRATE, *strength)
        else:
            data = self._request(_VIBRATE_STOP)
        return (self._packet(feature, data),)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        """A move that is over has nothing to stop: it holds, and the mode stays as it is."""
        packets = self._stops(features, moving=self._moving_ms > 0)
        self._moving_ms = 0
        return packets

    def armed(self) -> tuple[Packet, ...]:
        number = self._number
        packets = self._stops(None, moving=True)
        self._number = number
        return packets

    def _stops(self, features: Collection[int] | None, *, moving: bool) -> tuple[Packet, ...]:
        packets = []
        for index in self._chosen(features):
            if any(not kind.is_position for kind in self._features[index].outputs):
                packets.append(self._packet(index, self._request(_VIBRATE_STOP)))
            if moving and any(kind.is_position for kind in self._features[index].outputs):
                packets.append(self._packet(index, self._request(_POSITION_STOP)))
        return tuple(packets)

    @property
    def tick_ms(self) -> int | None:
        return _STEP_MS if self._moving_ms > 0 else None

    def tick(self) -> tuple[Packet, ...]:
        self._moving_ms -= _STEP_MS
        return ()

    def _packet(self, feature: int, data: bytes) -> Packet:
        return self._opening.packet("tx", data, f"f{feature}", response=True)
