"""Which dialect speaks which spec version."""

from __future__ import annotations

from forwarder.buttplug.dialect import Dialect, V4Dialect


def dialect(version: int) -> Dialect:
    """A new dialect, for one session; `version` is 0..4."""
    return V4Dialect({})
