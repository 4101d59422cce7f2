"""What an owner says about a port."""

from __future__ import annotations

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.errors import UsageError
from relay.radio.wired.named import SERIAL, address, network_radio, serial_radio


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


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("udp://tcode.local", "udp://tcode.local:8000"),
        ("udp://192.168.1.5:9000/", "udp://192.168.1.5:9000"),
        ("udp://[fe80::1]:9", "udp://[fe80::1]:9"),
        ("tcp://Tcode.local:7000", "tcp://tcode.local:7000"),
        ("ws://tcode.local", "ws://tcode.local:80/ws"),
        ("ws://tcode.local:8080/tcode", "ws://tcode.local:8080/tcode"),
    ],
)
def test_a_machine_on_the_network_is_the_same_for_every_relay(said: str, shown: str) -> None:
    radio = network_radio(said)
    assert (radio.info.kind, radio.info.name) == ("tcode", shown)
    assert radio._place.address == shown


@pytest.mark.parametrize(
    "text",
    [
        "tcode.local", "udp://", "udp://host:0", "udp://host:99999", "tcp://host", "udp://host/path",
        "ws://me:secret@host/ws", "ws://host/ws?a=b", "wss://host/ws", "udp://[::1", "",
        "udp://tcode..local", "tcp://a b:1", "ws://host/a b", "udp://" + "h" * 64,
    ],
)  # fmt: skip
def test_other_machines_are_refused_with_how_they_are_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"is said as udp://tcode\.local:8000"):
        network_radio(text)
