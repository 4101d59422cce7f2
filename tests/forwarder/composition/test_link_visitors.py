"""Both ends of a handshake wired together: who is served as what, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any

import pytest

from forwarder.access.admission import Admitted, HttpVisitor
from forwarder.access.comparing import ComparingDesk
from forwarder.access.grants import GrantTable
from forwarder.access.relay_keys import HubTrust, RelayBook
from forwarder.access.shares import ShareBook
from forwarder.composition.link_visitors import LinkVisitors
from forwarder.connectors.base import LinkPath, PathKind, PathNow, local_path
from relay.link.channel import Channel, MemoryChannel, channel_pair
from relay.link.errors import LinkRefused
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_relay
from tests.doubles.clock import run_virtual

DIRECT = LinkPath(PathKind.DIRECT, "203.0.113.5:1")
# By which each door says that a link goes; channels in memory have no address.
PATHS = {
    "came": LinkPath(PathKind.NETWORK, "in-process"),
    "met": LinkPath(PathKind.MEETING),
    "dialed": DIRECT,
}
ATTIC, STRANGER = KeyPair.generate(), KeyPair.generate()


class Served:
    """In the place of relays and guests: notes who would be driven."""

    def __init__(self) -> None:
        self.driven: list[tuple[str | None, str]] = []
        self.paths: list[LinkPath] = []

    async def drive(
        self, channel: Channel, key: str | None, name: str = "", path: PathNow = local_path
    ) -> None:
        self.driven.append((key, name))
        self.paths.append(path())


class Visited:
    """A hub's door, its one relay, and what became of who came."""

    def __init__(self) -> None:
        self.trust = HubTrust(KeyPair.generate(), "Kim", RelayBook(None))
        self.trust.book.add(ATTIC.public, "attic")
        self.served = Served()
        self.visitors = LinkVisitors(
            self.trust,
            ShareBook(GrantTable(None)),
            self.served,  # type: ignore[arg-type]  # all that is asked of it
            self.served,  # type: ignore[arg-type]
            ComparingDesk(),
        )
        self.settled: list[Hashable | None] = []
        self.room = True

    def settle(self, who: Hashable | None) -> bool:
        self.settled.append(who)
        return self.room

    async def came(self, channel: Channel) -> None:
        await self.visitors.came(channel, Admitted(HttpVisitor("10.0.0.9"), settle=self.settle))

    async def met(self, channel: Channel) -> None:
        await self.visitors.met(channel, self.settle)

    async def met_guest(self, channel: Channel) -> None:
        await self.visitors.met_guest(channel, self.settle)

    async def dialed(self, channel: Channel) -> None:
        await self.visitors.dialed(lambda _: DIRECT, channel, self.settle)

    async def visit(
        self, door: Callable[[MemoryChannel], Coroutine[Any, Any, None]], key: KeyPair
    ) -> BaseException | None:
        """Have a relay with `key` knock there; returns what the hub's end of it raised."""
        there, here = channel_pair()
        serving = asyncio.create_task(door(here))
        knock = secure_as_relay(there, key, hub_key=self.trust.key.public)
        await asyncio.gather(serving, knock, return_exceptions=True)
        return serving.exception()


def visited(scene: Callable[[Visited], Awaitable[None]]) -> None:
    async def play() -> None:
        await scene(Visited())

    run_virtual(play())


@pytest.mark.parametrize("door", ["came", "met", "dialed"])
def test_a_relay_that_is_known_is_driven_under_its_key_and_name(door: str) -> None:
    async def scene(hub: Visited) -> None:
        assert await hub.visit(getattr(hub, door), ATTIC) is None
        assert hub.served.driven == [(ATTIC.public.hex(), "attic")]
        assert hub.settled == [ATTIC.public]
        assert hub.served.paths == [PATHS[door]]

    visited(scene)


@pytest.mark.parametrize("door", ["came", "met", "met_guest", "dialed"])
def test_a_stranger_is_refused_and_settles_nothing(door: str) -> None:
    async def scene(hub: Visited) -> None:
        assert isinstance(await hub.visit(getattr(hub, door), STRANGER), HandshakeRefused)
        assert not hub.served.driven
        assert not hub.settled

    visited(scene)


def test_by_the_id_of_a_share_no_relay_comes_in() -> None:
    async def scene(hub: Visited) -> None:
        assert isinstance(await hub.visit(hub.met_guest, ATTIC), HandshakeRefused)
        assert not hub.served.driven

    visited(scene)


def test_where_the_places_are_taken_it_is_turned_away_by_name() -> None:
    async def scene(hub: Visited) -> None:
        hub.room = False
        error = await hub.visit(hub.came, ATTIC)
        assert isinstance(error, LinkRefused)
        assert "attic" in str(error)
        assert not hub.served.driven

    visited(scene)


def test_a_plain_link_of_this_machine_needs_no_handshake() -> None:
    async def scene(hub: Visited) -> None:
        _, here = channel_pair()
        await hub.visitors.plain(here, Admitted(HttpVisitor("127.0.0.1")))
        assert hub.served.driven == [(None, "")]

    visited(scene)


def test_a_crowd_at_a_meeting_point_shuts_no_other_door() -> None:
    async def scene(hub: Visited) -> None:
        crowd = [channel_pair() for _ in range(200)]
        waiting = [asyncio.create_task(hub.met(here)) for _, here in crowd]
        await asyncio.sleep(0)
        assert await hub.visit(hub.came, ATTIC) is None
        assert hub.served.driven
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    visited(scene)
