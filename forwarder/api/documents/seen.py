"""Documents about what relays hear, and which of them has or could have it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from forwarder.api.documents.base import DeviceIndex, Document, RequestBody
from forwarder.sources.relays.choosing.choice import Obstacle
from forwarder.sources.relays.choosing.pins import How
from forwarder.sources.relays.choosing.seen import WhyNotHere


class PinView(Document, frozen=True):
    """`relay`: its name."""

    relay: str
    how: How


class ScoreView(Document, frozen=True):
    """How well a relay would do, in dB, and the parts of that. `signal_dbm`: null where it does not
    say. `hangs`: a connect there takes too long, so that all others come first."""

    total: float
    signal_dbm: float | None
    failures: float
    connecting: float
    slots: float
    kept: float
    hangs: bool
    preferred: bool


class ChoiceView(Document, frozen=True):
    """One relay about one device. `obstacle` and `why`: what is in the way, null if nothing is.
    `text`: all of it in a line. `again_s`: seconds until it may try again."""

    relay: str
    score: ScoreView
    obstacle: Obstacle | None
    why: str | None
    again_s: float | None
    text: str


class HeardBy(Document, frozen=True):
    """Who hears it, `ago_s` seconds ago. `radio`: which of a relay's radios, where it has several.
    `signal_dbm`: null where it does not say."""

    relay: str
    radio: str | None
    signal_dbm: int | None
    ago_s: float


class SeenView(Document, frozen=True):
    """Something that advertises. `model`: null if that tells none. `index`: of the device that it
    is or was. `reason` and `text`: why it is not connected; `again_s`: seconds until the next try.

    `services` as advertised; `manufacturer`: company number -> data in hexadecimal. `relays`: each
    one about it, the best first.
    """

    address: str
    name: str
    model: str | None
    index: DeviceIndex | None
    reason: WhyNotHere
    text: str
    again_s: float | None
    heard: tuple[HeardBy, ...]
    services: tuple[str, ...]
    manufacturer: dict[int, str]
    relays: tuple[ChoiceView, ...]


class SeenList(Document, frozen=True):
    """`listening`: relays listen now. `toys`: those heard in the last `lately_s` seconds; what is
    no device and known first."""

    listening: bool
    lately_s: int
    toys: tuple[SeenView, ...]


class ListenBody(RequestBody, frozen=True):
    """Listen for so long; nothing is connected for that."""

    for_s: Annotated[float, Meta(gt=0, le=120)] = 10


class SkeletonView(Document, frozen=True):
    """A definition file to fill in. `file`: what it has to be called."""

    file: str
    text: str
