"""What stands in the frames of a handshake, beside the Noise messages. Whatever a peer sends is
data here, or LinkViolation."""

from __future__ import annotations

from typing import Final

import msgspec

from relay.link.bounds import HANDSHAKE_FRAME_BYTES, HANDSHAKE_TEXT_CHARS
from relay.link.errors import LinkViolation
from relay.link.messages import Bye, Name
from relay.link.names import neutralise


class Greeting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Payload in which each end of a pairing gives its name, as MessagePack map."""

    name: Name = ""


_GREETING: Final = msgspec.msgpack.Decoder(Greeting)
_BYE: Final = msgspec.msgpack.Decoder(Bye)


def bounded(frame: bytes | str) -> bytes:
    """A frame as it came. Raises LinkViolation for one that no handshake has."""
    if isinstance(frame, str):
        raise LinkViolation("a text frame came over the link, which carries binary frames only")
    if not 0 < len(frame) <= HANDSHAKE_FRAME_BYTES:
        raise LinkViolation(f"a frame of {len(frame)} bytes came during the handshake")
    return frame


def packed(payload: Greeting | Bye) -> bytes:
    return msgspec.msgpack.encode(payload)


def greeting(payload: bytes) -> str:
    """The name that the other end gives. Raises LinkViolation for any other payload."""
    try:
        return neutralise(_GREETING.decode(payload).name)
    except (ValueError, RecursionError) as error:
        raise LinkViolation("a handshake payload is not a greeting") from error


def bye_text(payload: bytes) -> str:
    """Why the other end goes, for people. Raises LinkViolation for any other payload."""
    try:
        return neutralise(_BYE.decode(payload).text, HANDSHAKE_TEXT_CHARS)
    except (ValueError, RecursionError) as error:
        raise LinkViolation("a handshake payload is not a Bye") from error
