"""What an owner says about a port."""

from __future__ import annotations

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.errors import UsageError
from relay.radio.wired.named import SERIAL, address, serial_radio


@pytest.mark.parametrize("said", SERIAL)
def test_every_word_is_a_protocol_whose_port_is_set_up_as_its_definition_says(said: str) -> None:
    protocol, settings = SERIAL[said]
    blocks = Catalogue.load().files.get(protocol).file.match
    (wanted,) = [block.serial for block in blocks if block.serial is not None]
    assert (settings.baud, settings.bits, settings.parity, settings.stop) == (
        wanted.baud,
        wanted.bits,
        wanted.parity,
        wanted.stop,
    )


def test_a_port_is_shown_by_the_name_that_its_owner_gave() -> None:
    info = serial_radio("/dev/nowhere=TCode").info
    assert (info.kind, info.name, info.on) == ("serial", "/dev/nowhere", False)
    assert info.text == "There is no port /dev/nowhere. Plug the device in, or name another port."
    assert serial_radio("/a=b/port=nobra").info.name == "/a=b/port"


@pytest.mark.parametrize("text", ["/dev/ttyUSB0", "=tcode", "/dev/ttyUSB0=", "/dev/ttyUSB0=dildo"])
def test_anything_else_is_refused_with_how_it_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is said as /dev/ttyUSB0=tcode"):
        serial_radio(text)


def test_addresses_tell_machines_apart_and_fit_into_the_link() -> None:
    one = address("/dev/ttyUSB0")
    assert one.startswith("ttyUSB0@")
    by_id = "/dev/serial/by-id/usb-" + "1a86_USB_Serial_with_a_long_name" * 3
    assert len(address(by_id + "-port0")) == 64
    assert address(by_id + "-port0") != address(by_id + "-port1")
