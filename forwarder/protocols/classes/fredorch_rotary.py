"""Fredorch rotary machine: its speed is only ever told one step up or one step down.

    55 n cmd … sum aa      n counts n, cmd, arguments and sum; sum over n…arguments
    99 login · 21 + 6 zeros password · 1f power · 24 stop · 01 faster · 02 slower

The host keeps the step that the machine must be at (0-20) and walks it towards the goal. Source:
the reference server's handler (facts).
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import (
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet

_LOGIN, _PASSWORD, _POWER, _STOP, _FASTER, _SLOWER = 0x99, 0x21, 0x1F, 0x24, 0x01, 0x02
_ANSWER_MS = 100
# Steps must not overtake each other at the radio, nor be merged there: one per three connection
# intervals of a usual 15 ms leaves room, and full speed is a second away.
_TICK_MS = 50


class FredorchRotary(PlainProtocol):
    kinds = frozenset({OutputType.OSCILLATE})

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._current = 0
        self._goal = 0

    def handshake(self) -> Steps[None]:
        yield SubscribeStep("rx")
        for data in (frame(_LOGIN), frame(_PASSWORD, bytes(6)), frame(_POWER), frame(_STOP)):
            yield WriteStep("tx", data)
            try:
                yield WaitStep("rx", _ANSWER_MS)
            except StepFailed:
                # It stays silent once the password was taken.
                continue

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        del duration_ms
        self._check_output(feature, kind)
        self._goal = value
        if value:
            return ()
        self._current = 0
        return self.armed()

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        chosen = self._chosen(features)
        return self.output(chosen[0], OutputType.OSCILLATE, 0) if chosen else ()

    def armed(self) -> tuple[Packet, ...]:
        return (self._opening.packet("tx", frame(_STOP), "speed"),)

    @property
    def tick_ms(self) -> int | None:
        return _TICK_MS if self._current != self._goal else None

    def tick(self) -> tuple[Packet, ...]:
        if self._current == self._goal:
            return ()
        up = self._goal > self._current
        self._current += 1 if up else -1
        # Without keys: a step that replaced another would be a step lost.
        return (self._opening.packet("tx", frame(_FASTER if up else _SLOWER)),)


def frame(command: int, arguments: bytes = b"") -> bytes:
    body = bytes((len(arguments) + 3, command)) + arguments
    return bytes((0x55,)) + body + bytes((sum(body) & 0xFF, 0xAA))
