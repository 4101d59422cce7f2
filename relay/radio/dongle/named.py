"""Which dongle an owner means: a serial port (first generation), or `hid` (second)."""

from __future__ import annotations

from relay.errors import UsageError
from relay.radio.dongle.messages import reports
from relay.radio.dongle.radio import DongleRadio
from relay.radio.wired.hid import hid_device
from relay.radio.wired.serial_port import PortSettings, SerialPort, missing

HID = "hid"
# Nordic's number for what is in the second generation.
VENDOR, PRODUCT = 0x1915, 0x520A
_NO_DONGLE = "No Lovense dongle is plugged in."


def dongle_radio(text: str) -> DongleRadio:
    """Return its radio. Raises UsageError."""
    if not text:
        raise UsageError("--dongle: name its serial port, such as /dev/ttyUSB0, or hid")
    if text.lower() == HID:
        way = hid_device(VENDOR, PRODUCT, reports, "--dongle hid")
        return DongleRadio("Lovense dongle", way, _NO_DONGLE)
    return DongleRadio(text, SerialPort(text, PortSettings(prefix=b"\r\n")), missing(text))
