"""The first error of nested groups."""

from __future__ import annotations

import pytest

from relay.link.tasks.groups import first_error

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
