"""Draws the pages' icons as PNG: `python -m tools.icons`.

Phones that put a page on their home screen want pixels. The drawing is that of icon.svg: a toy, and
what it hears and says, as rings on a 64 by 64 grid. A maskable icon fills its square, for the phone
cuts its corners as it likes; what is drawn stays within the middle 80 %.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "forwarder" / "web" / "shared"
_GRID: Final = 64
_CORNER: Final = 14.0
_RADII: Final = (17.0, 27.6)
_SPAN: Final = math.pi / 4  # of a ring, to both sides of left and right
_HALF_STROKE: Final = 2.5
_DOT: Final = 5.0
_BACK: Final = (0x6B, 0x3F, 0xA0)
_MASKED_SCALE: Final = 0.72

# name → (pixels, maskable)
ICONS: Final = {
    "icon-192.png": (192, False),
    "icon-512.png": (512, False),
    "icon-maskable-512.png": (512, True),
}


def pixels(size: int, maskable: bool) -> bytes:
    """The picture as rows of RGBA."""
    scale = size / _GRID
    drawn = scale * (_MASKED_SCALE if maskable else 1.0)
    half = (size + 1) // 2
    quarter = [
        [_pixel(x, y, size, scale, drawn, maskable) for x in range(half)] for y in range(half)
    ]
    # All four quarters are alike.
    rows = []
    for y in range(size):
        row = quarter[min(y, size - 1 - y)]
        rows.append(b"".join(row[min(x, size - 1 - x)] for x in range(size)))
    return b"".join(rows)


def _pixel(x: int, y: int, size: int, scale: float, drawn: float, maskable: bool) -> bytes:
    right, down = size / 2 - x - 0.5, size / 2 - y - 0.5
    ink = _cover(_to_drawing(right / drawn, down / drawn) * drawn)
    back = 1.0 if maskable else _cover(_to_square(right / scale, down / scale) * scale)
    red, green, blue = (round(base + (255 - base) * ink) for base in _BACK)
    return bytes((red, green, blue, round(255 * back)))


def _cover(distance: float) -> float:
    """How much of a pixel lies within an edge that is so far away, below 0 within."""
    return min(1.0, max(0.0, 0.5 - distance))


def _to_drawing(right: float, down: float) -> float:
    around = math.hypot(right, down)
    nearest = around - _DOT
    away = math.atan2(abs(down), abs(right))
    for radius in _RADII:
        if away <= _SPAN:
            to_ring = abs(around - radius)
        else:
            end = radius * math.cos(_SPAN)
            to_ring = math.hypot(abs(right) - end, abs(down) - end)
        nearest = min(nearest, to_ring - _HALF_STROKE)
    return nearest


def _to_square(right: float, down: float) -> float:
    inner = _GRID / 2 - _CORNER
    over = math.hypot(max(0.0, abs(right) - inner), max(0.0, abs(down) - inner))
    return over - _CORNER


def png(size: int, rgba: bytes) -> bytes:
    """A PNG file of rows of RGBA."""
    lines = b"".join(b"\0" + rgba[at : at + 4 * size] for at in range(0, len(rgba), 4 * size))
    header = struct.pack(">2I5B", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""),
        )
    )  # fmt: skip


if __name__ == "__main__":
    for name, (size, maskable) in ICONS.items():
        (FOLDER / name).write_bytes(png(size, pixels(size, maskable)))
