"""What an owner says about a cable or a network address, as a radio: `/dev/ttyUSB0=tcode`."""

from __future__ import annotations

import hashlib
import platform
from pathlib import PurePath
from typing import Final

from relay.errors import UsageError
from relay.radio.wired.radio import Place, WiredRadio
from relay.radio.wired.serial_port import SerialPort, Settings, missing

# What may be said behind the =: the protocol as the hub knows it, and how its port is set up, as
# its definition says (a test compares them).
SERIAL: Final = {
    # A line of ours that was cut in the middle must not swallow the stop behind it.
    "tcode": ("tcode-v03", Settings(115_200, prefix=b"\n")),
    "nobra": ("nobra", Settings(19_200)),
    "kizuna": ("kizuna", Settings(19_200)),
    "nextlevelracing": ("nextlevelracing", Settings(115_200)),
}
# Addresses on the link have up to 64 characters.
_ADDRESS_MOST = 64


def serial_radio(text: str) -> WiredRadio:
    """Return the radio of `PORT=PROTOCOL`. Raises UsageError."""
    path, equals, protocol = text.rpartition("=")
    known = SERIAL.get(protocol.lower())
    if not equals or not path or known is None:
        which = ", ".join(SERIAL)
        raise UsageError(f"{text}: a serial port is said as /dev/ttyUSB0=tcode (known: {which})")
    name, settings = known
    place = Place("serial", path, address(path), name, absent=missing(path))
    return WiredRadio(place, SerialPort(path, settings))


def address(path: str) -> str:
    """The device's address on the link: other machines have a port of this name, too."""
    whole = f"{PurePath(path).name}@{platform.node() or 'relay'}"
    if len(whole) <= _ADDRESS_MOST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return f"{whole[: _ADDRESS_MOST - 13]}-{digest}"
