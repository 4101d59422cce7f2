"""What is said instead of what cannot be said: messages whose size neighbours and toys decide.

A frame has a size and every field a bound (relay.link.messages). What the radio hears keeps to
neither, and must not end a session with the hub. Sans-I/O.
"""

from __future__ import annotations

from msgspec.structs import replace

from relay.hub_link.bounds import COMPANIES, SERVICES
from relay.link.messages import (
    Advertisement,
    Advertisements,
    Connected,
    ErrorCode,
    Failed,
    FromRelay,
)

# Bounds of the link's messages.
_ADDRESS, _NAME, _DATA, _UUID = 64, 128, 512, 36
# Around an advertisement and around each of its parts, in MessagePack; rounded up.
_FRAME, _PART = 64, 8


def sayable(advertisement: Advertisement) -> tuple[Advertisement | None, int]:
    """Return what of `advertisement` fits the link's bounds, None if nothing does; and how many
    parts do not."""
    if not 1 <= len(advertisement.address) <= _ADDRESS:
        return None, 1
    name = advertisement.name
    services = tuple(uuid for uuid in advertisement.services[:SERVICES] if len(uuid) == _UUID)
    makers = [
        (company, data)
        for company, data in advertisement.manufacturer.items()
        if 0 <= company <= 0xFFFF and len(data) <= _DATA
    ][:COMPANIES]
    left_out = (
        len(advertisement.services)
        - len(services)
        + len(advertisement.manufacturer)
        - len(makers)
        + (name is not None and len(name) > _NAME)
    )
    if not left_out:
        return advertisement, 0
    fitting = replace(
        advertisement,
        name=None if name is None else name[:_NAME],
        services=services,
        manufacturer=dict(makers),
    )
    return fitting, left_out


def size(advertisement: Advertisement) -> int:
    """At most so many bytes it takes in a frame."""
    name = advertisement.name or ""
    return (
        _FRAME
        + 4 * (len(advertisement.address) + len(name))
        + len(advertisement.services) * (_UUID + _PART)
        + sum(len(data) + _PART for data in advertisement.manufacturer.values())
        + sum(4 * len(signal.radio) + 3 * _PART for signal in advertisement.radios)
    )


def instead(message: FromRelay) -> tuple[FromRelay, ...]:
    """What to send instead of `message`, which takes more than a frame; nothing if it must go."""
    match message:
        case Advertisements(items) if len(items) > 1:
            half = len(items) // 2
            return Advertisements(items[:half]), Advertisements(items[half:])
        case Connected(id):
            return (Failed(id, ErrorCode.REFUSED, "it has more services than can be told"),)
        case _:
            return ()
