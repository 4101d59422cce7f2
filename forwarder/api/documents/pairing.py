"""Documents of the API about pairing and meeting points."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from forwarder.api.documents.base import Document, RequestBody
from forwarder.connectors.base import PathKind

# How a phone gets its page.
WAYS = ("https", "lan", "localhost", "meet", "site")


class PairingBody(RequestBody, frozen=True):
    """`phone`: how a phone gets the page: https, localhost, meet, or site with its https URL in
    `site`; null: by a meeting point if there is one, else https. `away`: without this hub's own
    addresses, for a relay in another home."""

    phone: str | None = None
    away: bool = False
    site: Annotated[str, Meta(max_length=256)] | None = None


class PairingView(Document, frozen=True):
    """A code to pair one relay with. `link` and `page_url` are secrets for as long as it is open.

    `page_qr` and `link_qr`: SVG documents. `problems`: why it cannot work yet, and what to do.
    `certificate`: if the page comes with the hub's own certificate, its SHA-256 fingerprint as
    Chrome for Android shows it: 32 pairs of hexadecimal digits with spaces between.
    """

    id: str
    link: str
    link_qr: str
    page_url: str | None
    page_qr: str | None
    problems: tuple[str, ...]
    hints: tuple[str, ...]
    certificate: str | None
    valid_s: float


class PairingState(Document, frozen=True):
    """`state`: open, joined or over. `relay`: who joined."""

    state: str
    relay: str | None
    valid_s: float


class PathView(Document, frozen=True):
    """What carries a relay's link. `kind`: here (this machine), network (a private one), internet,
    meeting (a meeting point), direct (a direct path) or relayed (an iroh relay). `where`: the
    address at the other end, or the server between; "" if there is none to name."""

    kind: PathKind
    where: str


class DirectView(Document, frozen=True):
    """Direct paths. `relays`: iroh relays that were named, "public" for those of its makers.
    `trouble`: why nobody can come by one now, "" if they can."""

    relays: tuple[str, ...]
    trouble: str


class ComparingView(Document, frozen=True):
    """The dialog for relays that pair by a code. `state`: closed, waiting, greeting, shown or
    joined; `code`: what both screens show, of the try number `attempt` of the relay that calls
    itself `relay`. `tries_left`: until the dialog is opened anew; `wait_s`: before the next may
    begin."""

    state: str
    code: str | None
    attempt: int | None
    relay: str | None
    tries_left: int
    wait_s: float


class ComparedBody(RequestBody, frozen=True):
    """Which try the person's word is about."""

    attempt: Annotated[int, Meta(ge=1)]


class MeetingView(Document, frozen=True):
    """A meeting point. `registered`: relays find the hub there now; else `trouble` says why not."""

    url: str
    registered: bool
    trouble: str
