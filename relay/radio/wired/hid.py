"""Devices that speak in HID reports, as radios: one for each kind that was named.

A definition's bytes are a whole report, its number first, as hidraw and hidapi want them.
"""

from __future__ import annotations

import platform
import re
import sys
from typing import Final

from relay.errors import UsageError
from relay.radio.wired.hidapi import HidapiDevice, library
from relay.radio.wired.hidraw import HidrawDevice
from relay.radio.wired.named import fitting
from relay.radio.wired.place import WiredPlace
from relay.radio.wired.radio import WiredAccess, WiredRadio
from relay.radio.wired.reports import Pack

# Names for what the catalogue drives (a test compares them): vendor and product.
HID: Final = {
    "joycon-left": (0x057E, 0x2006),
    "joycon-right": (0x057E, 0x2007),
    "pro-controller": (0x057E, 0x2009),
    "cyclone-x10": (0x0483, 0x5750),
}
_NUMBERS = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")


def hid_radio(text: str) -> WiredRadio:
    """Return the radio of a name, or of `VVVV:PPPP`. Raises UsageError."""
    found = _NUMBERS.fullmatch(text)
    ids = HID.get(text.lower()) if found is None else (int(found[1], 16), int(found[2], 16))
    if ids is None:
        known = ", ".join(HID)
        raise UsageError(f"{text}: a HID device is said as VVVV:PPPP, or one of {known}")
    return WiredRadio(place_of(text, ids), hid_device(*ids, whole, "--hid"))


def hid_device(vendor: int, product: int, pack: Pack, option: str) -> WiredAccess:
    """Return how such a device is reached on this system; `option` needs it. Raises UsageError."""
    if sys.platform == "linux":
        return HidrawDevice(vendor, product, pack)
    if (found := library()) is None:
        raise UsageError(f"{option} needs a package: pip install 'buttplug-forwarder[hid]'")
    return HidapiDevice(vendor, product, pack, found)


def place_of(name: str, ids: tuple[int, int]) -> WiredPlace:
    shown = f"{ids[0]:04x}:{ids[1]:04x}"
    where = fitting(f"hid-{shown}@{platform.node() or 'relay'}")
    absent = f"There is no {name}: plug it in, or pair it with this machine."
    return WiredPlace("hid", name, where, "", absent=absent, way=f"hid/{shown}")


def whole(report: bytes) -> tuple[bytes, ...]:
    return (report,)
