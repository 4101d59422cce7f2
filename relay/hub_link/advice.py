"""What a person does about a hub that cannot be reached, or that says no."""

from __future__ import annotations

from relay.link.errors import LinkError
from relay.link.security.handshake import HandshakeRefused
from relay.link.websocket import DialFailed


def advised(error: LinkError) -> str:
    """What happened and what to do, in one line."""
    if isinstance(error, HandshakeRefused) and error.certain and error.refusal is None:
        return f"{error}: pair again, with `forwarder pair` there and `relay pair LINK` here"
    if isinstance(error, DialFailed):
        return f"{error}; does `forwarder run --lan` run there?"
    return str(error)
