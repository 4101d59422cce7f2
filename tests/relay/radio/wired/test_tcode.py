"""What a relay knows of T-Code."""

from __future__ import annotations

import pytest

from relay.radio.wired import tcode


@pytest.mark.parametrize(
    "line",
    [b"TCode v0.3\r\n", b"TCode v0.3\n", b"T-Code v0.4\r\n", b"TCode ESP32 Firmware v0.56b\n"],
)
def test_what_answers_d1_speaks_tcode(line: bytes) -> None:
    assert tcode.is_version(line)


@pytest.mark.parametrize(
    "line", [b"Ready!\r\n", b"ok\n", b"#ok:1\n", b"Grbl 1.1f ['$' for help]\r\n"]
)
def test_other_machines_on_a_port_do_not(line: bytes) -> None:
    assert not tcode.is_version(line)


def test_axes_come_in_the_order_people_know_and_only_known_ones() -> None:
    lines = [b"V0 0 9999 Vibe1\r\n", b"L0 0 9999 Up\r\n", b"R2 1000 9000 Pitch\r\n", b"#left:1\r\n"]
    axes = {name for name in map(tcode.axis, [*lines, b"L9 0 9999 Odd\n"]) if name}
    assert axes == {"L0", "R2", "V0"}
    assert tcode.name_of(axes) == "TCode L0 R2 V0"
    assert tcode.name_of(set()) == "TCode v0.3"


def test_lines_are_put_together_from_any_pieces() -> None:
    lines = tcode.LineSplitter()
    assert lines.feed(b"TCode ") == []
    assert lines.feed(b"v0.3\r\nL0 0") == [b"TCode v0.3\r\n"]
    assert lines.feed(b" 9999 Up\r\n\n") == [b"L0 0 9999 Up\r\n", b"\n"]


def test_noise_without_an_end_is_cut() -> None:
    lines = tcode.LineSplitter()
    assert [len(one) for one in lines.feed(b"x" * 600)] == [256, 256]
    assert lines.feed(b"\n") == [b"x" * 88 + b"\n"]


@pytest.mark.parametrize(
    ("line", "stop"),
    [
        (b"DSTOP\n", True), (b"dstop\n", True), (b"V00000\n", True), (b"DSTOP V00 A10000\n", True),
        (b"V00001\n", False), (b"L00000\n", False), (b"L0500I20\n", False), (b"\n", False),
        (b"DSTOP V05\n", False),
    ],
)  # fmt: skip
def test_a_stop_sets_nothing_going(line: bytes, stop: bool) -> None:
    assert tcode.stops(line) is stop
