"""Where the data lies that is too large, or not ours, to be in this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(*parts: str) -> Path:
    """Return a path below `shared/` beside the checkout (or $FORWARDER_SHARED).

    Skips the calling test, and says so, when the file is not there.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    path = Path(os.environ.get("FORWARDER_SHARED", beside), *parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(('shared', *parts))} is not beside this checkout")
    return path
