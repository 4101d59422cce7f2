"""Frames of a peer that is authenticated and hostile, or broken: decoded, or refused."""

from __future__ import annotations

import sys

from tests.fuzz.engine import fuzz, instrumented

with instrumented("relay"):
    from relay.link.codec import decode_from_hub, decode_from_relay, encode
    from relay.link.errors import LinkRefused, LinkViolation
    from relay.link.session import HubSession, RelaySession


def link_messages(data: bytes) -> None:
    if not data:
        return
    frame = data[1:]
    try:
        if data[0] % 2:
            from_hub = decode_from_hub(frame)
            assert decode_from_hub(encode(from_hub)) == from_hub
            RelaySession(0.0).receive(frame, 0.0)
        else:
            from_relay = decode_from_relay(frame)
            assert decode_from_relay(encode(from_relay)) == from_relay
            HubSession("desk", 0.0).receive(frame, 0.0)
    except (LinkViolation, LinkRefused):
        return


SEEDS = (
    b"\0\x83\xa1t\xa5Hello\xa7version\x01\xa4name\xa5attic",
    b"\0\x83\xa1t\xa4Done\xa2id\x01\xaasuperseded\xc3",
    b"\1\x83\xa1t\xa7Welcome\xa7version\x01\xa3hub\xa4desk",
    b"\1\x84\xa1t\xa5Write\xa2id\x01\xa1p\x01\xa1h\x01",
    b"\1\x83\xa1t\xa4Beat\xa1n\x01\xa7time_us\x01",
)

if __name__ == "__main__":
    sys.exit(fuzz(link_messages, sys.argv, SEEDS))
