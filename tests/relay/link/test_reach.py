from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.link.channel import Channel, Frame, MemoryChannel, channel_pair
from relay.link.errors import ChannelClosed, LinkError, PartMissing
from relay.link.reach import connect, pair, reach
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, advertised
from relay.link.security.secure import secure_as_hub
from tests.doubles.clock import run_virtual
from tests.relay.link.security.test_handshake import Hub

_RELAY = KeyPair.generate()
_SECRET = bytes(range(32))


Somebody = Callable[[Channel], Awaitable[None]]


class Net:
    """Places by URL: a hub, who else answers there, an error, or None for one that swallows every
    packet."""

    def __init__(self, tasks: asyncio.TaskGroup, places: dict[str, Hub | LinkError | None]) -> None:
        self._tasks = tasks
        self.places: dict[str, Hub | LinkError | Somebody | None] = {**places}
        self.dialed: list[tuple[float, str]] = []
        self.ends: list[MemoryChannel] = []

    async def dial(self, url: str) -> Channel:
        self.dialed.append((round(asyncio.get_running_loop().time(), 2), url))
        place = self.places[url]
        if isinstance(place, LinkError):
            raise place
        if place is None:
            await asyncio.sleep(10)
            raise LinkError(f"{url} did not answer")
        ours, theirs = channel_pair()
        self.ends.append(theirs)
        self._tasks.create_task(self._serve(theirs, place))
        return ours

    async def _serve(self, channel: MemoryChannel, hub: Hub | Somebody) -> None:
        try:
            if not isinstance(hub, Hub):
                await hub(channel)
                return
            secure, _ = await secure_as_hub(channel, hub)
            await secure.receive()
        except LinkError:
            return


def test_the_first_place_that_answers_well_is_taken() -> None:
    async def main() -> None:
        hub, other = Hub(), Hub()
        other.secret = RefusalCode.WRONG_CODE
        link = advertised(_SECRET, ["silent", "closed", "other", "right", "never"], 1)
        urls = link.urls()
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, dict(zip(urls, [None, LinkError("no"), other, hub, hub], strict=True)))
            known = await pair(link, _RELAY, "attic", net.dial)
        assert known.key == hub.key.public
        assert known.name == "desk"
        assert known.urls[0] == urls[3]
        assert set(known.urls) == set(urls)
        assert net.dialed == [(0.25 * n, url) for n, url in enumerate(urls[:4])]
        assert hub.relays == {_RELAY.public: "attic"}

    run_virtual(main())


def test_a_place_that_answers_and_says_nothing_holds_nobody_up() -> None:
    async def main() -> None:
        hub = Hub()
        hub.relays[_RELAY.public] = "attic"
        silent: list[MemoryChannel] = []

        async def dial(url: str) -> Channel:
            if "//right" in url:
                return await net.dial(url)
            ours, theirs = channel_pair()
            silent.append(theirs)
            return ours

        known = KnownHub(hub.key.public, "desk", ("ws://mute/link", "ws://right/link"))
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, {"ws://right/link": hub})
            channel, _ = await connect(known, _RELAY, dial)
            assert asyncio.get_running_loop().time() < 0.5
            await channel.send(b"hello")
        with pytest.raises(ChannelClosed):
            await silent[0].send(b"")

    run_virtual(main())


def test_a_loser_that_takes_no_goodbye_costs_a_tenth_of_a_second() -> None:
    class Stuck(MemoryChannel):
        async def close(self, code: int = 1000, reason: str = "") -> None:
            await asyncio.sleep(1)

    async def main() -> None:
        lanes = channel_pair()

        async def dial(url: str) -> Channel:
            return Stuck.__new__(Stuck) if url == "stuck" else lanes[0]

        async def greet(channel: Channel) -> str:
            if isinstance(channel, Stuck):
                await asyncio.sleep(99)
            return "here"

        assert await reach(["stuck", "good"], dial, greet) == ("here", "good")
        assert asyncio.get_running_loop().time() == pytest.approx(0.35)

    run_virtual(main())


def test_of_two_that_answer_at_once_the_better_is_taken_and_the_other_closed() -> None:
    async def main() -> None:
        kept: list[MemoryChannel] = []
        both = asyncio.Event()

        async def dial(url: str) -> Channel:
            ours, theirs = channel_pair()
            kept.append(theirs)
            return ours

        async def greet(channel: Channel) -> Channel:
            if len(kept) == 2:
                both.set()
            await both.wait()
            return channel

        channel, url = await reach(["a", "b"], dial, greet)
        assert url == "a"
        await channel.send(b"x")
        with pytest.raises(ChannelClosed):
            await kept[1].receive()

    run_virtual(main())


def test_coming_back_needs_no_code() -> None:
    async def main() -> None:
        hub = Hub()
        hub.relays[_RELAY.public] = "attic"
        known = KnownHub(hub.key.public, "desk", ("ws://a/link", "ws://b/link"))
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, {"ws://a/link": hub, "ws://b/link": hub})
            channel, _ = await connect(known, _RELAY, net.dial)
            assert len(net.dialed) == 1
            await channel.send(b"hello")

    run_virtual(main())


def test_a_refusal_says_more_than_silence() -> None:
    async def main() -> None:
        hub = Hub()
        hub.secret = RefusalCode.CODE_SPENT
        link = advertised(_SECRET, ["right", "silent"], 1)
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, dict(zip(link.urls(), [hub, None], strict=True)))
            with pytest.raises(HandshakeRefused, match="already used"):
                await pair(link, _RELAY, "attic", net.dial)

    run_virtual(main())


def test_without_any_answer_the_last_error_is_told() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, {"a": LinkError("first"), "b": LinkError("second")})
            with pytest.raises(LinkError, match="second"):
                await reach(["a", "b"], net.dial, _never)

    run_virtual(main())


def test_connections_that_lost_the_race_are_closed() -> None:
    async def main() -> None:
        kept: list[MemoryChannel] = []

        async def dial(url: str) -> Channel:
            ours, theirs = channel_pair()
            kept.append(theirs)
            return ours

        async def greet(channel: Channel) -> Frame:
            return await channel.receive()

        async with asyncio.TaskGroup() as tasks:
            reaching = tasks.create_task(reach(["a", "b", "c"], dial, greet))
            await asyncio.sleep(1)
            await kept[0].send(b"here")
            assert await reaching == (b"here", "a")
        for loser in kept[1:]:
            with pytest.raises(ChannelClosed):
                await loser.receive()

    run_virtual(main())


def test_cancelled_it_leaves_nothing_open() -> None:
    async def main() -> None:
        kept: list[MemoryChannel] = []

        async def dial(url: str) -> Channel:
            if "//b" in url:
                await asyncio.sleep(99)
            ours, theirs = channel_pair()
            kept.append(theirs)
            return ours

        task = asyncio.ensure_future(
            pair(advertised(_SECRET, ["a", "b", "c"], 1), _RELAY, "attic", dial)
        )
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert len(kept) == 2
        for end in kept:
            with pytest.raises(ChannelClosed):
                await end.send(b"")

    run_virtual(main())


async def _never(channel: Channel) -> None:
    raise AssertionError(channel)


@pytest.mark.parametrize("first", [True, False])
def test_a_part_that_is_missing_is_said_only_where_there_is_no_other_way(first: bool) -> None:
    missing, away = PartMissing("install it"), LinkError("nothing listens there")

    async def main(places: dict[str, Hub | LinkError | None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            net = Net(tasks, places)
            with pytest.raises(LinkError) as caught:
                await connect(KnownHub(bytes(32), "hub", tuple(places)), _RELAY, net.dial)
        errors.append(caught.value)

    errors: list[LinkError] = []
    both: dict[str, Hub | LinkError | None] = {"a": missing, "b": away}
    run_virtual(main(both if first else dict(reversed(both.items()))))
    run_virtual(main({"a": missing}))
    assert errors == [away, missing]
