"""What stands beside the Noise messages: data, or a violation."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest

from relay.link.bounds import HANDSHAKE_FRAME_BYTES, HANDSHAKE_TEXT_CHARS
from relay.link.errors import LinkViolation
from relay.link.messages import Bye
from relay.link.security.payloads import Greeting, bounded, bye_text, greeting, packed


def test_a_name_comes_as_it_went_and_is_cleaned() -> None:
    assert greeting(packed(Greeting("Attic"))) == "Attic"
    assert greeting(packed(Greeting(""))) == ""
    assert "\x1b" not in greeting(msgpack.packb({"name": "a\x1b[2Jb"}))
    assert greeting(msgpack.packb({"name": "Attic", "later": 3})) == "Attic"


def test_a_bye_is_read_and_cut() -> None:
    assert bye_text(packed(Bye("revoked by the hub", retry=False))) == "revoked by the hub"
    assert len(bye_text(msgpack.packb({"text": "x" * 512}))) <= HANDSHAKE_TEXT_CHARS


@pytest.mark.parametrize("read", [greeting, bye_text])
@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\x81", msgpack.packb([1]), msgpack.packb({"name": 3, "text": 3}), b"\xa1x"],
)
def test_anything_else_is_a_violation(read: Callable[[bytes], str], payload: bytes) -> None:
    with pytest.raises(LinkViolation):
        read(payload)


@pytest.mark.parametrize("frame", ["text", b"", bytes(HANDSHAKE_FRAME_BYTES + 1)])
def test_no_handshake_has_such_a_frame(frame: bytes | str) -> None:
    with pytest.raises(LinkViolation):
        bounded(frame)


def test_a_frame_of_any_other_size_is_one() -> None:
    for size in (1, HANDSHAKE_FRAME_BYTES):
        assert bounded(bytes(size)) == bytes(size)
