"""The ids of shares: a hub answers to several, each dead as soon as it has ended."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from forwarder.connectors.bounds import (
    MEETING_BURST,
    MEETING_BURST_DERIVED,
    MEETING_BURST_EACH,
    MEETING_IDS_MOST,
    MEETING_NETWORKS,
    MEETING_VISITS_EACH_S,
)
from forwarder.connectors.meeting_ids import MeetingCalls, SettleVisit
from forwarder.errors import ConfigError
from forwarder.meet.bounds import DEFAULT, Bounds
from forwarder.meet.table import RegisteredHub, Visit
from relay.link.channel import Channel
from relay.link.close_codes import NOT_HERE
from relay.link.errors import ChannelClosed, LinkError
from relay.link.security.meeting import derived_id, visit_url
from relay.link.websocket import WebSocketChannel, dial
from tests.forwarder.meet.points import House, house, meeting_server, running
from tests.forwarder.meet.test_server import closed
from tests.system.processes import free_ports, until

SEED, OTHER_SEED = bytes(16), b"o" * 16


class Guests:
    """What came by one id."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Channel] = asyncio.Queue()
        self.over = asyncio.Event()

    async def serve(self, channel: Channel, settle: SettleVisit) -> None:
        self.came.put_nowait(channel)
        await self.over.wait()


async def guest(hub: House, id: str) -> WebSocketChannel:
    return await dial(visit_url(hub.point.origin, id), heartbeat_s=None)


async def here(hub: House, id: str) -> bool:
    """Whether somebody who comes by `id` is let wait, a moment long."""
    channel = await guest(hub, id)
    try:
        async with asyncio.timeout(0.2):
            await channel.receive()
    except TimeoutError:
        return True
    except ChannelClosed:
        return False
    finally:
        await channel.close()
    raise AssertionError("a frame from nowhere")


async def test_visitors_are_served_by_what_they_come_by() -> None:
    async with meeting_server() as server, house(server) as hub:
        one, two = Guests(), Guests()
        ids = [hub.ids.add(SEED, one.serve), hub.ids.add(OTHER_SEED, two.serve)]
        await until(lambda: len(server.table._registered) == 3, "both ids")
        for guests, id in ((two, ids[1]), (one, ids[0])):
            channel = await guest(hub, id)
            there = await guests.came.get()
            await channel.send(b"to a share")
            assert await there.receive() == b"to a share"
            guests.over.set()
            await channel.close()
        visitor, _ = await hub.visited()
        await visitor.close()
        assert [one.came.qsize(), two.came.qsize()] == [0, 0]


async def test_an_ended_id_is_dead_within_a_second_and_who_is_here_stays() -> None:
    clock = asyncio.get_running_loop().time
    async with meeting_server() as server, house(server) as hub:
        guests = Guests()
        id = hub.ids.add(SEED, guests.serve)
        await until(lambda: id in server.table._registered, "the id")
        channel = await guest(hub, id)
        there = await guests.came.get()
        began = clock()
        hub.ids.end(SEED)
        while await here(hub, id):
            pass
        assert clock() - began < 1.0
        assert (await closed(visit_url(hub.point.origin, id))).code == NOT_HERE
        await channel.send(b"still")
        assert await there.receive() == b"still"
        guests.over.set()
        await channel.close()


async def test_a_meeting_point_that_keeps_an_ended_id_alive_gets_no_answer_to_it() -> None:
    async with meeting_server() as server, house(server) as hub:
        guests = Guests()
        id = hub.ids.add(SEED, guests.serve)
        await until(lambda: id in server.table._registered, "the id")
        hub.ids.end(SEED)
        (registration,) = server._hubs
        registration.tell(visit(registration, id, 0))
        visitor, _ = await hub.visited()
        assert guests.came.empty()
        assert hub.doors.count == 1
        await visitor.close()


async def test_ids_come_back_with_the_hub() -> None:
    (port,) = free_ports(1)
    guests = Guests()
    async with meeting_server(port) as server:
        hub = House(server)
        hub.ids.add(SEED, guests.serve)
        hub.ids.add(OTHER_SEED, guests.serve)
        work = running(hub.run())
        await work.__aenter__()
        await until(lambda: len(server.table._registered) == 3, "all ids")
    try:
        await until(lambda: not hub.point.registered, "the loss")
        hub.ids.end(OTHER_SEED)
        async with meeting_server(port) as server:
            await until(lambda: len(server.table._registered) == 2, "what is left")
            assert derived_id(hub.key.public, SEED) in server.table._registered
    finally:
        await work.__aexit__(None, None, None)


async def test_so_many_ids_and_no_more() -> None:
    assert DEFAULT.derived_each == MEETING_IDS_MOST
    async with meeting_server(bounds=Bounds(derived_each=2)) as server, house(server) as hub:
        for _ in range(MEETING_IDS_MOST):
            hub.ids.add(secrets.token_bytes(16), Guests().serve)
        with pytest.raises(ConfigError, match="end one first"):
            hub.ids.add(secrets.token_bytes(16), Guests().serve)
        await until(lambda: len(server.table._registered) == 3, "the two ids that are granted")
        assert hub.point.registered


async def test_a_hub_that_changes_its_ids_without_end_is_sent_away() -> None:
    async with meeting_server(bounds=Bounds(wishes_each=4)) as server, house(server) as hub:
        (first,) = server._hubs
        for _ in range(3):
            hub.ids.add(SEED, Guests().serve)
            hub.ids.end(SEED)
        await until(lambda: first not in server._hubs, "its end")


async def test_flooding_the_id_of_a_share_keeps_no_relay_out() -> None:
    """Both by the bounds of an honest meeting point and with one that passes everything on."""
    async with meeting_server() as server, house(server) as hub:
        guests = Guests()
        id = hub.ids.add(SEED, guests.serve)
        await until(lambda: id in server.table._registered, "the id")
        (registration,) = server._hubs
        for number in range(500):
            registration.tell(visit(registration, id, number))
        flood = [asyncio.ensure_future(_knock(hub, id)) for _ in range(40)]
        visitor, there = await hub.visited()
        await visitor.send(b"a relay")
        assert await there.receive() == b"a relay"
        await asyncio.gather(*flood)
        # Of 540 that asked it dialed for these, and for what is granted in some seconds.
        assert guests.came.qsize() <= MEETING_BURST_DERIVED + 10
        await visitor.close()


def visit(hub: RegisteredHub, id: str, number: int) -> Visit:
    """What a table without any bounds would tell `hub` of."""
    address = f"198.51.{number // 250}.{number % 250}"
    return Visit(hub, id, address, f"{number:04}{'x' * 16}", 0.0, lambda why: None)


async def _knock(hub: House, id: str) -> None:
    try:
        channel = await guest(hub, id)
    except LinkError:
        return
    await channel.close()


def test_one_network_has_a_small_part_of_what_a_hub_dials_and_nobody_more_than_without_it() -> None:
    calls = MeetingCalls("own")
    flood = sum(calls.may("own", "198.51.100.1", 0.0) for _ in range(100))
    assert flood == MEETING_BURST_EACH
    assert calls.may("own", "203.0.113.9", 0.0), "another network is not kept out"
    assert not calls.may("own", "198.51.100.1", 0.5)
    assert calls.may("own", "198.51.100.1", 1 / MEETING_VISITS_EACH_S)
    # Who states a new one for each visitor has what there is of the id.
    many = sum(calls.may("own", f"192.0.{n // 250}.{n % 250}", 60.0) for n in range(1000))
    assert many == MEETING_BURST


def test_one_ipv6_customer_is_one_network_at_a_meeting_point_too() -> None:
    calls = MeetingCalls("own")
    flood = sum(calls.may("own", f"2001:db8::{n:x}", 0.0) for n in range(100))
    assert flood == MEETING_BURST_EACH


def test_what_is_refused_to_a_network_costs_the_id_nothing() -> None:
    calls = MeetingCalls("own")
    for _ in range(1000):
        calls.may("share", "198.51.100.1", 0.0)
    for _ in range(1000):
        calls.may("own", "198.51.100.1", 0.0)
    others = sum(calls.may("own", f"192.0.2.{n}", 0.0) for n in range(100))
    assert others == MEETING_BURST, "of this id nothing was taken"


def test_the_networks_that_are_counted_are_bounded() -> None:
    calls = MeetingCalls("own")
    for n in range(10 * MEETING_NETWORKS):
        calls.may("own", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", n * 1.0)
    assert len(calls._by_network) == MEETING_NETWORKS
