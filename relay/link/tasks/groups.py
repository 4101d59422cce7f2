"""What ended a task group, without the groups around it."""

from __future__ import annotations


def first_error(error: BaseException) -> BaseException:
    """Return the first error that is no group: the innermost of what `except*` has caught.

    The others of a group are mostly its echo: the group cancels its tasks, and whatever they raise
    on the way out comes behind what began it.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
