"""Proxies that announce themselves: each is asked what it is, and only once it is a radio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Never

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from relay.link.messages import Advertisement
from relay.radio.base import ChangingRadios
from relay.radio.esphome.found import KIND, browse, found_proxies, is_proxy
from relay.radio.esphome.named import proxies_of_the_network
from relay.radio.several import Radios
from relay.radio.simulated.catalogue import toys_by_name
from tests.doubles.esphome_proxy import KEY, EsphomeProxy
from tests.system.processes import free_ports, until


async def test_a_proxy_is_told_from_a_lamp_and_from_nothing() -> None:
    async with asyncio.timeout(20), EsphomeProxy([], key=KEY).listen() as proxy:
        assert await is_proxy("127.0.0.1", proxy.port, KEY)
        assert await is_proxy("127.0.0.1", proxy.port, None), "its radio says that it wants a key"
        proxy.flags = 0
        assert not await is_proxy("127.0.0.1", proxy.port, KEY)
        assert not await is_proxy("127.0.0.1", free_ports(1)[0], None)
        await until(lambda: not proxy.clients, "that nobody holds its line", 5)


async def test_what_is_announced_becomes_a_radio_once() -> None:
    toys = toys_by_name("Lovense Hush")
    async with asyncio.timeout(20), EsphomeProxy(toys).listen() as proxy:
        lamp = EsphomeProxy([])
        lamp.flags = 0
        async with lamp.listen():

            async def look() -> AsyncIterator[tuple[str, int]]:
                for _ in range(2):
                    yield "127.0.0.1", lamp.port
                    yield "127.0.0.1", proxy.port
                await asyncio.Event().wait()

            async def source(roster: ChangingRadios) -> Never:
                await found_proxies(roster, lambda _: None, look)

            radios = Radios([], {"esphome": source})
            assert radios.to_come() == {"esphome"}
            heard: asyncio.Queue[Advertisement] = asyncio.Queue()
            tasks = [
                asyncio.create_task(radios.watch()),
                asyncio.create_task(radios.scan(heard.put_nowait)),
            ]
            assert (await heard.get()).address == toys[0].address
            assert [part.kind for part in radios.info.parts] == ["esphome"]
            connection = await radios.connect(toys[0].address, lambda _: None)
            await connection.disconnect()
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def test_what_this_network_announces_is_told_with_its_place() -> None:
    def loopback() -> AsyncZeroconf:
        return AsyncZeroconf(interfaces=["127.0.0.1"])

    announced = AsyncServiceInfo(
        KIND, f"proxy.{KIND}", port=6053, addresses=[bytes([127, 0, 0, 1])], server="proxy.local."
    )
    zeroconf = loopback()
    looking = browse(loopback)
    try:
        async with asyncio.timeout(15):
            await (await zeroconf.async_register_service(announced))
            assert await anext(looking) == ("127.0.0.1", 6053)
    finally:
        await looking.aclose()
        await zeroconf.async_close()


def test_they_are_looked_for_if_that_was_said() -> None:
    assert proxies_of_the_network(["a.local"], []) is None
    assert proxies_of_the_network(["a.local", "found"], [KEY]) is not None
