"""Everything that can be wrong with a link, by whose fault it is."""

from __future__ import annotations

from relay.link.close_codes import NO_CLOSE


class LinkError(Exception):
    """Base of all link errors; its text is one line that can be shown to a person."""


class ChannelClosed(LinkError):
    """The pipe is gone. A normal end, not somebody's mistake."""

    def __init__(self, code: int = NO_CLOSE, reason: str = "") -> None:
        super().__init__(reason or f"the connection was closed (code {code})")
        self.code = code
        self.reason = reason


class LinkRefused(LinkError):
    """The other end will not talk to us; trying again soon will not help."""


class PartMissing(LinkRefused):
    """This program lacks a part for that, which can be installed."""


class LinkViolation(LinkError):
    """The other end broke the rules of the link; the link is to be closed."""


class TooLarge(LinkViolation):
    """A message of our own takes more than a frame; it was not sent, and the link goes on."""
