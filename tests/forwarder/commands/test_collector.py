from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from forwarder.commands.bounds import SET_ASIDE_MOST, TIDY_EVERY_S
from forwarder.commands.collector import keep, tidy
from tests.doubles.clock import run_virtual

pytestmark = pytest.mark.usefixtures("collector")


class Circle:
    """Only the collector can free it."""

    def __init__(self, more: int = 10) -> None:
        self.itself = self
        self.more = [[number] for number in range(more)]


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was, afterwards."""
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*before)
    gc.callbacks[:] = callbacks
    gc.unfreeze()


def test_what_was_loaded_is_gone_through_no_more_and_circles_go_soon() -> None:
    keep()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (700, 5, 2)


def test_what_was_looked_at_once_is_not_looked_at_again() -> None:
    keep()
    keep()
    alive = [[number] for number in range(1000)]
    gc.collect()
    assert not gc.get_objects(generation=2)
    # What is in no circle goes as ever, and so does a circle that is new.
    gone = weakref.ref(Circle())
    gc.collect()
    assert gone() is None
    assert alive


def test_what_was_set_aside_and_ended_goes_when_nothing_moves_and_not_before() -> None:
    quiet = False

    async def scene() -> None:
        nonlocal quiet
        keep()
        tidying = asyncio.create_task(tidy(lambda: quiet))
        await asyncio.sleep(0)
        circles = [Circle(SET_ASIDE_MOST // 4) for _ in range(5)]
        first = weakref.ref(circles[0])
        gc.collect()  # sets them aside
        del circles
        gc.collect()
        assert first() is not None
        await asyncio.sleep(TIDY_EVERY_S + 1)
        assert first() is not None
        quiet = True
        await asyncio.sleep(TIDY_EVERY_S)
        assert first() is None
        tidying.cancel()

    run_virtual(scene())
