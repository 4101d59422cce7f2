from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from forwarder.commands.collector import keep


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was, afterwards."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_what_was_loaded_is_gone_through_no_more_and_circles_go_soon() -> None:
    keep()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (700, 10, 3)
