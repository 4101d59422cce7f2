"""Kinky Makers OSSM: a machine that strokes by itself or follows positions. ASCII, acknowledged.

    go:menu  go:strokeEngine  go:streaming       modes; from one to another leads the menu
    set:speed:0-100                              of its strokes, and the limit while it follows
    set:depth:100  set:stroke:100                the whole way
    stream:0-100:ms                              follow to a position

`rx` notifies JSON, `state` being the mode and, behind a dot, what it does there. On `txmode`,
`false` makes the speed independent of its own knob. `set:speed:0` stops it in every mode and moves
nothing; it switches no mode. When the connection ends, the firmware goes to the menu and slows
down within 3 s. Source: the reference server's behaviour, the published firmware.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import Steps, SubscribeStep
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet

_STROKE, _STREAM = "strokeEngine", "streaming"
_STOP = "set:speed:0"
_WHOLE_WAY = ("set:depth:100", "set:stroke:100")
_FULL_SPEED = "set:speed:100"


class Ossm(PlainProtocol):
    """`_asked`: the mode that it was sent to; `_told`: the one that it last said it is in."""

    kinds = frozenset({OutputType.HW_POSITION_WITH_DURATION, OutputType.OSCILLATE})

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._asked: str | None = None
        self._told: str | None = None
        # A stop while it followed has taken its speed away.
        self._slowed = False

    def handshake(self) -> Steps[None]:
        yield SubscribeStep("rx")

    @property
    def listens(self) -> tuple[str, ...]:
        return ("rx",)

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        self._check_output(feature, kind)
        if kind.is_position:
            return self._follow(feature, value, duration_ms)
        if self._asked != _STROKE and not value:
            # A stop must not switch modes. Strokes may go on all the same: the change of mode has
            # failed, or is still to come.
            return self.stop(None) if self._told == _STROKE else ()
        return (*self._go(_STROKE), self._value(feature, f"set:speed:{value}"))

    def _follow(self, feature: int, value: int, duration_ms: int) -> tuple[Packet, ...]:
        if self._slowed and self._told not in (None, _STREAM):
            # It does not follow, as it says; while it strokes, its limit would be its speed.
            self._asked = None
        packets = self._go(_STREAM)
        if self._slowed and not packets:
            packets = (self._value(feature, _FULL_SPEED),)
        self._slowed = False
        return (*packets, self._value(feature, f"stream:{value}:{duration_ms}"))

    def _go(self, mode: str) -> tuple[Packet, ...]:
        if self._asked == mode:
            return ()
        self._asked = mode
        return (self._packet("go:menu", "mode"), self._packet(f"go:{mode}", "mode"))

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        if not self._chosen(features) or (self._asked is None and self._told != _STROKE):
            return ()
        self._slowed = self._asked == _STREAM
        return self.armed()

    def armed(self) -> tuple[Packet, ...]:
        return tuple(self._value(index, _STOP) for index in self._chosen(None)[:1])

    def heard(self, endpoint: str, data: bytes) -> tuple[Packet, ...]:
        """Settings that a mode wants as soon as it is there; a mode left at the machine is gone."""
        del endpoint
        before, self._told = self._told, mode_of(data) or self._told
        if self._told == before:
            return ()
        if self._told in (_STROKE, _STREAM):
            packets = (
                self._packet("false", "knob", to="txmode"),
                *map(self._setting, _WHOLE_WAY),
            )
            return (*packets, self._setting(_FULL_SPEED)) if self._told == _STREAM else packets
        if before == self._asked:
            self._asked = None
        return ()

    def _value(self, feature: int, text: str) -> Packet:
        return self._packet(text, f"f{feature}")

    def _setting(self, text: str) -> Packet:
        return self._packet(text, text.rpartition(":")[0])

    def _packet(self, text: str, key: str, *, to: str = "tx") -> Packet:
        return self._opening.packet(to, text.encode(), key, response=True)


def mode_of(data: bytes) -> str | None:
    """None if this says nothing of a mode."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    state = told.get("state") if isinstance(told, dict) else None
    return state.split(".")[0] if isinstance(state, str) else None
