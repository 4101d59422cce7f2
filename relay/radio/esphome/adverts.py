"""Advertising data as it is on the air (Bluetooth core supplement, part A), to an Advertisement.

Sans-I/O. What is damaged counts up to the damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from relay.link.messages import Advertisement
from relay.radio.esphome.bounds import NAME_MOST

_BASE = UUID("00000000-0000-1000-8000-00805f9b34fb").int
_SHIFT = 96
_SHORT_NAME, _NAME, _MANUFACTURER = 0x08, 0x09, 0xFF
# AD types of lists of services → bytes of one.
_SERVICES = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}


@dataclass(slots=True)
class HeardPeripheral:
    """What one peripheral said lately: advertisement and scan response come one by one."""

    address: str
    address_type: int = 0
    name: str | None = None
    services: dict[str, None] = field(default_factory=dict)
    manufacturer: dict[int, bytes] = field(default_factory=dict)

    def take(self, data: bytes, rssi: int) -> Advertisement:
        """Add what `data` says; return all that is known."""
        for kind, value in structures(data):
            if kind in (_SHORT_NAME, _NAME):
                self.name = value.decode("utf-8", "replace").rstrip("\0")[:NAME_MOST] or self.name
            elif kind == _MANUFACTURER and len(value) >= 2:
                self.manufacturer[int.from_bytes(value[:2], "little")] = bytes(value[2:])
            elif (size := _SERVICES.get(kind)) is not None:
                for at in range(0, len(value) - size + 1, size):
                    self.services[uuid(value[at : at + size])] = None
        return Advertisement(
            self.address,
            self.name,
            max(-128, min(127, rssi)),
            tuple(self.services),
            dict(self.manufacturer),
        )


def structures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each AD structure: type and value."""
    at = 0
    while at + 1 < len(data):
        length = data[at]
        if length == 0 or at + 1 + length > len(data):
            return
        yield data[at + 1], data[at + 2 : at + 1 + length]
        at += 1 + length


def uuid(value: bytes) -> str:
    """A UUID of 2, 4 or 16 bytes, the least one first, in full."""
    number = int.from_bytes(value, "little")
    return str(UUID(int=number if len(value) == 16 else (number << _SHIFT) + _BASE))


def address_text(number: int) -> str:
    return ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))


def address_number(text: str) -> int | None:
    """None: it is no address of Bluetooth."""
    digits = text.replace(":", "")
    try:
        return int(digits, 16) if len(digits) == 12 else None
    except ValueError:
        return None
