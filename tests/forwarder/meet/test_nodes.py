"""Several meeting points behind one name, over a stock nats-server: the hub at one, the visitor at
another. Servers are processes; what is lost with one of them is lost, and nothing comes late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from forwarder.errors import ConfigError
from forwarder.meet.bounds import DEFAULT, WINDOW_BYTES, Bounds
from forwarder.meet.server import MeetingServer
from relay.link.channel import Channel
from relay.link.close_codes import NOT_HERE, POINT_FULL
from relay.link.errors import ChannelClosed
from relay.link.security.meeting import visit_url
from relay.link.websocket import WebSocketChannel, dial
from tests.forwarder.meet.one_name import Nats, nats_server, one_name
from tests.forwarder.meet.points import House, running
from tests.forwarder.meet.test_server import closed
from tests.system.processes import free_ports, until

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def node(nats: Nats, name: int, bounds: Bounds = DEFAULT) -> AsyncIterator[MeetingServer]:
    """A node that goes by the name of the port `name`, as all of them do."""
    server = MeetingServer(
        port=free_ports(1)[0], origin=f"http://localhost:{name}", hosts=("127.0.0.1",),
        bounds=bounds, nats=nats.url,
    )  # fmt: skip
    server.bind()
    ready = asyncio.Event()
    async with running(server.run(ready.set)):
        await ready.wait()
        yield server


@asynccontextmanager
async def house_alone(server: MeetingServer, hub: House | None = None) -> AsyncIterator[House]:
    """One at a node that may have lost the others."""
    hub = hub or House(server)
    hub.point.by = f"http://127.0.0.1:{server.bind()}"
    async with running(hub.run()):
        await hub.registered()
        yield hub
        hub.over.set()


@asynccontextmanager
async def house_at(server: MeetingServer, hub: House | None = None) -> AsyncIterator[House]:
    async with house_alone(server, hub) as there:
        assert server._nodes is not None
        nodes, id = server._nodes, there.point.url.rpartition("/")[2]
        await until(lambda: id in nodes._listening, "other nodes can ask for it")
        yield there


async def visit(server: MeetingServer, hub: House) -> WebSocketChannel:
    id = hub.point.url.rpartition("/")[2]
    return await dial(visit_url(f"http://127.0.0.1:{server.bind()}", id), heartbeat_s=None)


async def test_a_hub_at_one_node_meets_its_visitor_at_another() -> None:
    async with (
        nats_server() as nats,
        node(nats, 1) as near,
        node(nats, 1) as far,
        house_at(near) as hub,
    ):
        visitor = await visit(far, hub)
        there = await hub.came.get()
        await visitor.send(b"ciphertext")
        await visitor.send("text")
        assert [await there.receive(), await there.receive()] == [b"ciphertext", "text"]
        for number in range(100):
            await there.send(number.to_bytes(2, "big") * 500)
        for number in range(100):
            assert await visitor.receive() == number.to_bytes(2, "big") * 500
        assert (near.table.counts["pairs"], far.table.counts["pairs"]) == (1, 1)
        await there.close(4321, "because")
        with pytest.raises(ChannelClosed) as end:
            await visitor.receive()
        assert (end.value.code, end.value.reason) == (4321, "because")
        await visitor.close()
        await until(lambda: not near.table.counts["pairs"] + far.table.counts["pairs"], "none")
        assert near._nodes is not None
        assert not near._nodes._ends


async def test_a_hub_that_is_nowhere_is_told_at_once_and_bounds_hold_over_nodes() -> None:
    few = Bounds(visits_hub=1)
    async with (
        nats_server() as nats,
        node(nats, 1, few) as near,
        node(nats, 1) as far,
        house_at(near) as hub,
    ):
        url = f"http://127.0.0.1:{far.bind()}"
        assert (await closed(visit_url(url, "a" * 26))).code == NOT_HERE
        visitor = await visit(far, hub)
        await hub.came.get()
        refused = await closed(visit_url(url, hub.point.url.rpartition("/")[2]))
        assert (refused.code, "too often" in refused.reason) == (POINT_FULL, True)
        await visitor.close()


async def test_a_slow_end_holds_its_sender_back_over_nodes() -> None:
    fast = Bounds(bytes_s=1 << 30)
    async with (
        nats_server() as nats,
        node(nats, 1, fast) as near,
        node(nats, 1, fast) as far,
        house_at(near) as hub,
    ):
        visitor = await visit(far, hub)
        there = await hub.came.get()
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await visitor.send(bytes(32_000))
                sent += 32_000

        async with running(flood()):
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 40 << 20
            (end,) = far._nodes._ends  # type: ignore[union-attr]
            assert end._on_its_way <= WINDOW_BYTES + 32_000
            # Whoever reads at last gets all of it, in order.
            for _ in range(20):
                assert await there.receive() == bytes(32_000)
        await there.close()
        await visitor.close()


async def say_until_it_ends(channel: Channel, frame: bytes) -> None:
    try:
        while True:
            await channel.send(frame)
            await asyncio.sleep(0.01)
    except ChannelClosed:
        return


async def ends(channel: Channel) -> None:
    """What is heard until then is nothing new."""
    try:
        async with asyncio.timeout(3):
            while True:
                assert await channel.receive() == b"stale"
    except ChannelClosed:
        return


async def again(server: MeetingServer, hub: House) -> tuple[WebSocketChannel, bytes | str]:
    """A visitor of a hub at another node, once both nodes have found each other."""
    async with asyncio.timeout(10):
        while True:
            channel = await visit(server, hub)
            await channel.send(b"fresh")
            try:
                async with asyncio.timeout(0.5):
                    return channel, await (await hub.came.get()).receive()
            except (TimeoutError, ChannelClosed):
                await channel.close()
                await asyncio.sleep(0.1)


async def test_what_nats_loses_ends_the_pair_and_never_comes_late() -> None:
    async with (
        nats_server() as nats,
        node(nats, 1) as near,
        node(nats, 1) as far,
        house_at(near) as hub,
    ):
        visitor = await visit(far, hub)
        there = await hub.came.get()
        await visitor.send(b"before")
        assert await there.receive() == b"before"
        clock = asyncio.get_running_loop().time
        lost = clock()
        await nats.kill()
        saying = [
            asyncio.ensure_future(say_until_it_ends(channel, b"stale"))
            for channel in (visitor, there)
        ]
        await asyncio.gather(ends(visitor), ends(there))
        assert clock() - lost < 1.0
        assert hub.point.registered  # its socket is the node's own
        await asyncio.gather(*saying)
        await nats.start()
        channel, heard = await again(far, hub)
        assert heard == b"fresh"
        await channel.close()
        await visitor.close()


async def test_a_node_that_nats_refuses_for_good_goes_on_alone_and_comes_back() -> None:
    async with (
        nats_server() as nats,
        node(nats, 1) as near,
        node(nats, 1) as far,
        house_at(near) as hub,
    ):
        for server in (near, far):
            assert server._nodes is not None
            client = server._nodes._nats
            assert client is not None
            # As its parser does for `-ERR`: for most of them the library gives up for ever.
            await client._process_err("'maximum subscriptions exceeded'")
            await until(partial(getattr, client, "is_closed"), "the library has given up")
        # A hub that comes meanwhile is served, like its visitors at the same node.
        async with house_alone(far) as other:
            visitor = await visit(far, other)
            await visitor.send(b"here")
            assert await (await other.came.get()).receive() == b"here"
            await visitor.close()
        channel, heard = await again(far, hub)
        assert heard == b"fresh"
        await channel.close()


async def test_hubs_of_a_node_that_dies_are_back_at_another_within_two_seconds() -> None:
    """Both nodes are behind one name, here a door that leads to whichever is there."""
    (name,) = free_ports(1)
    doors: list[int] = []
    async with nats_server() as nats, node(nats, name) as stays, one_name(name, doors):
        dies = node(nats, name)
        gone = await dies.__aenter__()
        doors += [gone.bind(), stays.bind()]
        hub = House(stays)
        async with running(hub.run()):
            await until(lambda: gone.table.counts["hubs"] == 1, "the hub at the first node")
            clock = asyncio.get_running_loop().time
            died = clock()
            await dies.__aexit__(None, None, None)
            await until(lambda: stays.table.counts["hubs"] == 1, "the hub at the other one")
            assert clock() - died <= 2.0
            visitor = await visit(stays, hub)
            await hub.came.get()
            hub.over.set()
            await visitor.close()


async def test_a_hub_that_has_come_to_another_node_is_dead_at_its_old_one() -> None:
    async with (
        nats_server() as nats,
        node(nats, 1) as old,
        node(nats, 1) as new,
        house_at(old) as hub,
    ):
        hub.point.by = "http://127.0.0.1:1"  # when it is lost here, it does not come back
        again = House(new, hub.key)
        async with house_at(new, again):
            await until(lambda: old.table.counts["hubs"] == 0, "the old registration ends")
            visitor = await visit(old, again)
            await again.came.get()
            await visitor.close()


async def test_a_server_that_is_not_there_is_said_at_the_start() -> None:
    server = MeetingServer(
        port=0, origin="http://localhost:1", hosts=("127.0.0.1",),
        nats="nats://meet:secret@127.0.0.1:9",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"--nats: nats://127\.0\.0\.1:9 cannot be reached") as no:
        await server.run()
    assert "secret" not in str(no.value)
    server.close()
