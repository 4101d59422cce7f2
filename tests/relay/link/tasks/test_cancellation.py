"""Loops that go on after errors end when they are cancelled, also at the moment of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from forwarder.connectors.websocket_client import WebSocketClient
from forwarder.embedding import keep_linked, keep_running
from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.hubs import HubTarget
from relay.hub_link.uplink import Uplink
from relay.link.channel import Channel, channel_pair
from relay.link.errors import LinkError
from relay.link.tasks.cancellation import apart
from relay.radio.simulated.radio import SimulatedRadio
from tests.doubles.clock import run_virtual


async def failing_with_its_parent(*_: object, **__: object) -> None:
    """Raises LinkError at the moment of its cancellation, as a link does whose ends both go."""

    async def child() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise LinkError("gone")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child())
    except* LinkError as group:
        raise LinkError("the link is gone") from group


class FailingAgent:
    closing = False

    async def run(self) -> None:
        await failing_with_its_parent()

    async def serve_link(self, channel: Channel) -> None:
        await failing_with_its_parent()


async def dialed() -> Channel:
    return channel_pair(names=("here", "there"))[0]


def uplink() -> Uplink:
    link = Uplink(Agent(SimulatedRadio([]), AgentConfig(name="here")), HubTarget("hub", dialed))
    link._link = failing_with_its_parent  # type: ignore[method-assign]  # the moment is the point
    return link


LOOPS: dict[str, Callable[[], Awaitable[None]]] = {
    "embedded link": lambda: keep_linked(FailingAgent(), failing_with_its_parent),
    "embedded relay": lambda: keep_running(FailingAgent()),
    "dialing connector": lambda: WebSocketClient("ws://x", dial_once=dialed).run(
        failing_with_its_parent
    ),
    "uplink": lambda: uplink().run(),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_ends_though_an_error_came_together_with_the_cancellation(
    loop: Callable[[], Awaitable[None]],
) -> None:
    async def main() -> bool:
        task = asyncio.ensure_future(loop())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task], timeout=100)
        ended = task.cancelled()
        task.cancel()
        return ended

    assert run_virtual(main())


def test_results_and_errors_are_those_of_the_work() -> None:
    async def result() -> int:
        return 7

    async def error() -> None:
        raise LinkError("no")

    async def main() -> None:
        assert await apart(result()) == 7
        with pytest.raises(LinkError, match="no"):
            await apart(error())

    run_virtual(main())


def test_the_work_has_ended_when_the_cancellation_goes_on() -> None:
    ends: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(5)
            ends.append("work")

    async def main() -> None:
        task = asyncio.ensure_future(apart(slow_to_end()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends == ["work"]

    run_virtual(main())
