"""Documents of the API about shares."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from forwarder.api.bounds import LONGEST_S
from forwarder.api.documents.base import DeviceIndex, Document, RequestBody, ShownName
from forwarder.buttplug.messages import OutputType

_Span = Annotated[float, Meta(gt=0, le=LONGEST_S)]
_Level = Annotated[float, Meta(gt=0, le=100)]


class ShareBody(RequestBody, frozen=True):
    """What one person may do, and for how long. `devices`: indexes or names, a trailing * makes a
    prefix. `percent`: highest level. `uses`: browsers that may take the link. `ask`: each of them
    waits until it is allowed. `page`: https address of a remote page that is hosted elsewhere."""

    name: ShownName
    devices: tuple[ShownName, ...] = ()
    outputs: tuple[ShownName, ...] = ()
    percent: _Level = 100
    for_s: _Span | None = None
    uses: Annotated[int, Meta(ge=1, le=16)] = 1
    ask: bool = True
    page: Annotated[str, Meta(max_length=256)] | None = None


class ShareRenew(RequestBody, frozen=True):
    """`for_s`: another time, from now on."""

    name: ShownName
    for_s: _Span | None = None
    page: Annotated[str, Meta(max_length=256)] | None = None


class ShareLimit(RequestBody, frozen=True):
    name: ShownName
    percent: _Level


class ShareAnswer(RequestBody, frozen=True):
    """`guest`: its number; null: all that wait."""

    name: ShownName
    guest: DeviceIndex | None = None


class AcceptBody(RequestBody, frozen=True):
    """`name`: what it is called here; null: the other hub's name."""

    link: Annotated[str, Meta(max_length=1024)]
    name: ShownName | None = None


class AcceptedView(Document, frozen=True):
    """A share of somebody else's hub. `state`: away, asked, allowed or over; `text`: what a person
    should know. `percent`: its highest level; `left_s`: seconds, null: until it is ended."""

    name: str
    state: str
    text: str
    devices: int
    percent: float | None
    left_s: float | None


class GuestView(Document, frozen=True):
    """A browser that has taken the link. `state`: asked, allowed or refused. `here`: connected now.
    `drives`: the devices that it moves now, by their names."""

    number: DeviceIndex
    browser: str
    state: str
    here: bool
    drives: tuple[str, ...]


class ShareView(Document, frozen=True):
    """`expires`: Unix time; `over`: it has."""

    name: str
    devices: tuple[str, ...]
    outputs: tuple[OutputType, ...]
    percent: float
    expires: float | None
    over: bool
    uses: int
    ask: bool
    guests: tuple[GuestView, ...]


class ShareMade(Document, frozen=True):
    """The only time that the link can be read; it is a secret. `qr`: an SVG document. `problems`:
    why it cannot work yet, and what to do."""

    share: ShareView
    link: str
    qr: str
    problems: tuple[str, ...]
    hints: tuple[str, ...]


class ShareEnded(Document, frozen=True):
    """`guests`: how many of them were here."""

    names: tuple[str, ...]
    guests: int
