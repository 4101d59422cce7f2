"""Relays that come by the hub's key: let in, counted, sent away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from forwarder.clients.budget import Budget
from forwarder.config import PUBLIC_RELAYS
from forwarder.connectors.base import LinkPath, PathKind
from forwarder.connectors.bounds import (
    DIRECT_JOIN_S,
    MEETING_BURST,
    MEETING_BURST_EACH,
    PROOF_S,
    STRANGERS,
    Purpose,
)
from forwarder.connectors.direct import DirectPaths, DirectVisit
from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting_ids import OnMeetingVisit, SettleVisit
from forwarder.errors import ConfigError
from relay.link.channel import Channel, channel_pair
from relay.link.direct.endpoint import dial_direct
from relay.link.direct.place import DirectPlace
from relay.link.security.noise import KeyPair
from tests.doubles.clock import run_virtual
from tests.relay.link.direct.pairs import listening
from tests.system.processes import until

KEY = KeyPair.generate()


class Stranger:
    """Somebody who dials, and says something after a while."""

    def __init__(self, address: str, after_s: float = 0.0, *, shown: bool = False) -> None:
        self.address = address
        self.relayed = address.startswith("relay")
        self.after_s = after_s
        self.shown = shown
        self.asked = self.refused = False

    async def join(self) -> Channel:
        await asyncio.sleep(self.after_s)
        return channel_pair()[0]

    async def refuse(self) -> None:
        self.refused = True

    async def show(self) -> None:
        self.asked = True


@contextlib.asynccontextmanager
async def running(
    paths: DirectPaths, handler: Callable[[Channel, SettleVisit], Awaitable[None]]
) -> AsyncIterator[None]:
    async with listening():
        pass  # skips where the library is not there
    task = asyncio.ensure_future(paths.run_visits(handler))
    try:
        await asyncio.wait_for(paths.ready.wait(), 10)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_relay_comes_by_the_key_alone_and_says_by_which_path() -> None:
    doors, met = Doors(), asyncio.Queue[LinkPath]()
    paths = DirectPaths(KEY, doors, host="127.0.0.1")

    async def handle(channel: Channel, settle: SettleVisit) -> None:
        assert await channel.receive() == b"hello"
        assert settle(b"key")
        met.put_nowait(paths.path(channel))
        await channel.send(b"welcome")
        await channel.receive()

    assert paths.place(away=False) is None
    async with running(paths, handle):
        assert paths.place(away=True) is None
        place = paths.place(away=False)
        assert place is not None
        channel = await dial_direct(place)
        await channel.send(b"hello")
        assert await channel.receive() == b"welcome"
        path = await met.get()
        assert path.kind is PathKind.DIRECT
        assert path.where.startswith("127.0.0.1:")
        assert doors.count == 1
        await channel.close()
        await until(lambda: doors.count == 0, "its place is free")
    assert paths.place(away=False) is None


async def test_with_an_iroh_relay_no_address_of_this_network_is_told() -> None:
    paths = DirectPaths(
        KEY, Doors(), relays=["http://127.0.0.1:9/"], at=["203.0.113.5:12349"], host="127.0.0.1"
    )

    async def handle(channel: Channel, settle: SettleVisit) -> None:
        raise AssertionError

    async with running(paths, handle):
        place = paths.place(away=False)
        assert place is not None
        assert place == DirectPlace(place.key, "http://127.0.0.1:9", ("203.0.113.5:12349",))


@pytest.mark.parametrize(("relays", "at"), [(["relay.example.org"], []), ([], ["home.example:5"])])
def test_what_is_no_relay_and_no_address_is_said(relays: list[str], at: list[str]) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        DirectPaths(KEY, Doors(), relays=relays, at=at)
    assert DirectPaths(KEY, Doors(), relays=[PUBLIC_RELAYS]).public


def test_who_does_not_come_or_does_not_prove_itself_is_sent_away_in_time() -> None:
    async def main() -> None:
        doors = Doors()
        paths = DirectPaths(KEY, doors)
        served: list[str] = []

        async def handle(channel: Channel, settle: SettleVisit) -> None:
            served.append(channel.peer)
            await channel.receive()

        async with asyncio.TaskGroup() as visits:
            await paths._came(Stranger("192.0.2.1:5", 60.0), handle, visits)
            await paths._came(Stranger("192.0.2.2:5"), handle, visits)
            await asyncio.sleep(DIRECT_JOIN_S + 0.1)
            assert doors.count == len(served) == 1
            await asyncio.sleep(PROOF_S - DIRECT_JOIN_S)
            assert doors.count == 0

    run_virtual(main())


def test_a_crowd_has_a_bounded_number_of_places_and_dialings() -> None:
    async def main() -> None:
        doors = Doors()
        paths = DirectPaths(KEY, doors)

        async def handle(channel: Channel, settle: SettleVisit) -> None:
            await channel.receive()

        strangers = [Stranger(f"192.0.2.{n % 250}:{n}", shown=True) for n in range(200)]
        async with asyncio.TaskGroup() as visits:
            for stranger in strangers:
                await paths._came(stranger, handle, visits)
            assert doors.count <= STRANGERS[Purpose.DIRECT].most
            assert sum(not stranger.refused for stranger in strangers) == MEETING_BURST
            # All who come by an iroh relay are counted as one, and no crowd of others is in their
            # way.
            for _ in range(8):
                relayed = Stranger("relay https://r.example:443")
                await paths._came(relayed, handle, visits)
                assert not relayed.refused
            assert doors.count <= STRANGERS[Purpose.DIRECT].most

    run_virtual(main())


def test_one_machine_uses_up_nobody_elses_dialings() -> None:
    async def main() -> None:
        paths = DirectPaths(KEY, Doors())

        async def handle(channel: Channel, settle: SettleVisit) -> None:
            await channel.receive()

        flood = [Stranger(f"192.0.2.1:{number}", shown=True) for number in range(200)]
        async with asyncio.TaskGroup() as visits:
            for stranger in flood:
                await paths._came(stranger, handle, visits)
            assert sum(not stranger.refused for stranger in flood) == MEETING_BURST_EACH
            relay = Stranger("192.0.2.2:5")
            await paths._came(relay, handle, visits)
            assert not relay.refused

    run_virtual(main())


def test_addresses_that_anybody_can_write_use_up_half_at_most() -> None:
    async def main() -> None:
        paths = DirectPaths(KEY, Doors())

        async def handle(channel: Channel, settle: SettleVisit) -> None:
            await channel.receive()

        forged = [Stranger(f"198.51.{n % 250}.{n // 250}:9") for n in range(1_000)]
        async with asyncio.TaskGroup() as visits:
            for stranger in forged:
                await paths._came(stranger, handle, visits)
            assert sum(not stranger.asked for stranger in forged) == MEETING_BURST // 2 + 1
            relay = Stranger("192.0.2.2:5", shown=True)
            await paths._came(relay, handle, visits)
            assert not relay.refused

    run_virtual(main())


class Crowded(DirectPaths):
    """Half of what may come at once has come. `came`: whether each was shown to be where it is."""

    def __init__(self, now: float) -> None:
        super().__init__(KEY, Doors(), host="127.0.0.1")
        self.came: list[bool] = []
        budget = self._calls._by_id["datagrams"] = Budget(0.001, MEETING_BURST, now)
        budget.spend(MEETING_BURST / 2 + 1, now)

    async def _came(
        self,
        visitor: DirectVisit,
        handler: OnMeetingVisit,
        visits: asyncio.TaskGroup,
    ) -> None:
        self.came.append(visitor.shown)
        await super()._came(visitor, handler, visits)


async def test_a_relay_that_has_to_show_where_it_is_comes_all_the_same() -> None:
    paths = Crowded(asyncio.get_running_loop().time())

    async def handle(channel: Channel, settle: SettleVisit) -> None:
        await channel.send(await channel.receive())

    async with running(paths, handle):
        place = paths.place(away=False)
        assert place is not None
        channel = await dial_direct(place)
        await channel.send(b"hello")
        assert await channel.receive() == b"hello"
        assert paths.came == [False, True]
        await channel.close()
