"""Link frames: MessagePack maps ↔ messages. What a peer sends is bounded while it is parsed.

msgspec reads a frame straight into its message: it allocates as it reads, so that nobody gets more
memory than the frame is long, and what a message does not have is skipped, not made. Each field
has its own bound (messages.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

from relay.link.bounds import PLAIN_FRAME_BYTES
from relay.link.errors import LinkViolation, TooLarge
from relay.link.messages import FromHub, FromRelay

_M = TypeVar("_M")
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode(message: FromRelay | FromHub) -> bytes:
    """Return the frame of `message`. Raises TooLarge if it is larger than a frame may be."""
    frame = _ENCODER.encode(message)
    if len(frame) > PLAIN_FRAME_BYTES:
        name = type(message).__name__
        raise TooLarge(f"{name} takes {len(frame)} bytes, a frame holds {PLAIN_FRAME_BYTES}")
    return frame


def _decode(decoder: msgspec.msgpack.Decoder[_M], frame: str | bytes) -> _M:
    if isinstance(frame, str):
        raise LinkViolation("a text frame came over the link, which carries binary frames only")
    if len(frame) > PLAIN_FRAME_BYTES:
        raise LinkViolation(f"a frame of {len(frame)} bytes came, {PLAIN_FRAME_BYTES} is the limit")
    try:
        return decoder.decode(frame)
    except (ValueError, RecursionError) as error:  # all of msgspec's are a ValueError
        raise LinkViolation(f"a frame that is no link message came: {error!r}") from error


decode_from_relay: Final[Callable[[str | bytes], FromRelay]] = partial(
    _decode, msgspec.msgpack.Decoder(FromRelay)
)
"""Return the message of a frame that a relay sent. Raises LinkViolation if it is none."""

decode_from_hub: Final[Callable[[str | bytes], FromHub]] = partial(
    _decode, msgspec.msgpack.Decoder(FromHub)
)
"""Return the message of a frame that the hub sent. Raises LinkViolation if it is none."""
