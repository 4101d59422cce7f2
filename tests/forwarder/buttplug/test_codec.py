from __future__ import annotations

import json

import msgspec
import pytest

from forwarder.buttplug.codec import (
    MAX_ANONYMOUS_ERRORS,
    MAX_TEXT,
    BodyReader,
    Envelope,
    Unreadable,
    encode,
    one_line,
    open_frame,
    parsed,
    salvage_id,
    tidy,
)
from forwarder.buttplug.messages import Ok, Ping, StopCmd


def opened(frame: str | bytes) -> list[tuple[str, object] | int]:
    """Names with bodies, and the Id of what is unreadable."""
    return [
        (item.name, parsed(item.body)) if isinstance(item, Envelope) else item.id
        for item in open_frame(frame)
    ]


PING_1, PING_2 = ("Ping", {"Id": 1}), ("Ping", {"Id": 2})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ('[{"Ping":{"Id":1}}]', [PING_1]),
        ('[{"Ping":{"Id":1}},{"Ping":{"Id":2}}]', [PING_1, PING_2]),
        ('{"Ping":{"Id":1}}', [PING_1]),
        ('[{"Ping":{"Id":1}}][{"Ping":{"Id":2}}]', [PING_1, PING_2]),
        ('{"Ping":{"Id":1}}\n {"Ping":{"Id":2}} ', [PING_1, PING_2]),
        (b'[{"Ping":{"Id":1}}]', [PING_1]),
        ('\ufeff[{"Ping":{"Id":1}}]', [PING_1]),
        ("", []),
        ("  \n", []),
        ("[]", []),
        ("[][]", []),
        ("{}", [0]),
        ("[{}]", [0]),
        ("null", [0]),
        ("5", [0]),
        ("[[]]", [0]),
        ('["Ping"]', [0]),
        ("nonsense", [0]),
        ("NaN", [0]),
        (b"\xff\xfe", [0]),
        ('[{"Ping":{"Id":1}}', [0]),
        ('[{"Ping":{"Id":1}}][{"Ping"', [PING_1, 0]),
        ('[{"Ping":{"Id":1}}, 7, {"Ping":{"Id":2}}]', [PING_1, 0, PING_2]),
        ('[{"Ping":{"Id":4},"Stop":{"Id":5.0}}]', [4, 5]),
        ('[{"Ping":{"Id":4},"Stop":{"Id":4}}]', [4]),
        ('[{"Ping":{},"Stop":{"Id":-4}}]', [0]),
    ],
)
def test_frame_opens_into_its_objects(
    frame: str | bytes, expected: list[tuple[str, object] | int]
) -> None:
    assert opened(frame) == expected


@pytest.mark.parametrize("frame", ["[" * 100_000, '{"a":' * 100_000, "\ud800", "9" * 10_000])
def test_hostile_frame_is_one_unreadable(frame: str) -> None:
    assert opened(frame) == [0]


def test_rubbish_is_not_answered_without_end() -> None:
    items = open_frame(json.dumps([0] * 10_000 + [{"Ping": {"Id": 1}}]))
    assert len(items) == MAX_ANONYMOUS_ERRORS + 1
    assert isinstance(items[-1], Envelope)


@pytest.mark.parametrize(
    ("body", "id"),
    [
        ({"Id": 7}, 7),
        ({"Id": 7.0, "x": 1}, 7),
        ({"Id": 4294967295}, 4294967295),
        ({"Id": 4294967296}, 0),
        ({"Id": 0}, 0),
        ({"Id": -1}, 0),
        ({"Id": 1.5}, 0),
        ({"Id": float("inf")}, 0),
        ({"Id": True}, 0),
        ({"Id": "7"}, 0),
        ({"Id": None}, 0),
        ({}, 0),
        ([], 0),
        (None, 0),
        (msgspec.Raw(b'{"Id":9,"Other":[1]}'), 9),
        (msgspec.Raw(b'{"Id":9,"Other":' + b"1" * 5000 + b"}"), 9),
        (msgspec.Raw(b'{"Id":9,"Other":1e999}'), 9),
    ],
)
def test_id_is_salvaged_where_it_can_be_answered(body: object, id: int) -> None:
    assert salvage_id(body) == id


def test_outgoing_message_stands_alone_and_minimal() -> None:
    assert encode(Ok(id=3)) == '[{"Ok":{"Id":3}}]'
    assert encode(StopCmd(id=4, device_index=1)) == '[{"StopCmd":{"Id":4,"DeviceIndex":1}}]'


def test_tidying_makes_integral_floats_integers_and_drops_nulls() -> None:
    value = {"a": 1.0, "b": None, "c": [2.5, -0.0, {"d": None, "e": True}], "f": "x\ud800é"}
    assert tidy(value) == {"a": 1, "c": [2.5, 0, {"e": True}], "f": "x\ufffdé"}
    assert str(tidy(3.0)) == "3"


def test_reader_takes_the_exact_and_the_untidy_and_says_what_is_wrong() -> None:
    reader = BodyReader(Ping)
    assert reader.read(msgspec.Raw(b'{"Id":3}')) == Ping(id=3)
    assert reader.read(msgspec.Raw(b'{"Id":3.0,"Junk":null}')) == Ping(id=3)
    assert reader.read({"Id": 3}) == Ping(id=3)
    with pytest.raises(ValueError, match="Junk"):
        reader.read({"Id": 3, "Junk": 1})
    with pytest.raises(ValueError, match="Id"):
        reader.read(msgspec.Raw(b"{}"))
    with pytest.raises(ValueError):
        reader.read(msgspec.Raw(b'{"Id":"3"}'))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n b\tc", "a b c"),
        ("x" * 1000, "x" * (MAX_TEXT - 1) + "…"),
        ("half \ud800 \x1b[31m", "half ? ?[31m"),
    ],
)
def test_texts_are_one_bounded_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    "body", [b'{"Id":3,"X":' + b"[" * 700 + b"]" * 700 + b"}", b'{"Id":3,"X":"\xff"}']
)
def test_body_that_python_cannot_hold_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(ValueError):
        BodyReader(Ping).read(msgspec.Raw(body))


def test_deep_nesting_hides_no_id() -> None:
    assert salvage_id(msgspec.Raw(b'{"X":' + b"[" * 700 + b"]" * 700 + b',"Id":3}')) == 3


def test_unreadable_carries_the_message_code() -> None:
    (item,) = open_frame("x")
    assert isinstance(item, Unreadable)
    assert item.code == 3
