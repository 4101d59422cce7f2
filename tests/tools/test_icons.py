"""The icons are what the tool draws."""

from __future__ import annotations

import struct
import zlib

import pytest

from tools.icons import FOLDER, ICONS, pixels, png

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read(file: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of RGBA. Only what the tool writes: one IDAT, no filters."""
    assert file.startswith(SIGNATURE)
    at, found = len(SIGNATURE), {}
    while at < len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        data = file[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", file, at + 8 + length)
        assert check == zlib.crc32(kind + data)
        found[kind] = data
        at += 12 + length
    width, height, depth, colours, *_ = struct.unpack(">2I5B", found[b"IHDR"])
    assert (depth, colours) == (8, 6)
    lines = zlib.decompress(found[b"IDAT"])
    line = 1 + 4 * width
    assert len(lines) == line * height
    assert {lines[at] for at in range(0, len(lines), line)} == {0}
    return (
        width,
        height,
        b"".join(lines[at + 1 : at + line] for at in range(0, len(lines), line)),
    )


@pytest.mark.parametrize("name", list(ICONS))
def test_an_icon_in_the_package_is_what_the_tool_draws(name: str) -> None:
    size, maskable = ICONS[name]
    assert read((FOLDER / name).read_bytes()) == (size, size, pixels(size, maskable))


def test_corners_are_clear_and_those_of_a_maskable_icon_are_not() -> None:
    assert pixels(64, maskable=False)[:4] == bytes((0x6B, 0x3F, 0xA0, 0))
    assert pixels(64, maskable=True)[:4] == bytes((0x6B, 0x3F, 0xA0, 255))


def test_what_is_drawn_stays_where_no_phone_cuts_a_maskable_icon() -> None:
    size = 128
    rows = pixels(size, maskable=True)
    for at in range(0, len(rows), 4):
        x, y = at // 4 % size + 0.5 - size / 2, at // 4 // size + 0.5 - size / 2
        if (x * x + y * y) ** 0.5 > 0.4 * size:
            assert rows[at : at + 3] == bytes((0x6B, 0x3F, 0xA0))


def test_a_file_can_be_read_back() -> None:
    rgba = bytes(range(16))
    assert read(png(2, rgba)) == (2, 2, rgba)
