"""A hub that moves is found again, and where it is stays written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.hub_link.paired import PairedHub
from relay.link.channel import Channel
from relay.link.errors import LinkError
from relay.link.messages import Places
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, forget_hub, load_hub, moved_hub, save_hub
from tests.relay.link.security.test_handshake import Hub
from tests.relay.link.test_reach import Net

RELAY = KeyPair.generate()
OLD, NEW = "ws://192.0.2.1:12346/link", "ws://192.0.2.2:12346/link"
SECURE = "wss://192.0.2.2:12347/link"
FAR = "wss://meet.example.org/at/" + "a" * 26
FURTHER = "wss://elsewhere.example.org/at/" + "a" * 26
# The page of a phone reads the same: known, own, meetings, reached, and what comes of it.
MOVES = [
    # Another address, another meeting point; where it is linked now stays.
    ((OLD, FAR), (NEW, SECURE), (FURTHER,), OLD, (OLD, NEW, FURTHER)),
    # What it says nothing of stays.
    ((OLD, FAR), (), (FURTHER,), OLD, (OLD, FURTHER)),
    ((OLD, FAR), (NEW,), (), OLD, (OLD, NEW)),
    # By a meeting point: never the first, and it stays.
    ((OLD, FAR), (NEW,), (FURTHER,), FAR, (NEW, FAR, FURTHER)),
    # Paired for elsewhere: it learns nothing of a home.
    ((FAR,), (NEW, SECURE), (FAR, FURTHER), FAR, (FAR, FURTHER)),
    # By wss only.
    (("wss://192.0.2.1:12347/link",), (NEW, SECURE), (), None, (SECURE,)),
    # What is no place.
    ((OLD,), ("ws://a b/link", "http://x/", "ws://h:1/other", NEW), ("ws://x/at/y",), None, (NEW,)),
    # Never nowhere.
    ((FAR,), (NEW,), (), None, (FAR,)),
]


@pytest.mark.parametrize(("known", "own", "meetings", "reached", "urls"), MOVES)
def test_where_a_hub_is_from_now_on(
    known: tuple[str, ...],
    own: tuple[str, ...],
    meetings: tuple[str, ...],
    reached: str | None,
    urls: tuple[str, ...],
) -> None:
    assert moved_hub(KnownHub(bytes(32), "hub", known), own, meetings, reached).urls == urls


KEY = "4807" * 16
DIRECT, FAR_DIRECT = f"iroh://{KEY},192.168.1.2:12349", f"iroh://{KEY},https://r.example"
# Known, direct, reached, and what comes of it; the page of a phone has no direct paths.
DIRECT_MOVES = [
    ((OLD,), (DIRECT,), OLD, (OLD, DIRECT)),
    ((OLD, DIRECT, FAR), (FAR_DIRECT,), OLD, (OLD, FAR_DIRECT)),
    # The hub has none any more.
    ((OLD, DIRECT), (), OLD, (OLD,)),
    ((OLD, DIRECT), (), DIRECT, (OLD, DIRECT)),
    # Paired for elsewhere: no address of a home.
    ((FAR_DIRECT,), (FAR_DIRECT + ",192.168.1.2:12349",), FAR_DIRECT, (FAR_DIRECT,)),
    ((FAR_DIRECT,), (DIRECT,), None, (FAR_DIRECT,)),
    # What is no place.
    ((OLD,), (f"iroh://{KEY}", "iroh://x", NEW), OLD, (OLD,)),
]


@pytest.mark.parametrize(("known", "direct", "reached", "urls"), DIRECT_MOVES)
def test_by_which_direct_paths_a_hub_is_found_from_now_on(
    known: tuple[str, ...], direct: tuple[str, ...], reached: str | None, urls: tuple[str, ...]
) -> None:
    assert moved_hub(KnownHub(bytes(32), "hub", known), (), (), reached, direct).urls == urls


def test_places_are_eight_at_most_and_meeting_points_are_among_them() -> None:
    own = [f"ws://192.0.2.{number}:1/link" for number in range(16)]
    meetings = [f"wss://m{number}.example.org/at/{'a' * 26}" for number in range(8)]
    hub = KnownHub(bytes(32), "hub", (OLD,))
    assert moved_hub(hub, own, meetings[:2], OLD).urls == (OLD, *own[:5], *meetings[:2])
    assert moved_hub(hub, own, meetings, OLD).urls == (OLD, *meetings[:7])


async def nobody(key: bytes) -> tuple[str, ...]:
    return ()


class World:
    """A hub at some of the places, and a relay that has paired with it."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        path: Path,
        at: str,
        known: tuple[str, ...] = (OLD,),
        look: Callable[[bytes], Awaitable[tuple[str, ...]]] = nobody,
    ) -> None:
        self.hub = Hub()
        self.hub.relays[RELAY.public] = "attic"
        places: dict[str, Hub | LinkError | None] = {
            url: LinkError(f"nobody at {url}") for url in (OLD, NEW, FAR, FURTHER)
        }
        self.net = Net(tasks, {**places, at: self.hub})
        self.path = path / "hub.json"
        hub = KnownHub(self.hub.key.public, "desk", known)
        save_hub(self.path, hub)
        self.paired = PairedHub(hub, RELAY, self.path, self.net.dial, look)

    async def linked(self) -> None:
        channel: Channel = await self.paired.connect()
        await channel.send(b"hello")

    async def kept(self) -> tuple[str, ...] | None:
        """What stands in the file, once it was written."""
        task = asyncio.ensure_future(self.paired.keep())
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task])
        hub = load_hub(self.path)
        return None if hub is None else hub.urls


async def test_what_the_hub_says_is_kept(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, OLD)
        await world.linked()
        world.paired.told(Places((NEW,), (FAR,)))
        assert await world.kept() == (OLD, NEW, FAR)


async def test_a_hub_with_a_new_address_is_found_by_looking_and_known_there(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def look(key: bytes) -> tuple[str, ...]:
        asked.append(key)
        return (OLD, NEW)

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, NEW, (OLD, FAR), look)
        await world.linked()
        assert asked == [world.hub.key.public]
        assert await world.kept() == (NEW, OLD, FAR)


async def test_who_answers_instead_of_the_hub_is_not_believed(tmp_path: Path) -> None:
    async def look(key: bytes) -> tuple[str, ...]:
        return (NEW,)

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, OLD, (FURTHER, OLD), look)
        world.hub.key = KeyPair.generate()
        with pytest.raises(LinkError):
            await world.linked()
        assert await world.kept() == (FURTHER, OLD)


async def test_another_hub_at_the_old_address_hides_nobody(tmp_path: Path) -> None:
    """A second hub of the house, or of another home that has the same addresses."""

    async def look(key: bytes) -> tuple[str, ...]:
        return (NEW,)

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, NEW, look=look)
        world.net.places[OLD] = Hub()
        await world.linked()
        assert await world.kept() == (NEW, OLD)


async def test_a_hub_that_is_busy_is_not_looked_for(tmp_path: Path) -> None:
    """All relays of a house come home at once, and each look takes its time."""

    async def never(key: bytes) -> tuple[str, ...]:
        raise AssertionError

    async def busy(channel: Channel) -> None:
        await channel.receive()
        await channel.send(bytes([RefusalCode.BUSY]))

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, NEW, look=never)
        world.net.places[OLD] = busy
        with pytest.raises(HandshakeRefused):
            await world.linked()


async def test_a_hub_that_says_no_is_not_looked_for(tmp_path: Path) -> None:
    async def never(key: bytes) -> tuple[str, ...]:
        raise AssertionError

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, OLD, look=never)
        world.hub.relays.clear()
        with pytest.raises(HandshakeRefused):
            await world.linked()


async def test_a_relay_that_was_paired_for_elsewhere_asks_no_home(tmp_path: Path) -> None:
    async def never(key: bytes) -> tuple[str, ...]:
        raise AssertionError

    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, OLD, (FAR,), never)
        with pytest.raises(LinkError, match="nobody at"):
            await world.linked()


async def test_a_new_pairing_is_not_overwritten(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, tmp_path, OLD)
        await world.linked()
        save_hub(world.path, KnownHub(bytes(32), "another", (FURTHER,)))
        world.paired.told(Places((NEW,), ()))
        assert await world.kept() == (FURTHER,)
        forget_hub(world.path)
        world.paired.told(Places((), (FAR,)))
        assert await world.kept() is None
