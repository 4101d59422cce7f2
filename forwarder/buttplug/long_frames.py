"""Opens a long frame in steps, so that others have their turn between two of them. Sans-I/O.

The outcome is that of `open_frame`, whatever is in the frame. A scan for brackets, commas and
strings finds where an object of the frame's array ends; what decodes JSON sees a piece at a time.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterator
from typing import Final

from forwarder.buttplug.codec import (
    Envelope,
    Unreadable,
    anonymous,
    bounded,
    open_usual,
    open_values,
)
from forwarder.connectors.bounds import MESSAGE_BYTES, OPENED_BYTES

# RFC 8259, 7: strings as a whole, for what is in them is no structure. A quote alone: of one that
# does not end. Possessive, so that one without an end is looked through once.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},"]', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_LEAD: Final = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n])*+")
# A number, a word, or what is none; between values, so never in an array or an object.
_SCALAR: Final = re.compile(rb'[^][{}" \t\r\n]*+')
_MAX_SCALAR: Final = 1024  # bytes; a longer one is rubbish
_BROKEN: Final = "The frame is not valid JSON, or was cut off."


class TooLong(Exception):
    """One message of the frame is longer than any can be read."""


class _Bad(Exception):
    """The frame is no JSON from the value on that is being opened."""


class LongFrame:
    """`steps` opens the frame; then `items` has what is in it."""

    def __init__(
        self, frame: str | bytes, *, step: int = OPENED_BYTES, most: int = MESSAGE_BYTES
    ) -> None:
        """`step`: bytes that are looked at in one step; `most`: of one message."""
        self.items: list[Envelope | Unreadable] = []
        self._data = frame if isinstance(frame, bytes) else frame.encode(errors="surrogatepass")
        self._step = step
        self._most = most
        self._yielded_at = 0
        self._value: list[Envelope | Unreadable] = []  # of the value that is being opened
        self._anonymous = 0

    def steps(self) -> Iterator[None]:
        """Open it, and come back after each step. Raises TooLong."""
        at = _end(_LEAD, self._data, 0)
        try:
            while at < len(self._data):
                at = yield from self._open(at)
                self._keep()
                yield from self._turn(at)
                at = _end(_SPACE, self._data, at)
        except _Bad as error:
            self._value = [Unreadable(0, str(error))]
            self._keep()

    def _keep(self) -> None:
        kept = bounded(self._value, self._anonymous)
        self._anonymous += sum(map(anonymous, kept))
        self.items += kept
        self._value = []

    def _turn(self, at: int) -> Iterator[None]:
        if at - self._yielded_at >= self._step:
            self._yielded_at = at
            yield

    def _open(self, at: int) -> Generator[None, None, int]:
        """Open the value at `at`; returns where it ends."""
        first = self._data[at : at + 1]
        if first == b"[":
            return (yield from self._scan(at, in_pieces=True))
        if first in (b"{", b'"'):
            end = yield from self._scan(at, in_pieces=False)
        else:
            end = _end(_SCALAR, self._data, at, at + _MAX_SCALAR)
            if end in (at, at + _MAX_SCALAR) or not first.isascii():
                raise _Bad(_BROKEN)
        opened, complaint = open_values(self._data[at:end])
        self._value += opened
        if complaint is not None:
            self._keep()
            raise _Bad(complaint)
        return end

    def _scan(self, at: int, *, in_pieces: bool) -> Generator[None, None, int]:
        """Find the end of the value at `at`; `in_pieces`: open what is in it on the way."""
        start = at + in_pieces  # of what is not opened yet
        first, cut, depth = start, at, 0
        while at < len(self._data):
            window = at + self._step
            for token in _TOKEN.finditer(self._data, at, window):
                kind, end = token[0][:1], token.end()
                if kind in b"[{":
                    depth += 1
                elif kind in b"]}":
                    depth -= 1
                elif kind == b",":
                    if depth == 1:
                        cut = token.start()
                elif end - token.start() == 1:
                    end = window = self._end_of_string(token.start(), start + self._most)
                if depth == 0:
                    if in_pieces:
                        if kind != b"]":
                            raise _Bad(_BROKEN)
                        self._piece(start, token.start(), empty=start == first)
                    return end
                if end == window:
                    break
            at = min(window, len(self._data))
            if in_pieces and cut >= start:
                self._piece(start, cut)
                start = cut + 1
            if at - start > self._most:
                raise TooLong
            yield from self._turn(at)
        raise _Bad(_BROKEN)

    def _end_of_string(self, at: int, limit: int) -> int:
        """Where the string at `at` ends, which does not in its window."""
        token = _TOKEN.match(self._data, at, limit)
        if token is not None and token.end() - at > 1:
            return token.end()
        if limit < len(self._data):
            raise TooLong
        raise _Bad(_BROKEN)

    def _piece(self, start: int, end: int, *, empty: bool = False) -> None:
        """Open what stands from `start` to `end` in an array; `empty`: it may be nothing."""
        piece = self._data[start:end]
        if not empty and not piece.strip():
            raise _Bad(_BROKEN)
        piece = b"[%b]" % piece
        opened, complaint = open_usual(piece), None
        if opened is None:
            opened, complaint = open_values(piece)
        if complaint is not None:
            raise _Bad(complaint)
        self._value += bounded(opened)


def _end(pattern: re.Pattern[bytes], data: bytes, at: int, limit: int = sys.maxsize) -> int:
    found = pattern.match(data, at, limit)
    return at if found is None else found.end()
