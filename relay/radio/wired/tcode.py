"""What a relay has to know of T-Code: who answers, which axes there are, what a stop is. Sans-I/O.

D1 asks for the version ("TCode v0.3"), D2 for the axes, one line for each ("L0 0 9999 Up").
TCodeESP32 in its v0.4 mode answers D1 with the version and D2 with words. Any other line (logs,
buttons: "#ok:1") may come at any time, with LF or CRLF. Sources: multiaxis/TCode-Specification,
multiaxis/OSR2-Arduino (TCode.h), jcfain/TCodeESP32 (lib/TCode).
"""

from __future__ import annotations

import re

from relay.radio.wired.bounds import LINE_MOST

WHO = b"D1\n"
AXES = b"D2\n"
# How a device is called that tells no axes, and how one begins that does.
PLAIN_NAME = "TCode v0.3"
NAME = "TCode"
# In the order in which people know them.
KNOWN = ("L0", "L1", "L2", "R0", "R1", "R2", "V0", "V1", "V2", "V3", "A0", "A1", "A2")

_VERSION = re.compile(rb"\bt-?code\b.{0,20}?v?\d\.\d", re.IGNORECASE)
_AXIS = re.compile(rb"([LRVA]\d)\s+\d{1,4}\s+\d{1,4}\b")
_OFF = re.compile(rb"(DSTOP|[VA]\d0+)", re.IGNORECASE)


class LineSplitter:
    """Puts lines together from what arrives in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now, each with its end. A line that does not end is
        cut at LINE_MOST."""
        *whole, rest = re.split(rb"(?<=\n)", self._rest + data)
        while len(rest) > LINE_MOST:
            whole.append(rest[:LINE_MOST])
            rest = rest[LINE_MOST:]
        self._rest = rest
        return [line for line in whole if line]


def is_version(line: bytes) -> bool:
    """Whether this line answers D1."""
    return _VERSION.search(line) is not None


def axis(line: bytes) -> str | None:
    """The axis that this line of an answer to D2 tells of."""
    found = _AXIS.match(line)
    name = found[1].decode() if found is not None else None
    return name if name in KNOWN else None


def name_of(axes: set[str]) -> str:
    """What a device with these axes advertises: `TCode L0 R1 R2`."""
    return " ".join((NAME, *(one for one in KNOWN if one in axes))) if axes else PLAIN_NAME


def stops(data: bytes) -> bool:
    """Whether these commands set nothing going: DSTOP, and levels of 0."""
    words = data.split()
    return bool(words) and all(_OFF.fullmatch(word) for word in words)
