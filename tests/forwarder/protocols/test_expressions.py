"""What expressions may say, what they cost at most, and what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.protocols.expressions import (
    INPUT_NAMES,
    OUTPUT_NAMES,
    ExpressionError,
    Scope,
    check,
    compile_expression,
    crc16_modbus,
    crc16_xmodem,
)
from forwarder.protocols.memory import DeviceMemory, Memory

SCOPE = Scope(OUTPUT_NAMES, frozenset({"dev"}), {"twice": lambda x: 2 * x})
FEATURES = (
    FeatureSpec(0, outputs={OutputType.VIBRATE: OutputSpec(0, 10)}),
    FeatureSpec(3, outputs={OutputType.ROTATE: OutputSpec(-5, 5)}),
)


def memory() -> Memory:
    definition = Definition("toy", "X1", "Toy", FEATURES)
    found = Memory(DeviceMemory(definition, {"tx": 1}, constants={"dev": 7}))
    found.s[3] = 4
    return found


def value(text: str, v: int = 0) -> object:
    return compile_expression(text, SCOPE)(memory(), v=v, i=3, t="rotate", prev=2, d=100, top=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v or 0xf0", 0xF0),
        ("15 - 3*(s[0]>0) - 2*(s[3]>0)", 13),
        ("(0,33,66,100)[2]", 66),
        ("b'\\x01\\x02'[1]", 2),
        ("n", 2),
        ("kinds", 2),
        ("count('vibrate','rotate')", 2),
        ("has('tx') and not has('rx')", True),
        ("any(s)", True),
        ("s[99]", 0),
        ("max(s)", 4),
        ("ident in ('X1','X2')", True),
        ("abs(v-prev)/d", 0.02),
        ("twice(dev)", 14),
        ("1 if t=='rotate' else 0", 1),
        ("crc16('xmodem', b'123456789')", 0x31C3),
        ("crc16('modbus', b'123456789')", 0x4B37),
        ("xorkey(b'ab', 'ab')", b"\0\0"),
        ("top", 5),
    ],
)
def test_an_expression_means_what_python_means(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "v.real",
        "().__class__",
        "__import__('os')",
        "open('x')",
        "eval('1')",
        "print",
        "[x for x in s]",
        "lambda: 1",
        "v ** 9",
        "f'{v}'",
        "{1: 2}",
        "v if v",
        "v := 1",
        "abs(*s)",
        "max(s, key=v)",
        "s[::2]",
        "1.5",
        "None",
        "count('speed')",
        "crc16('crc32')",
        "sum(0)",
        "r[0]",
        str(2**65),
        "1+" * 300 + "1",
        "",
    ],
)
def test_what_is_not_listed_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ExpressionError, match=r".+"):
        check(text, SCOPE)


def test_the_refusal_of_a_name_lists_what_is_known() -> None:
    with pytest.raises(ExpressionError, match=r"speed is not known here \(known: address, d, dev"):
        check("speed + 1", SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "1 << v",
        "'a' * v",
        "v * (1,2)",
        "b'a' * 2",
        "'%99999999d' % v",
        "(1,) % v",
    ],
)
def test_what_could_grow_without_bound_fails_instead(text: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        value(text, v=10**9)


@given(st.integers(-(2**31), 2**31), st.integers(0, 2**32))
def test_products_of_packet_numbers_stay_small(v: int, d: int) -> None:
    text = "*".join(["v", "d"] * 40)
    found = compile_expression(text, SCOPE)(memory(), v=v, d=d)
    assert isinstance(found, int)
    assert found.bit_length() < 64 * 80


def test_input_names_are_not_known_in_outputs_and_the_other_way_round() -> None:
    check("r[0] + int(g[1])", Scope(INPUT_NAMES))
    with pytest.raises(ExpressionError):
        check("v", Scope(INPUT_NAMES))


@pytest.mark.parametrize(
    ("text", "static"),
    [("n==2 and count('vibrate')==1", True), ("i==0", True), ("v>0", False), ("not any(s)", False)],
)
def test_conditions_on_the_model_alone_are_known_as_such(text: str, static: bool) -> None:
    assert check(text, SCOPE).is_static is static


def test_checksums_agree_with_published_check_values() -> None:
    # https://reveng.sourceforge.io/crc-catalogue/16.htm
    assert crc16_modbus(b"123456789") == 0x4B37
    assert crc16_xmodem(b"123456789") == 0x31C3
