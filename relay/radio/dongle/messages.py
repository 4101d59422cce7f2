"""What a dongle is told and tells: a JSON object a line, over a serial port or in HID reports.

Sans-I/O. Source: the reference server's public source (lovense_dongle, its messages and states),
read, not measured.
"""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec

from relay.radio.dongle.bounds import LINE_MOST

# The second generation: reports of 64 bytes, of which the last one stays 0.
REPORT = 64
PIECE = REPORT - 1
_TOY = re.compile(r"[0-9A-Fa-f]{12}")
# Commands after which nothing runs: levels of 0.
_REST = re.compile(rb"([A-Za-z]+\d*(:\d+)?:0+;|Mply(:0+)+;)+")


class DongleMessage(IntEnum):
    """Results and states."""

    READY = 100
    DONE = 200
    CONNECTING = 201
    CONNECTED = 202
    SEARCHING = 205
    SEARCH_ENDED = 206
    MALFORMED = 400
    CONNECT_FAILED = 402
    DISCONNECTED = 403
    NOT_FOUND = 404
    INTERRUPTED = 501


class DongleToyData(msgspec.Struct):
    id: str = ""
    data: str = ""
    status: int = 0


class FromDongle(msgspec.Struct):
    """Keys that are missing, and those that nobody needs, are no fault."""

    func: str = ""
    result: int = 0
    data: DongleToyData | None = None

    @property
    def toy(self) -> str:
        """The toy that it is about; "" if none."""
        return self.data.id.upper() if self.data and _TOY.fullmatch(self.data.id) else ""


def line(kind: str, func: str, **more: str) -> bytes:
    """One message: kind is toy or usb."""
    return msgspec.json.encode({"type": kind, "func": func, **more}) + b"\r\n"


STATUS = line("toy", "statuss")
SEARCH = line("toy", "search")
STOP_SEARCH = line("usb", "stopSearch")


def command(toy: str, data: bytes) -> bytes:
    """The usual commands of Lovense, for one toy. Raises UnicodeDecodeError for what is no text."""
    return line("toy", "command", id=toy, cmd=data.decode("ascii"))


def reports(data: bytes) -> tuple[bytes, ...]:
    """What a system writes to a dongle of the second generation: report id 0, and a piece each."""
    pieces = (data[at : at + PIECE] for at in range(0, len(data), PIECE))
    return tuple(b"\0" + piece.ljust(REPORT, b"\0") for piece in pieces)


def rests(data: bytes) -> bool:
    """Whether a toy is at rest after these commands."""
    return _REST.fullmatch(data) is not None


class Reader:
    """Puts messages together from what arrives in pieces; what is none is left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[FromDongle]:
        # Reports are filled up with zeros.
        *lines, self._rest = (self._rest + data.replace(b"\0", b"")).split(b"\n")
        if len(self._rest) > LINE_MOST:
            self._rest = b""
        return [message for one in lines for message in _messages(one)]


def _messages(text: bytes) -> list[FromDongle]:
    """The objects of a line; several may stand side by side."""
    found = []
    for one in re.sub(rb"\}\s*\{", b"}\n{", text).split(b"\n"):
        try:
            found.append(msgspec.json.decode(one, type=FromDongle))
        except msgspec.DecodeError:
            continue
    return found
