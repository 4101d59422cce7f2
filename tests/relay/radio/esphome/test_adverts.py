"""Advertising data, as boards hand it on."""

from __future__ import annotations

from relay.radio.esphome.adverts import (
    HeardPeripheral,
    address_number,
    address_text,
    structures,
    uuid,
)

NAME = b"\x05\x09Hush"
SERVICE = b"\x03\x03\xf0\xff"


def test_what_comes_in_pieces_is_told_as_one() -> None:
    heard = HeardPeripheral("C0:00:00:00:00:01")
    assert heard.take(b"\x02\x01\x06" + SERVICE, -60).name is None
    seen = heard.take(NAME + b"\x05\xff\x6c\x02\xff\x21", -200)
    assert (seen.name, seen.rssi) == ("Hush", -128)
    assert seen.services == ("0000fff0-0000-1000-8000-00805f9b34fb",)
    assert seen.manufacturer == {620: b"\xff\x21"}
    assert heard.take(b"", 0) == heard.take(b"\x01\x09", 0), "an empty name is none"


def test_services_of_every_size() -> None:
    whole = bytes.fromhex("9ecadc240ee5a9e093f3a3b50100406e")
    assert uuid(whole) == "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
    assert uuid(b"\x01\x02\x03\x04") == "04030201-0000-1000-8000-00805f9b34fb"


def test_damage_ends_it_and_raises_nothing() -> None:
    for cut in range(len(NAME + SERVICE)):
        list(structures((NAME + SERVICE)[:cut]))
        HeardPeripheral("").take((NAME + SERVICE)[:cut] + b"\xff", -1)
    assert list(structures(b"\x00" + NAME)) == []
    assert list(structures(NAME + b"\x7f\x09x")) == [(9, b"Hush")]


def test_addresses_there_and_back() -> None:
    assert address_text(0xC00000000001) == "C0:00:00:00:00:01"
    assert address_number("C0:00:00:00:00:01") == 0xC00000000001
    assert address_number("ttyUSB0@attic") is None
    assert address_number("zz:00:00:00:00:01") is None
