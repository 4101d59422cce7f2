"""Documents about what is in the way."""

from __future__ import annotations

from typing import Literal

from forwarder.api.documents.base import Document

Marked = Literal["good", "note", "bad"]


class FindingView(Document, frozen=True):
    """One sentence. `about`: what was looked at. `mark`: good; note, worth knowing; bad, in the
    way: then `text` ends with what to do."""

    about: str
    mark: Marked
    text: str


class ChecksView(Document, frozen=True):
    """`age_s`: how long ago all that was looked at."""

    findings: tuple[FindingView, ...]
    age_s: float
