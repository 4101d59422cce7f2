"""Share links: what a person carries from hub to guest. The secret is in the fragment.

    https://MEET/remote/#SECRET&m=wss://MEET/at/ID     the page comes from a meeting point or a site
    https://HUB:12347/remote/?h=…#SECRET               it comes from the hub itself

Written like a pairing link, told apart by the page's path, and by what is made of the secret: no
pairing can be begun with the secret of a share, and the other way round.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from relay.link.security.meeting import SEED_BYTES
from relay.link.security.pairing import PairingLink, PairingLinkError

REMOTE_PATH: Final = "/remote/"
_LABEL: Final = b"bpforward share"
_SEED_LABEL: Final = b"bpforward share id"


class ShareLinkError(PairingLinkError):
    """The text is no share link; says what is wrong with it, without repeating it."""


@dataclass(frozen=True, slots=True)
class ShareLink:
    """`urls`: websocket addresses where the sharer's hub is found, best first; no secret in them.
    `psk`: of the handshake."""

    urls: tuple[str, ...]
    psk: bytes

    def __repr__(self) -> str:
        return f"ShareLink(urls={self.urls!r})"

    @classmethod
    def parse(cls, text: str) -> ShareLink:
        """Read a link as a person pasted it. Raises ShareLinkError, whatever the text."""
        try:
            link = PairingLink.parse(text)
        except PairingLinkError as error:
            words = str(error).replace("a pairing link", "a share link")
            raise ShareLinkError(words.replace("the pairing link", "the share link")) from error
        if not is_share_link(text):
            raise ShareLinkError("this link pairs a radio and shares nothing; ask for a share link")
        return cls(link.urls(), share_psk(link.secret))


def is_share_link(text: str) -> bool:
    """Whether the page that a link leads to is a remote page."""
    try:
        path = urlsplit("".join(text.split())).path
    except ValueError:
        return False
    return f"{path}/".endswith(("/remote/", "/remote//", "/remote/index.html/"))


def share_psk(secret: bytes) -> bytes:
    """What the handshake of a share uses in the place of a pairing secret."""
    return hashlib.sha256(_LABEL + secret).digest()


def share_seed(psk: bytes) -> bytes:
    """Of which the id is made by which a share is found at meeting points, its own alone."""
    return hashlib.sha256(_SEED_LABEL + psk).digest()[:SEED_BYTES]
