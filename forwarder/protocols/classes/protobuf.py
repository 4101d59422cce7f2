"""As much of Protocol Buffers' wire format as The Handy's messages need.

A field is a key (number << 3 | kind) and its value; zero values are left out, as proto3 does.
Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct

_VARINT, _F64, _BYTES, _F32 = 0, 1, 2, 5


def number(value: int) -> bytes:
    """A varint: seven bits per byte, lowest first, the top bit says that more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(field: int, kind: int) -> bytes:
    return number(field << 3 | kind)


def varint(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + number(value) if value else b""


def f32(field: int, value: float) -> bytes:
    return _key(field, _F32) + struct.pack("<f", value) if value else b""


def f64(field: int, value: float) -> bytes:
    return _key(field, _F64) + struct.pack("<d", value) if value else b""


def message(field: int, *parts: bytes) -> bytes:
    """A message inside a message; there even when it is empty."""
    body = b"".join(parts)
    return _key(field, _BYTES) + number(len(body)) + body
