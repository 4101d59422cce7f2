"""Link frames: MessagePack maps ↔ messages. What a peer sends is bounded while it is parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar, get_args

import msgpack
import msgspec

from relay.link.bounds import BIN_BYTES, MOST_ITEMS, PLAIN_FRAME_BYTES, STRING_BYTES
from relay.link.errors import LinkViolation, TooLarge
from relay.link.messages import FromHub, FromRelay

_M = TypeVar("_M")
_BYTES = (bytes,)
# By name, because converting to a union costs msgspec 60 µs a frame, and to a known class 2 µs.
_FROM_RELAY: Final[Mapping[str, type[FromRelay]]] = {
    kind.__name__: kind for kind in get_args(FromRelay)
}
_FROM_HUB: Final[Mapping[str, type[FromHub]]] = {kind.__name__: kind for kind in get_args(FromHub)}


def encode(message: FromRelay | FromHub) -> bytes:
    """Return the frame of `message`. Raises TooLarge if it is larger than a frame may be."""
    frame: bytes = msgpack.packb(msgspec.to_builtins(message, builtin_types=_BYTES))
    if len(frame) > PLAIN_FRAME_BYTES:
        name = type(message).__name__
        raise TooLarge(f"{name} takes {len(frame)} bytes, a frame holds {PLAIN_FRAME_BYTES}")
    return frame


def _decode(kinds: Mapping[str, type[_M]], frame: str | bytes) -> _M:
    if isinstance(frame, str):
        raise LinkViolation("a text frame came over the link, which carries binary frames only")
    if len(frame) > PLAIN_FRAME_BYTES:
        raise LinkViolation(f"a frame of {len(frame)} bytes came, {PLAIN_FRAME_BYTES} is the limit")
    try:
        plain = msgpack.unpackb(
            frame,
            strict_map_key=False,
            max_str_len=STRING_BYTES,
            max_bin_len=BIN_BYTES,
            max_array_len=MOST_ITEMS,
            max_map_len=MOST_ITEMS,
            max_ext_len=0,
        )
        # AttributeError: no map. KeyError: no name, or none of ours. TypeError: an unhashable key.
        # msgspec.ValidationError is a ValueError, as are all of msgpack's format errors.
        return msgspec.convert(plain, kinds[plain.get("t")], builtin_types=_BYTES)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LinkViolation(f"a frame that is no link message came: {error!r}") from error


decode_from_relay: Final[Callable[[str | bytes], FromRelay]] = partial(_decode, _FROM_RELAY)
"""Return the message of a frame that a relay sent. Raises LinkViolation if it is none."""

decode_from_hub: Final[Callable[[str | bytes], FromHub]] = partial(_decode, _FROM_HUB)
"""Return the message of a frame that the hub sent. Raises LinkViolation if it is none."""
