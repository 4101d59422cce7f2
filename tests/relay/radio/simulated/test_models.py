from __future__ import annotations

import msgspec
import pytest

from relay.radio.simulated.models import (
    ModelError,
    Motor,
    ToyCharacteristic,
    ToyCue,
    ToyModel,
    ToyResponse,
    check,
    decode,
    encode,
    level,
    matches,
    render,
)
from relay.radio.simulated.toy import Toy

SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
TX = "0000fff1-0000-1000-8000-00805f9b34fb"
RX = "0000fff2-0000-1000-8000-00805f9b34fb"
MODEL = ToyModel(
    name="Model",
    protocol="proto",
    advertised=("MODEL", "MODEL*"),
    services={SERVICE: (ToyCharacteristic("tx", TX), ToyCharacteristic("rx", RX, "n"))},
    manufacturer={620: "ff21"},
    answers=(ToyResponse("tx", "'Battery;", "rx", "'{battery};"),),
    motors=(
        Motor("vibrate", (ToyCue("tx", "a0*", 1),), (ToyCue("tx", "a000"),), 10, silence_ms=100),
    ),
)


@pytest.mark.parametrize(
    ("pattern", "data", "fits"),
    [
        ("f100", b"\xf1\x00", True),
        ("f100", b"\xf1\x00\x00", False),
        ("f1*", b"\xf1", True),
        ("??00", b"\xab\x00", True),
        ("a?00", b"\xbb\x00", False),
        ("*", b"", True),
        ("'Vibrate:*;", b"Vibrate:20;", True),
        ("'Vibrate:0;", b"Vibrate:0;", True),
        ("'Vibrate:0;", b"Vibrate:10;", False),
        ("'V?.", b"V1.", True),
        ("'V?.", b"V11", False),
    ],
)
def test_patterns(pattern: str, data: bytes, *, fits: bool) -> None:
    assert matches(pattern, data) is fits


@pytest.mark.parametrize(
    ("cue", "data", "expected"),
    [
        (ToyCue("tx", "*", 1), b"\x01\x7f", 0x7F),
        (ToyCue("tx", "*", 1, 0xF0), b"\x01\x7f", 7),
        (ToyCue("tx", "*", 5), b"\x01", None),
        (ToyCue("tx", "*"), b"\x01", None),
        (ToyCue("tx", "'*", 1), b"Vibrate1:20;", 20),
        (ToyCue("tx", "'*", 2), b"Mply:1:2:3;", 3),
        (ToyCue("tx", "'*", 2), b"Vibrate1:20;", None),
    ],
)
def test_levels(cue: ToyCue, data: bytes, expected: int | None) -> None:
    assert level(cue, data) == expected


def test_answers_carry_the_toys_own_facts() -> None:
    assert render("'Z:11:{mac};", mac="0082059AD3BD", battery=9) == b"Z:11:0082059AD3BD;"
    assert render("00{battery}ff", mac="", battery=85) == b"\x00\x55\xff"


def test_a_file_survives_writing_and_reading() -> None:
    assert decode(encode((MODEL, MODEL))) == (MODEL, MODEL)


@pytest.mark.parametrize(
    "change",
    [
        {"reads": {"rx2": "00"}},
        {"reads": {"rx": "0"}},
        {"manufacturer": {1: "zz"}},
        {"motors": (Motor("m", (ToyCue("tx", "XY"),)),)},
        {"motors": (Motor("m", (ToyCue("ty", "00"),)),)},
        {"answers": (ToyResponse("tx", "00", "ry", "00"),)},
        {"advertised": ("MODEL*",)},
        {"services": {SERVICE: (ToyCharacteristic("tx", TX), ToyCharacteristic("tx", RX))}},
        {"services": {SERVICE: (ToyCharacteristic("tx", TX, "q"), ToyCharacteristic("rx", RX))}},
    ],
)
def test_contradictions_are_found_and_name_the_toy(change: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"^Model"):
        check(msgspec.structs.replace(MODEL, **change))


def test_something_else_than_a_list_of_toys_is_refused() -> None:
    with pytest.raises(ModelError, match="list of toys"):
        decode(b'{"toys": [{"name": 1}]}')


def test_a_motor_that_stops_in_silence_is_at_rest_after_it() -> None:
    now = 0
    toy = Toy(MODEL, "AA")
    toy.clock = lambda: now
    toy.take("tx", b"\xa0\x05", response=False)
    assert toy.levels == {"vibrate": 0.5}
    now = 99_999_999
    assert not toy.at_rest
    now = 100_000_000
    assert toy.at_rest


def test_a_toy_without_motors_repeats_its_last_order() -> None:
    stroker = Toy(msgspec.structs.replace(MODEL, motors=()), "AA")
    assert stroker.words == "not told anything yet"
    stroker.take("tx", b"L0500I250\n", response=False)
    assert stroker.words == "last told L0500I250"
    stroker.take("tx", b"\x03\x64", response=False)
    assert stroker.words == "last told 03 64"
