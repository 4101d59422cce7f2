"""What a command's outcome is to those that are told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import HardwareError
from relay.link.messages import ErrorCode
from tests.doubles.clock import run_virtual


def _fail(outcome: Outcome) -> None:
    outcome.set_exception(HardwareError(ErrorCode.RADIO, "the radio said no"))
    outcome.exception()


@pytest.mark.parametrize(
    "settle", [lambda outcome: outcome.set_result(Fate.TAKEN), _fail, lambda one: one.cancel()]
)
def test_a_bug_in_one_that_is_told_is_nobody_elses(settle: Callable[[Outcome], object]) -> None:
    """Else it ended the link of whoever settles it, and the others waited for ever."""
    bug = LookupError("a bug")
    told: list[str] = []
    seen: list[dict[str, object]] = []

    def stumbles(_: Outcome) -> None:
        told.append("first")
        raise bug

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: seen.append(context))
        outcome = Outcome()
        outcome.then(stumbles)
        outcome.then(lambda _: told.append("second"))
        settle(outcome)
        assert told == ["first", "second"]
        assert [context["exception"] for context in seen] == [bug]
        outcome.then(lambda _: told.append("late"))
        assert told[-1] == "late"

    run_virtual(run())
