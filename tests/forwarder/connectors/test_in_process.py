from __future__ import annotations

import asyncio

import pytest

from forwarder.connectors.in_process import InProcess
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual
from tests.forwarder.connectors.serving import echo


def test_each_channel_gets_a_handler_and_one_that_fails_harms_no_other() -> None:
    async def main() -> None:
        connector = InProcess()
        early = await connector.open()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(connector.run(echo))
            late = await connector.open()
            for channel in (early, late, early):
                await channel.send("hello")
                assert await channel.receive() == "hello"
            await early.close()
            await late.send("still")
            assert await late.receive() == "still"
            running.cancel()
        with pytest.raises(ChannelClosed) as closed:
            await late.receive()
        assert closed.value.code == 1001

    run_virtual(main())


def test_after_the_end_nothing_opens_and_what_waited_is_closed() -> None:
    async def main() -> None:
        connector = InProcess("hub")
        running = asyncio.create_task(connector.run(echo))
        await asyncio.sleep(0)
        waiting = await connector.open()
        running.cancel()
        await asyncio.wait([running])
        with pytest.raises(ChannelClosed):
            await waiting.receive()
        with pytest.raises(ChannelClosed, match="hub has ended"):
            await connector.open()

    run_virtual(main())
