"""F-Machine Gigolo, Tremblr and Alpha: the buttons of their remote control, pressed over the air.

    cmd 64 00 00 00 00  31 32 33 34  00 00 00 00 00 00 00  check          18 bytes, with response

    cmd    01 on/off pressed · 02 on/off released · 05 faster · 06 slower · 03 these two released
    check  n = bits set in the 17 bytes before; n mod 3 = 0: 222 - n; 1: n//2 + 111; 2: n//3 + 177

On/off is a toggle and the machine tells nobody whether it runs: the host counts. So no packet may
be kept for a stop that somebody else sends; `armed` is None, and only letting it go is left. Speeds
are 1-28; "slower" at 1 does nothing, which is how the connect steps find out where they are.
Source: the reference server's handler, docs.buttplug.io (stpihkal: f-machine).
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import SleepStep, Steps, SubscribeStep, WriteStep
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet

_ON_OFF, _ON_OFF_RELEASED, _RELEASED, _FASTER, _SLOWER = 0x01, 0x02, 0x03, 0x05, 0x06
_HEAD = bytes.fromhex("64 00 00 00 00")
# A password that the firmware doesn't look at.
_TAIL = b"1234" + bytes(7)
_LOWEST = 1
# Twice the number of speeds: some presses are missed while the machine is busy (reference).
_SLOWER_AT_CONNECT = 55
_PRESS_MS = 60
# One change of the speed each 200 ms, as the reference presses: the machine follows no faster.
_TICK_MS = 200


class FMachine(PlainProtocol):
    """Presses on/off at once where it stops the machine; starting and speeds go by the clock."""

    kinds = frozenset({OutputType.OSCILLATE})

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._runs = False
        self._speed = _LOWEST
        self._goal = 0

    def handshake(self) -> Steps[None]:
        yield SubscribeStep("rx")
        for _ in range(_SLOWER_AT_CONNECT):
            for command in (_SLOWER, _RELEASED):
                yield WriteStep("tx", frame(command), response=True)
            yield SleepStep(_PRESS_MS)

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        del duration_ms
        self._check_output(feature, kind)
        self._goal = value
        return () if value else self._toggle(runs=False)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        chosen = self._chosen(features)
        return self.output(chosen[0], OutputType.OSCILLATE, 0) if chosen else ()

    def armed(self) -> tuple[Packet, ...] | None:
        return None

    @property
    def tick_ms(self) -> int | None:
        return None if self._settled else _TICK_MS

    @property
    def _settled(self) -> bool:
        return self._runs == (self._goal > 0) and self._speed == self._wanted

    @property
    def _wanted(self) -> int:
        return max(self._goal, _LOWEST)

    def tick(self) -> tuple[Packet, ...]:
        """One step towards the goal; it is slowed down before it is switched on, never after."""
        packets: tuple[Packet, ...] = ()
        if self._speed <= self._wanted:
            packets = self._toggle(runs=self._goal > 0)
        if self._speed != self._wanted:
            faster = self._speed < self._wanted
            self._speed += 1 if faster else -1
            packets += self._presses(_FASTER if faster else _SLOWER, _RELEASED)
        return packets

    def _toggle(self, *, runs: bool) -> tuple[Packet, ...]:
        if self._runs == runs:
            return ()
        self._runs = runs
        return self._presses(_ON_OFF, _ON_OFF_RELEASED)

    def _presses(self, pressed: int, released: int) -> tuple[Packet, ...]:
        # Without keys: a press that replaced another would be a press lost.
        return tuple(
            self._opening.packet("tx", frame(command), response=True)
            for command in (pressed, released)
        )


def frame(command: int) -> bytes:
    body = bytes((command,)) + _HEAD + _TAIL
    bits = int.from_bytes(body, "big").bit_count()
    check = (222 - bits, bits // 2 + 111, bits // 3 + 177)[bits % 3]
    return body + bytes((check,))
