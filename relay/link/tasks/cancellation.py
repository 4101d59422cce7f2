"""Cancellation that cannot get lost, for loops that go on after errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


async def apart(work: Coroutine[object, object, T]) -> T:
    """Run `work` in a task of its own and return its result; if this is cancelled, end it first.

    A task group whose child fails at the moment of a cancellation raises the child's error alone,
    and which of both there was cannot be told afterwards (CPython before 3.13). Who catches that
    error and goes on would never end. Here the cancellation is the caller's, whatever becomes of
    the work.
    """
    # Not from a task group: that is what loses the cancellation. It never outlives this call.
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await _ended(task)
        raise
    return task.result()


async def _ended(task: asyncio.Task[T]) -> None:
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            # Once more: the caller re-raises the first one when the task has ended.
            task.cancel()
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.debug("it failed while it was being ended: %r", error)
