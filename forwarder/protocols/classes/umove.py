"""Umove Mira, Vero and Nexo: a vibrator, a thruster and a heater, told their whole state at once.

    5a a5 55 00  vibration(u16le)  01 00  count(u32le)  place(u32le)       16 bytes; +1 per packet
    5a a5 55 06  ff ff 00 00  ff ff ff ff  degrees|00  ff                 heater, 37-42; 0 is off

A timed move is a place every 100 ms: the device has no speeds (the reference waits 50 ms, so that
its moves take half their time). A stop says the place that it is at. The one that is kept for
somebody else to send cannot know it and says 0, as the stop at connecting does: what vibrates falls
silent, what thrusts draws back. Source: the reference server's behaviour.
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import KeptAlive
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet

_STEP_MS = 100
# The device wants traffic; the reference repeats the last packet after so much silence.
_KEEPALIVE_MS = 500
_COOLEST = 37
# Both kinds of packet fill one slot, so that the last one alone is repeated, as the reference does.
# What takes the place of a heater's packet while that may still be waiting brings it along.
_KEY = "all"
_FRESH_TICKS = 10
_U16, _U32 = 0xFFFF, 0xFFFF_FFFF


class UMove(PlainProtocol):
    kinds = frozenset(
        {
            OutputType.VIBRATE,
            OutputType.POSITION,
            OutputType.HW_POSITION_WITH_DURATION,
            OutputType.TEMPERATURE,
        }
    )

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._count = 0
        self._driven = False
        self._vibration = 0
        self._place = 0
        # Places that a timed move still has to go through, the last one first.
        self._way: list[int] = []
        self._degrees = 0
        self._fresh = 0
        kinds = {kind: index for index, one in self._features.items() for kind in one.outputs}
        self._heater = kinds.get(OutputType.TEMPERATURE)
        self._vibrates = OutputType.VIBRATE in kinds

    @property
    def keepalive(self) -> KeptAlive | None:
        return KeptAlive(_KEEPALIVE_MS, primed=True)

    def shares_packets(self, feature: int) -> bool:
        return feature != self._heater

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        self._check_output(feature, kind)
        self._driven = self._driven or value != 0
        if not self._driven and kind not in (OutputType.TEMPERATURE, OutputType.POSITION):
            # As the stop at connecting left it.
            return ()
        match kind:
            case OutputType.TEMPERATURE:
                self._degrees, self._fresh = value, _FRESH_TICKS
                return (self._heat(),)
            case OutputType.VIBRATE:
                self._vibration = value
            case OutputType.POSITION:
                self._way, self._place = [], value
            case _:
                self._way = way(self._place, value, duration_ms)
                self._place = self._way.pop()
        return self._packets()

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        kinds = {kind for index in self._chosen(features) for kind in self._features[index].outputs}
        moving = bool(self._way) and any(kind.is_position for kind in kinds)
        if moving:
            self._way = []
        if OutputType.VIBRATE in kinds:
            self._vibration = 0
        packets = [self._packet()] if moving or OutputType.VIBRATE in kinds else []
        if OutputType.TEMPERATURE in kinds:
            self._degrees = self._fresh = 0
            packets.append(self._heat())
        return tuple(packets)

    def armed(self) -> tuple[Packet, ...]:
        if not self._vibrates and self._heater is None:
            # It ends the step it is at and holds.
            return ()
        count = self._count
        state = self._made(self._state(0, 0))
        self._count = count
        off = (self._made(heat(0)),) if self._heater is not None else ()
        return (state, *off)

    @property
    def tick_ms(self) -> int | None:
        return _STEP_MS if self._way or self._fresh else None

    def tick(self) -> tuple[Packet, ...]:
        self._fresh = max(0, self._fresh - 1)
        if not self._way:
            return ()
        self._place = self._way.pop()
        return self._packets()

    def _packets(self) -> tuple[Packet, ...]:
        return (self._heat(), self._packet()) if self._fresh else (self._packet(),)

    def _packet(self) -> Packet:
        return self._made(self._state(self._vibration, self._place))

    def _heat(self) -> Packet:
        return self._made(heat(self._degrees))

    def _made(self, data: bytes) -> Packet:
        return self._opening.packet("tx", data, _KEY)

    def _state(self, vibration: int, place: int) -> bytes:
        self._count = self._count + 1 & _U32
        numbers = (vibration & _U16).to_bytes(2, "little") + b"\x01\x00"
        numbers += self._count.to_bytes(4, "little") + place.to_bytes(4, "little")
        return bytes.fromhex("5a a5 55 00") + numbers


def heat(degrees: int) -> bytes:
    warm = max(degrees, _COOLEST) if degrees else 0
    return bytes.fromhex("5a a5 55 06 ff ff 00 00 ff ff ff ff") + bytes((warm, 0xFF))


def way(here: int, goal: int, duration_ms: int) -> list[int]:
    """The places of a move, one per 100 ms, the goal first. Never empty, no place twice."""
    steps = max(1, min(duration_ms // _STEP_MS, abs(goal - here)))
    return [goal - (goal - here) * left // steps for left in range(steps)]
