"""What some tests need from the machine. A developer's machine may lack it; CI must have it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# Set by .ci/run: what is missing there is a failure, not a reason to skip.
NEED_ALL = "FORWARDER_TESTS_NEED_ALL"


def needs(program: str, *names: str) -> str:
    """Return the path of `program`, or of the first of `names` that is there.

    Skips the calling test where there is none, or fails it if everything must be there.
    """
    paths = (shutil.which(name) for name in (program, *names))
    path = next((path for path in paths if path is not None), None)
    if path is None:
        missing(f"{program} is not installed")
    return path


def missing(what: str) -> NoReturn:
    """Skip the calling test because of `what`, or fail it if everything must be there."""
    if os.environ.get(NEED_ALL, "") not in ("", "0"):
        pytest.fail(f"{what}, and {NEED_ALL} says that it must be")
    pytest.skip(what)
