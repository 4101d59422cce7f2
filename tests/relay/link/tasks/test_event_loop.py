"""The loop that the programs run on, as far as what stops toys stands on it."""

from __future__ import annotations

import asyncio
import time

from relay.link.tasks.event_loop import new_event_loop


def test_its_clock_goes_on_while_a_callback_stands_still() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        time.sleep(0.05)  # noqa: ASYNC251  # that is the point
        return loop.time() - before

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(main()) > 0.048  # libuv counts whole milliseconds


def test_its_timers_keep_its_clock() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        late = []
        for _ in range(20):
            due = loop.time() + 0.0123
            fired: asyncio.Future[None] = loop.create_future()
            loop.call_at(due, fired.set_result, None)
            await fired
            late.append(loop.time() - due)
        return late

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        late = runner.run(main())
    # A loaded machine may be late, and none may be early by more than the rounding at both ends.
    assert min(late) > -0.002
