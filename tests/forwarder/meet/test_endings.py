from __future__ import annotations

import asyncio

import pytest

from forwarder.meet.endings import ended, ending, sendable
from relay.link.close_codes import NO_ANSWER
from relay.link.errors import ChannelClosed


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (4321, 4321), (1006, 1001), (1005, 1001), (1015, 1001)]
)
def test_codes_that_stand_for_none_are_not_sent(code: int, sent: int) -> None:
    assert sendable(ChannelClosed(code, "")) == sent


async def test_a_visit_ends_once() -> None:
    over, end = ending()
    end("first")
    end("second")
    closed = await over
    assert (closed.code, closed.reason) == (NO_ANSWER, "first")


async def test_what_an_ended_task_would_have_raised_is_of_no_account() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            raise OSError

    task = asyncio.ensure_future(fails())
    await asyncio.sleep(0)
    await ended(task)
    assert isinstance(task.exception(), OSError)
