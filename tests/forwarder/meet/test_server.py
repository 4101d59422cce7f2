from __future__ import annotations

import asyncio

import aiohttp
import pytest

from forwarder.meet.bounds import Bounds
from forwarder.meet.server import MeetingServer
from relay.link.close_codes import NOT_HERE, POINT_FULL
from relay.link.errors import ChannelClosed
from relay.link.security.meeting import hub_id, visit_url
from relay.link.security.noise import KeyPair
from relay.link.websocket import WebSocketChannel, dial
from tests.forwarder.meet.points import House, house, meeting_server, running
from tests.system.processes import free_ports, until


async def closed(url: str) -> ChannelClosed:
    """How a meeting point ends a visit that leads nowhere."""
    channel = await dial(url, heartbeat_s=None)
    try:
        with pytest.raises(ChannelClosed) as ended:
            await channel.receive()
        return ended.value
    finally:
        await channel.close()


async def test_frames_pass_both_ways_and_the_end_passes_too() -> None:
    async with meeting_server() as server, house(server) as hub:
        visitor, there = await hub.visited()
        assert there.peer == f"127.0.0.1 by localhost:{server.origin.rpartition(':')[2]}"
        await visitor.send(b"ciphertext")
        await visitor.send("text")
        assert await there.receive() == b"ciphertext"
        assert await there.receive() == "text"
        await there.send(bytes(60_000))
        assert await visitor.receive() == bytes(60_000)
        await there.close(4321, "because")
        with pytest.raises(ChannelClosed) as end:
            await visitor.receive()
        assert (end.value.code, end.value.reason) == (4321, "because")
        await visitor.close()
        await until(lambda: server.table.counts["pairs"] == 0, "no pair")


async def test_each_visitor_has_sockets_of_its_own() -> None:
    async with meeting_server() as server, house(server) as hub:
        (one, at_one), (two, at_two) = await hub.visited(), await hub.visited()
        await one.send(b"one")
        await two.send(b"two")
        assert (await at_one.receive(), await at_two.receive()) == (b"one", b"two")
        await one.close()
        with pytest.raises(ChannelClosed):
            await at_one.receive()
        await two.send(b"still")
        assert await at_two.receive() == b"still"
        await two.close()


async def test_a_hub_that_is_not_here_is_told_in_words() -> None:
    async with meeting_server() as server:
        nobody = await closed(visit_url(server.origin, hub_id(KeyPair.generate().public)))
        assert (nobody.code, "not at this meeting point" in nobody.reason) == (NOT_HERE, True)


async def test_a_hub_that_does_not_join_costs_its_visitor_some_seconds() -> None:
    async with meeting_server() as server, house(server) as hub:
        async with running(hub.run()):
            hub.point._visited = lambda *_: None  # type: ignore[method-assign]  # as if it stood still
            gone = await closed(hub.point.url)
        assert "did not answer" in gone.reason


async def test_frames_that_are_too_large_end_the_pair() -> None:
    async with meeting_server() as server, house(server) as hub:
        visitor, there = await hub.visited()
        await visitor.send(bytes(70_000))
        with pytest.raises(ChannelClosed):
            await there.receive()
        await visitor.close()


async def test_an_end_that_does_not_read_holds_its_sender_back() -> None:
    fast = Bounds(bytes_s=1 << 30)
    async with meeting_server(bounds=fast) as server, house(server) as hub:
        visitor, there = await hub.visited()
        assert isinstance(visitor, WebSocketChannel)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await visitor.send(bytes(32_000))
                sent += 32_000

        async with running(flood()):
            # What buffers hold, kernels' of some MiB included; then nothing more leaves.
            before = -1
            async with asyncio.timeout(10):
                while before != sent:
                    before = sent
                    await asyncio.sleep(0.3)
            assert visitor.congested
            assert server.table.counts["slow"] == 1
            assert sent < 32 << 20
        await there.close()
        await visitor.close()


async def test_a_registration_comes_back_after_a_restart() -> None:
    (port,) = free_ports(1)
    async with meeting_server(port) as server:
        hub = House(server)
        work = running(hub.run())
        await work.__aenter__()
        await hub.registered()
    try:
        await until(lambda: not hub.point.registered, "the loss")
        assert hub.point.trouble
        async with meeting_server(port):
            await hub.registered()
            visitor, _ = await hub.visited()
            hub.over.set()
            await visitor.close()
    finally:
        await work.__aexit__(None, None, None)


async def test_a_meeting_point_by_another_name_gets_no_registration() -> None:
    async with meeting_server() as server:
        server.origin = "https://elsewhere.example.org"
        hub = House(server)
        hub.point.origin = hub.point.by = f"http://localhost:{server.bind()}"
        async with running(hub.run()):
            await until(lambda: "another address" in hub.point.trouble, "the trouble")
        assert not hub.point.registered


async def test_only_listed_hubs_register_and_the_others_are_told_their_id() -> None:
    async with meeting_server(only=lambda id: False) as server:
        hub = House(server)
        async with running(hub.run()):
            await until(lambda: hub_id(hub.key.public) in hub.point.trouble, "the refusal")


async def get(server: MeetingServer, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{server.origin}{path}", allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text()


async def test_it_serves_the_phones_page_and_says_who_serves_it() -> None:
    async with meeting_server(owner="Ada") as server:
        status, page = await get(server, "/relay/")
        assert status == 200
        assert "<script" in page
        assert (await get(server, "/relay/link.js"))[0] == 200
        status, index = await get(server, "/")
        assert (status, "served by Ada" in index) == (200, True)
        assert (await get(server, "/hub"))[0] == 426
        assert (await get(server, "/dashboard/app.js"))[0] == 404
        assert (await get(server, "/api/v1/state"))[0] == 404


async def test_full_is_said_before_anything_is_joined() -> None:
    async with meeting_server(bounds=Bounds(visitors_each=0)) as server, house(server) as hub:
        assert (await closed(hub.point.url)).code == POINT_FULL


async def test_a_pair_has_so_many_bytes_a_second() -> None:
    slow = Bounds(bytes_s=100_000, burst_bytes=20_000)
    async with meeting_server(bounds=slow) as server, house(server) as hub:
        visitor, there = await hub.visited()
        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(6):
            await visitor.send(bytes(20_000))
        for _ in range(6):
            await there.receive()
        assert 1.0 <= clock() - began < 3.0
        await visitor.close()


async def test_the_phones_page_names_who_serves_it_and_markup_in_that_is_none() -> None:
    async with meeting_server(owner="Ada <b>") as server:
        _, page = await get(server, "/relay/")
        assert '<meta name="served-by" content="Ada &lt;b&gt;">' in page
    async with meeting_server() as server:
        _, page = await get(server, "/relay/")
        assert 'content="somebody who gives no name"' in page
