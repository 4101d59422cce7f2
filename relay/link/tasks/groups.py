"""What ended a task group, without the groups around it, and without what an error keeps alive.

An error has the frames that it went through, and with them all that a connection had. Where one of
those has the error, none of it is freed until the collector looks at everything that there is: with
hundreds of connections that takes a tenth of a second, in which nobody is served. So the errors of
a connection that is over are let go of (`tests/forwarder/connectors/test_circles.py`).
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class ConnectionTasks(asyncio.TaskGroup):
    """A task group whose own error is in no circle. asyncio's has it in a frame that it goes
    through (Python before 3.13)."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            group.__traceback__ = None
            raise


def drop_frames(error: BaseException | None) -> None:
    """Forget the frames of an error that has been dealt with, and of what it came from."""
    left = [error]
    seen = set()
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = None
        left += one.__context__, one.__cause__
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions


def first_error(error: BaseException) -> BaseException:
    """Return the first error that is no group: the innermost of what `except*` has caught.

    The others of a group are mostly its echo: the group cancels its tasks, and whatever they raise
    on the way out comes behind what began it.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
