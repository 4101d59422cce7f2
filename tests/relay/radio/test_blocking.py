"""Calls that block, in a thread of a device."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.blocking import Blocking
from relay.radio.bounds import CALLS_MOST


async def test_behind_one_that_hangs_only_so_many_wait() -> None:
    begun, free = threading.Event(), threading.Event()
    made: list[int] = []

    def hang() -> None:
        begun.set()
        free.wait(10)

    thread = Blocking("a device")
    thread.submit(hang)
    begun.wait(10)
    calls = [
        asyncio.create_task(thread.call(partial(made.append, number)))
        for number in range(CALLS_MOST)
    ]
    await asyncio.sleep(0)
    with pytest.raises(RadioError) as caught:
        await thread.call(partial(made.append, -1))
    assert caught.value.code is ErrorCode.TIMEOUT
    free.set()
    await asyncio.gather(*calls)
    assert made == list(range(CALLS_MOST))
    thread.close()
    with pytest.raises(RadioError, match="given back"):
        await thread.call(partial(made.append, -1))
