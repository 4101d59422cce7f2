"""The first error of nested groups, and what errors keep alive."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from relay.link.tasks.groups import ConnectionTasks, drop_frames, first_error

FIRST, SECOND = ValueError("first"), KeyError("second")


@pytest.mark.parametrize(
    "error",
    [
        FIRST,
        ExceptionGroup("one", [FIRST]),
        ExceptionGroup("two", [FIRST, SECOND]),
        BaseExceptionGroup("nested", [ExceptionGroup("inner", [FIRST, SECOND]), SECOND]),
    ],
)
def test_the_first_one_is_found_however_deep_it_is(error: BaseException) -> None:
    assert first_error(error) is FIRST


def test_a_cancellation_is_an_error_like_others() -> None:
    gone = KeyboardInterrupt()
    assert first_error(BaseExceptionGroup("x", [gone])) is gone


class Kept:
    """What a connection had."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_what_a_group_ended_with_is_free_once_it_was_dealt_with() -> None:
    async def fail(kept: Kept) -> None:
        raise ValueError(kept)

    async def scene() -> weakref.ref[Kept]:
        kept = Kept()
        try:
            async with ConnectionTasks() as tasks:
                tasks.create_task(fail(kept))
        except* ValueError:
            pass
        return weakref.ref(kept)

    # In a task of its own: one that was cancelled on the way keeps that for as long as it runs.
    assert (await asyncio.create_task(scene()))() is None


@pytest.mark.usefixtures("no_collector")
def test_an_error_that_is_kept_keeps_nothing_of_where_it_was() -> None:
    def scene() -> tuple[BaseException, weakref.ref[Kept]]:
        kept = Kept()
        try:
            try:
                raise ValueError
            except ValueError as first:
                raise ExceptionGroup("both", [KeyError(), first]) from first
        except ExceptionGroup as group:
            drop_frames(group)
            return group, weakref.ref(kept)

    error, kept = scene()
    assert isinstance(error.__cause__, ValueError)
    assert kept() is None
