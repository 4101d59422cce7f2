"""How devices that are not Bluetooth appear on the link: as peripherals with a stand-in service.

The link knows advertisements, services and characteristics, and nothing else. A relay that reaches
a device by cable or over HTTP therefore presents it as a peripheral that advertises one service;
its UUID says by which way, and which device:

    serial/PROTOCOL     a serial port, which its owner has given to devices of this protocol
    http/PROTOCOL       what an app on the local network offers
    hid/VVVV:PPPP       USB vendor and product in four hex digits each, lower case
    usb/VVVV:PPPP
    xinput              any game pad that speaks XInput
    gamepad             any game pad, by whatever its system offers for rumble
    advertised/PROTOCOL toys that listen to advertisements of this protocol, all in range as one
    simulated           a toy that is not there, by its archetype

relay/link/stand_ins.py makes the UUIDs of the service and of its characteristics `tx` and `rx`. One
write to `tx` is one report, line or request.
"""

from __future__ import annotations

from collections.abc import Iterator

from forwarder.definitions.schema import Match
from relay.link.stand_ins import endpoints_of, stand_in

WiredServices = dict[str, dict[str, str]]


def stand_ins(protocol: str, match: Match) -> WiredServices:
    """Service UUID → endpoint → characteristic UUID; empty for ways that need no stand-in."""
    return {stand_in(way): endpoints_of(way) for way in _ways(protocol, match)}


def _ways(protocol: str, match: Match) -> Iterator[str]:
    if match.serial is not None:
        yield f"serial/{protocol}"
    if match.http:
        yield f"http/{protocol}"
    if match.advertised:
        yield f"advertised/{protocol}"
    for vendor, product in match.hid:
        yield f"hid/{vendor:04x}:{product:04x}"
    for vendor, product in match.usb:
        yield f"usb/{vendor:04x}:{product:04x}"
    for way in ("xinput", "gamepad", "simulated"):
        if getattr(match, way):
            yield way
