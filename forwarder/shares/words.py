"""What is inside the encrypted frames of a share: Buttplug, and words of page and hub. Sans-I/O.

docs/sharing.md, On the wire. Both ends use this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from forwarder.shares.bounds import MAX_WHOLE_BYTES, WORDS_S
from relay.link.errors import LinkViolation
from relay.link.messages import Name, Text
from relay.link.security.transport import MAX_PLAINTEXT_BYTES

ClockMillis = Annotated[float, Meta(ge=0, le=2**50)]
_MORE, _LAST = b"+", b"-"


class _ShareFrame(Struct, frozen=True, tag_field="t"):
    pass


class GuestLeaseWord(_ShareFrame, frozen=True, tag="lease"):
    """Guest: what I drive may go on. Hub: I heard you. `at`: the guest's clock in ms. `heard`, of
    the guest: the newest `at` that the hub has answered; None while there is none."""

    at: ClockMillis
    heard: ClockMillis | UnsetType | None = UNSET


class GuestRest(_ShareFrame, frozen=True, tag="rest"):
    """Guest: stop what I drive; I drive nothing until the next lease."""


class ShareWord(_ShareFrame, frozen=True, tag="share"):
    """Hub: what this guest may do. `owner`: the hub's name. `state`: asked or allowed."""

    owner: Name
    name: Name
    state: Annotated[str, Meta(max_length=16)]
    percent: Annotated[float, Meta(ge=0, le=100)] = 100
    left_s: Annotated[float, Meta(ge=0)] | None = None


class ShareNews(_ShareFrame, frozen=True, tag="news"):
    """Hub: why nobody drives now (`held`), and of each device by index why it does not run."""

    held: Text | None = None
    devices: dict[str, Text | None] = {}


class ShareEnd(_ShareFrame, frozen=True, tag="end"):
    """Hub: it is over, and why; the last word."""

    reason: Annotated[str, Meta(max_length=16)]
    text: Text


Said = GuestLeaseWord | GuestRest
Told = GuestLeaseWord | ShareWord | ShareNews | ShareEnd

_said: Final = msgspec.json.Decoder(Said)
_told: Final = msgspec.json.Decoder(Told)


def packed(frame: str | Said | Told) -> Iterator[bytes]:
    """The plaintexts that carry a Buttplug frame or a word."""
    data = frame.encode() if isinstance(frame, str) else msgspec.json.encode(frame)
    room = MAX_PLAINTEXT_BYTES - 1
    if len(data) <= room:
        yield data
        return
    while len(data) > room:
        yield _MORE + data[:room]
        data = data[room:]
    yield _LAST + data


class WordRate:
    """Counts the words of one end."""

    __slots__ = ("_count", "_second")

    def __init__(self) -> None:
        self._count, self._second = 0, 0

    def count(self, now: float) -> None:
        """One more, at the monotonic time `now`. Raises LinkViolation beyond WORDS_S a second."""
        second = int(now)
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if self._count > WORDS_S:
            raise LinkViolation("the other end of a share says too many words")


class Unpacker:
    """Puts plaintexts together again. `guest`: which end of the share this is."""

    def __init__(self, *, guest: bool) -> None:
        self._decoder: msgspec.json.Decoder[Any] = _told if guest else _said
        self._parts = bytearray()

    def take(self, plaintext: bytes) -> str | Said | Told | None:
        """A Buttplug frame (str), a word, or None while more is to come. Raises LinkViolation."""
        kind = plaintext[:1]
        if kind == _MORE and len(plaintext) != MAX_PLAINTEXT_BYTES:
            # As long as it can be: parts of nothing would never add up to too much.
            raise LinkViolation("a part of a frame of a share is no part")
        if kind in (_MORE, _LAST):
            self._parts += plaintext[1:]
            if len(self._parts) > MAX_WHOLE_BYTES:
                raise LinkViolation("a frame of a share is too long")
            if kind == _MORE:
                return None
            plaintext = bytes(self._parts)
            self._parts.clear()
        elif self._parts:
            raise LinkViolation("a frame of a share came in the middle of another")
        try:
            if plaintext[:1] == b"{":
                word: Said | Told = self._decoder.decode(plaintext)
                return word
            return plaintext.decode()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise LinkViolation("the other end of a share said what none says") from error
