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
    simulated           a toy that is not there, by its archetype

The service is the version 5 UUID (RFC 4122) of that text under `NAMESPACE`; its characteristics are
those of `tx` and `rx` under the service. One write to `tx` is one report, line or request.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid5

from forwarder.definitions.schema import Match

NAMESPACE = UUID("b0a40b5e-6ff7-5cf6-9b9c-6f0f7f6b3f64")
ENDPOINTS = ("tx", "rx")

Services = dict[str, dict[str, str]]


def stand_ins(protocol: str, match: Match) -> Services:
    """Service UUID → endpoint → characteristic UUID; empty for ways that need no stand-in."""
    return {str(one): _endpoints(one) for one in map(_service, _ways(protocol, match))}


def _ways(protocol: str, match: Match) -> Iterator[str]:
    if match.serial is not None:
        yield f"serial/{protocol}"
    if match.http:
        yield f"http/{protocol}"
    for vendor, product in match.hid:
        yield f"hid/{vendor:04x}:{product:04x}"
    for vendor, product in match.usb:
        yield f"usb/{vendor:04x}:{product:04x}"
    for way in ("xinput", "gamepad", "simulated"):
        if getattr(match, way):
            yield way


def _service(way: str) -> UUID:
    return uuid5(NAMESPACE, way)


def _endpoints(service: UUID) -> dict[str, str]:
    return {endpoint: str(uuid5(service, endpoint)) for endpoint in ENDPOINTS}
