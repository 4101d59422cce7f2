"""Nintendo Joy-Con: HD rumble over HID reports of 64 bytes.

    01 00  00×8  48 01  00…          switch the rumble on
    10 01  left(4)  right(4)  00…    rumble; to be repeated while it should go on

The four bytes code two frequencies and two amplitudes on logarithmic scales; both frequencies stay
at 200 Hz. Source: the reference server's handler (facts); its shift that adds the low amplitude to
the third byte is left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import KeptAlive, Steps, WriteStep
from forwarder.protocols.classes.plain import PlainProtocol
from relay.link.messages import Packet

_REPORT = 64
_FREQUENCY_HZ = 200
_STEPS = 1000
_REST = bytes.fromhex("00 00 01 40")
# The controller stops by itself soon after the last report; the reference repeats every 15 ms, the
# link allows no less than 20.
_REPEAT_MS = 20


class NintendoJoycon(PlainProtocol):
    kinds = frozenset({OutputType.VIBRATE})

    @property
    def keepalive(self) -> KeptAlive | None:
        return KeptAlive(_REPEAT_MS, only_running=True)

    def handshake(self) -> Steps[None]:
        report = bytearray(_REPORT)
        report[0] = 0x01
        report[10:12] = 0x48, 0x01
        yield WriteStep("tx", bytes(report))

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        del duration_ms
        self._check_output(feature, kind)
        code = rumble(value / _STEPS)
        data = (bytes((0x10, 0x01)) + code + code).ljust(_REPORT, b"\0")
        return (self._opening.packet("tx", data, f"f{feature}"),)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        packets = (self.output(index, OutputType.VIBRATE, 0) for index in self._chosen(features))
        return tuple(packet for group in packets for packet in group)

    def armed(self) -> tuple[Packet, ...]:
        return self.stop(None)


def rumble(amplitude: float) -> bytes:
    """The four bytes for an amplitude of 0..1 at 200 Hz."""
    if amplitude <= 0:
        return _REST
    frequency = round(32 * math.log2(_FREQUENCY_HZ / 10))
    high = 4 * max(frequency - 0x60, 0)
    low = max(frequency - 0x41, 0) + 1
    level = _level(amplitude)
    high_level = min(2 * level, 0x1FC)
    low_level = min(level // 2 + 0x40, 0x7F)
    return bytes((high & 0xFF, high_level + (high >> 8) & 0xFF, low & 0xFF, low_level))


def _level(amplitude: float) -> int:
    """Amplitude on the controller's scale of three pieces."""
    if amplitude > 0.23:
        found = round(32 * math.log2(8.7 * amplitude))
    elif amplitude > 0.12:
        found = round(16 * math.log2(17 * amplitude))
    else:
        found = round((32 * math.log2(amplitude) - 96) / (4 - 2 * amplitude))
    return max(found, 0)
