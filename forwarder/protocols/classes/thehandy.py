"""The Handy, firmware 3: protocol buffers.

    Payload { 1: Message { 403: LinearCmd { 1: 2, 3: Vector { 2: ms, 3: position 0..1 as f64 } } } }
    Payload { 1: Message { 102: Ping { 1: 999 } } }

There is no message that stops it: it ends its move and holds. Source: the reference server's
handler (facts).
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import KeptAlive
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.classes.protobuf import f64, message, varint
from relay.link.messages import Packet

# How long phones in the background let a connection be silent, by the reference's choice.
_KEEPALIVE_MS = 5_000
_STEPS = 100


class TheHandy(PlainProtocol):
    kinds = frozenset({OutputType.HW_POSITION_WITH_DURATION})

    @property
    def keepalive(self) -> KeptAlive | None:
        ping = message(1, message(102, varint(1, 999)))
        return KeptAlive(
            _KEEPALIVE_MS, self._opening.packet("tx", ping, response=True), only_demanded=True
        )

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        self._check_output(feature, kind)
        vector = message(3, varint(2, duration_ms), f64(3, value / _STEPS))
        data = message(1, message(403, varint(1, 2), vector))
        return (self._opening.packet("tx", data, f"f{feature}", response=True),)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        del features
        return ()

    def armed(self) -> tuple[Packet, ...]:
        return ()
