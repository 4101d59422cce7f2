"""What is said to dongles and what they say, byte by byte."""

from __future__ import annotations

import pytest

from relay.radio.dongle import messages
from relay.radio.dongle.messages import Reader, command, reports, rests

TOY = "0082059AD3BD"


def test_messages_are_lines_of_json() -> None:
    assert messages.STATUS == b'{"type":"toy","func":"statuss"}\r\n'
    assert messages.STOP_SEARCH == b'{"type":"usb","func":"stopSearch"}\r\n'
    expected = b'{"type":"toy","func":"command","id":"0082059AD3BD","cmd":"Vibrate:10;"}\r\n'
    assert command(TOY, b"Vibrate:10;") == expected


def test_reports_carry_63_bytes_each_behind_the_report_id() -> None:
    data = bytes(range(1, 131))
    pieces = reports(data)
    assert [len(piece) for piece in pieces] == [65, 65, 65]
    assert b"".join(piece[1:64] for piece in pieces).rstrip(b"\0") == data
    assert all(piece[0] == piece[64] == 0 for piece in pieces)


def test_what_comes_in_pieces_joined_or_damaged_is_read() -> None:
    reader = Reader()
    whole = b'{"type":"toy","func":"toyData","data":{"id":"0082059ad3bd","data":"OK;"},"x":[1]}'
    for cut in range(0, len(whole), 7):
        assert reader.feed(whole[cut : cut + 7] + b"\0" * 3) == []
    (one,) = reader.feed(b"\r\n")
    assert (one.func, one.toy, one.data and one.data.data) == ("toyData", TOY, "OK;")
    two = reader.feed(b'noise\n{"func":"search","result":205}{"func":"search","result":206}\n')
    assert [message.result for message in two] == [205, 206]
    assert reader.feed(b"[1]\n\xff\n{\n" + b"x" * 10_000) == []
    assert reader.feed(b'\n{"func":"x","data":{"id":"../../etc"}}\n')[0].toy == ""


@pytest.mark.parametrize(
    ("text", "at_rest"),
    [
        (b"Vibrate:0;", True), (b"Vibrate1:0;Rotate:0;", True), (b"Mply:0:0;", True),
        (b"Air:Level:0;", False), (b"Vibrate:1;", False), (b"Vibrate:0;Rotate:5;", False),
        (b"Battery;", False), (b"", False),
    ],
)  # fmt: skip
def test_only_levels_of_nothing_are_rest(text: bytes, at_rest: bool) -> None:
    assert rests(text) is at_rest
