from __future__ import annotations

import asyncio

from relay.link.tasks.signal import WakeFlag


async def test_whoever_waits_goes_on_once_it_is_set_also_for_a_moment() -> None:
    signal = WakeFlag()
    waiting = [asyncio.create_task(signal.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    signal.set()
    signal.clear()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert not signal.is_set()


async def test_one_who_gives_up_leaves_the_others_waiting() -> None:
    signal = WakeFlag()
    first, second = (asyncio.create_task(signal.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert first.cancelled()
    assert not second.done()
    signal.set()
    await asyncio.wait_for(second, 1)


async def test_what_is_set_already_is_not_waited_for() -> None:
    signal = WakeFlag()
    signal.set()
    await asyncio.wait_for(signal.wait(), 1)
    assert signal.is_set()
