"""Documents about what relays hear, and which of them has or could have it."""

from __future__ import annotations

from forwarder.api.documents.base import Document
from forwarder.sources.relays.choosing.choice import Obstacle
from forwarder.sources.relays.choosing.pins import How


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
