"""Packet templates: bytes and texts, groups, checksums, running numbers."""

from __future__ import annotations

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.protocols.expressions import MAX_BYTES, OUTPUT_NAMES, ExpressionError, Scope
from forwarder.protocols.memory import DeviceMemory, Memory
from forwarder.protocols.packets import compile_bytes, compile_text

SCOPE = Scope(OUTPUT_NAMES, frozenset({"blob"}))
FEATURES = (
    FeatureSpec(0, outputs={OutputType.VIBRATE: OutputSpec(0, 10)}),
    FeatureSpec(1, outputs={OutputType.OSCILLATE: OutputSpec(0, 10)}),
    FeatureSpec(2, outputs={OutputType.VIBRATE: OutputSpec(0, 10)}),
)


def memory(*levels: int) -> Memory:
    opening = DeviceMemory(Definition("toy", None, "Toy", FEATURES), {"tx": 1})
    found = Memory(opening)
    found.names = {"blob": b"\x0a\x0b"}
    found.s.update(enumerate(levels))
    return found


@pytest.mark.parametrize(
    ("template", "v", "expected"),
    [
        ("aa 55 {v} ff", 5, "aa 55 05 ff"),
        ("{v-1}", 0, "ff"),
        ("{v>0} {v==0}", 3, "01 00"),
        ("{v:u16be} {v:u16le} {v:u32be}", 0x1234, "12 34 34 12 00 00 12 34"),
        ("{-1:u16le}", 0, "ff ff"),
        ("(00)x3 ({v} 01)x2", 7, "00 00 00 07 01 07 01"),
        ("({v})*", 0, "01 02 03"),
        ("({k} {v})*vibrate", 0, "00 01 01 03"),
        ("({i} {v})*oscillate {v}", 9, "00 02 09"),
        ("(01 {v})?{v>2} ff", 3, "01 03 ff"),
        ("(01 {v})?{v>2} ff", 2, "ff"),
        ("(({v})?{k>0})*", 0, "02 03"),
        ("01 02 03 {sum(1)} {xor(0)}", 0, "01 02 03 05 05"),
        ("01 06 00 64 00 01 {crc16('modbus'):u16le}", 0, "01 06 00 64 00 01 09 d5"),
        ("{blob:bytes} {blob[0]}", 0, "0a 0b 0a"),
        ("", 0, ""),
    ],
)
def test_a_bytes_template(template: str, v: int, expected: str) -> None:
    encoder = compile_bytes(template, SCOPE)
    assert encoder.encode(memory(1, 2, 3), v=v).hex(" ") == expected


@pytest.mark.parametrize(
    ("template", "v", "expected"),
    [
        ("Vibrate:{v};", 5, b"Vibrate:5;"),
        ("L0{v:03}I{d}\n", 7, b"L0007I250\n"),
        ("{v:4}|", 7, b"   7|"),
        ("100%{v>0}", 7, b"100%1"),
        ("{{{v}}}", 7, b"{7}"),
        ("{'a' if v else '}'}", 0, b"}"),
        ("fixed", 0, b"fixed"),
        ("{address}", 0, b"AA"),
    ],
)
def test_a_text_template(template: str, v: int, expected: bytes) -> None:
    found = memory()
    found.address = "AA"
    assert compile_text(template, SCOPE).encode(found, v=v, d=250) == expected


@pytest.mark.parametrize(
    "template",
    [
        "0", "zz", "{v", "v}", "(00", "00)", "(00)", "(00)x999", "(00)*speed", "{v:u24be}",
        "((((00)x2)x2)x2)x2", "((00)x64)x64", "{nothing}",
    ],
)  # fmt: skip
def test_a_wrong_bytes_template_is_refused(template: str) -> None:
    with pytest.raises(ExpressionError):
        compile_bytes(template, SCOPE)


@pytest.mark.parametrize("template", ["{v", "v}", "{v:99}", "{sum(0)}", "{nothing}"])
def test_a_wrong_text_template_is_refused(template: str) -> None:
    with pytest.raises(ExpressionError):
        compile_text(template, SCOPE)


def test_a_packet_cannot_grow_beyond_an_attribute() -> None:
    with pytest.raises(ExpressionError, match=str(MAX_BYTES)):
        compile_bytes("((00)x64)x9", SCOPE)
    encoder = compile_bytes("{blob:bytes}", SCOPE)
    found = memory()
    found.names["blob"] = bytes(MAX_BYTES + 1)
    with pytest.raises(TypeError):
        encoder.encode(found)
    found.names["blob"] = 10**12
    with pytest.raises(TypeError):
        encoder.encode(found)


def test_templates_that_carry_other_features_values_are_known_as_such() -> None:
    assert compile_bytes("{s[0]}", SCOPE).shared
    assert compile_bytes("({v})*", SCOPE).shared
    assert not compile_bytes("{v} {i}", SCOPE).shared


def test_the_place_of_the_running_number_and_of_its_checksum_is_noted() -> None:
    encoder = compile_bytes("aa {seq} {v} {xor(0)}", SCOPE)
    found = memory()
    found.seq = 0x10
    assert encoder.counts
    assert encoder.encode(found, v=1).hex(" ") == "aa 10 01 bb"
    assert (found.counter_at, found.counter_xor_at) == (1, 3)
