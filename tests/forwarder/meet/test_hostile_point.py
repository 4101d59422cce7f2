"""A meeting point that means harm: whatever it does to what it carries, the ends refuse cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds, OnMeetingVisit
from forwarder.meet.server import MeetingServer, PairEnd
from forwarder.meet.table import RegisteredHub, Visit
from relay.link.channel import Channel, Frame
from relay.link.errors import ChannelClosed, LinkError
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.meeting import News, Proving, Registered, Visitor, hub_id
from relay.link.security.noise import KeyPair
from relay.link.security.secure import SecureChannel, secure_as_hub, secure_as_relay
from relay.link.websocket import WebSocketChannel, dial
from tests.forwarder.meet.points import House, house, running
from tests.relay.link.channel_pairs import KnowsOne
from tests.system.processes import free_ports, until

# What comes of one frame of one direction.
Twist = Callable[[bytes], list[Frame]]
SAID = [b"one", b"two", b"three", b"four"]


class HostilePoint(MeetingServer):
    """Twists what it passes, and lies about who is who."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port, origin=f"http://localhost:{port}", hosts=("127.0.0.1",))
        self.twists: Callable[[], Twist] = lambda: lambda frame: [frame]
        self.to_everybody = False

    async def _pass(self, visit: Visit, source: PairEnd, sink: PairEnd) -> ChannelClosed:
        twist = self.twists()
        try:
            while True:
                frame = await source.receive()
                assert isinstance(frame, bytes)
                for sent in twist(frame):
                    await sink.send(sent)
                    if self.to_everybody:
                        for waiting in tuple(self._visitors.values()):
                            if waiting.channel is not sink:
                                await waiting.channel.send(sent)
        except ChannelClosed as closed:
            return closed


@asynccontextmanager
async def hostile_point() -> AsyncIterator[HostilePoint]:
    server = HostilePoint(free_ports(1)[0])
    server.bind()
    ready = asyncio.Event()
    async with running(server.run(ready.set)):
        await ready.wait()
        yield server


RELAY = KeyPair(bytes(range(32)))


@asynccontextmanager
async def visitor_of(hub: House) -> AsyncIterator[Channel]:
    visitor = await dial(hub.point.url, heartbeat_s=None)
    try:
        yield visitor
    finally:
        await visitor.close()


async def link(visitor: Channel, hub: House) -> tuple[SecureChannel, SecureChannel]:
    """Both ends of a link by the meeting point, or the error of either."""
    there = asyncio.ensure_future(_as_hub(hub))
    try:
        relay, _ = await secure_as_relay(visitor, RELAY, hub_key=hub.key.public)
        return relay, await there
    finally:
        there.cancel()
        await asyncio.wait([there])


async def _as_hub(hub: House) -> SecureChannel:
    channel = await hub.came.get()
    secure, _ = await secure_as_hub(channel, KnowsOne(hub.key, RELAY.public))
    return secure


async def heard(channel: Channel, most: int) -> list[Frame]:
    got: list[Frame] = []
    try:
        async with asyncio.timeout(1.0):
            while len(got) < most:
                got.append(await channel.receive())
    except (LinkError, TimeoutError):
        pass
    return got


def _after(number: int, do: Callable[[bytes, list[bytes]], list[Frame]]) -> Callable[[], Twist]:
    """`do` with the frames of each direction from `number` on; it is given all that came before."""

    def fresh() -> Twist:
        past: list[bytes] = []

        def twist(frame: bytes) -> list[Frame]:
            past.append(frame)
            return [frame] if len(past) <= number else do(frame, past[:-1])

        return twist

    return fresh


def _changed(frame: bytes, past: list[bytes]) -> list[Frame]:
    return [frame[:-1] + bytes([frame[-1] ^ 1])]


TWISTS = {
    "changes": _changed,
    "repeats": lambda frame, past: [frame, frame],
    "replays": lambda frame, past: [past[-1] if past else frame[::-1], frame],
    "leaves out": lambda frame, past: [],
    "cuts short": lambda frame, past: [frame[:-1]],
    "lengthens": lambda frame, past: [frame + b"x"],
    "makes text of": lambda frame, past: ["text"],
    "empties": lambda frame, past: [b""],
}


def _cases() -> Iterator[tuple[str, int]]:
    for name in TWISTS:
        for number in (0, 1, 2, 3):
            yield name, number


@pytest.mark.parametrize(("name", "number"), list(_cases()))
async def test_what_is_twisted_never_arrives_as_something_else(name: str, number: int) -> None:
    async with hostile_point() as server, house(server) as hub:
        server.twists = _after(number, TWISTS[name])
        await _twisted(hub)


async def _twisted(hub: House) -> None:
    async with visitor_of(hub) as visitor:
        try:
            async with asyncio.timeout(1.0):
                relay, there = await link(visitor, hub)
        except (LinkError, TimeoutError):
            return  # refused, or nothing came: there is no link
        for one, other in ((relay, there), (there, relay)):
            for frame in SAID:
                try:
                    await one.send(frame)
                except ChannelClosed:
                    break
            got = await heard(other, len(SAID) + 1)
            # A beginning of what was said, each once and in order; never all of it, for it was
            # twisted; or nothing more, because the end that noticed has closed both ways.
            assert got == SAID[: len(got)]
            assert len(got) < len(SAID)


async def test_frames_in_another_order_end_the_link() -> None:
    kept: list[bytes] = []

    def swap() -> Twist:
        count = 0

        def twist(frame: bytes) -> list[Frame]:
            nonlocal count
            count += 1
            if count == 4:
                kept.append(frame)
                return []
            return [frame, kept.pop()] if kept else [frame]

        return twist

    async with hostile_point() as server, house(server) as hub:
        server.twists = swap
        async with visitor_of(hub) as visitor:
            relay, there = await link(visitor, hub)
            for frame in SAID:
                await relay.send(frame)
            assert await heard(there, 9) == SAID[:1]


async def test_another_hub_cannot_answer_for_an_id() -> None:
    async with hostile_point() as server, house(server) as hub, house(server) as other:
        id, theirs = hub_id(hub.key.public), hub_id(other.key.public)
        instead = server.table._registered[id] = server.table._registered[theirs]
        instead.ids[id] = instead.ids[theirs]
        tell = instead.tell
        instead.tell = lambda it: tell(Visit(instead, theirs, it.address, it.ticket, 0.0, print))
        async with visitor_of(hub) as visitor:
            there = asyncio.ensure_future(_as_hub(other))
            with pytest.raises(HandshakeRefused) as refused:
                await secure_as_relay(visitor, RELAY, hub_key=hub.key.public)
            assert not refused.value.certain  # so that a relay goes on trying
            with pytest.raises(HandshakeRefused):
                await there


async def test_what_was_said_to_one_visitor_is_nothing_to_another() -> None:
    async with (
        hostile_point() as server,
        house(server) as hub,
        visitor_of(hub) as first,
        visitor_of(hub) as second,
    ):
        relay, there = await link(first, hub)
        server.to_everybody = True
        joined = asyncio.ensure_future(_as_hub(hub))
        await there.send(b"for one")
        assert await relay.receive() == b"for one"
        with pytest.raises(LinkError):
            await secure_as_relay(second, RELAY, hub_key=hub.key.public)
        with pytest.raises(LinkError):
            await joined


async def test_a_hub_believes_nothing_of_what_it_is_told_about_visitors() -> None:
    """A ticket that leads nowhere costs an attempt; the registration stays."""
    async with hostile_point() as server, house(server) as hub:
        (registration,) = server._hubs
        for number in range(3):
            ticket = f"nowhere-{number}-{'x' * 16}"
            visit = Visit(registration, registration.id, "127.0.0.1", ticket, 0.0, print)
            registration.tell(visit)
            with pytest.raises(ChannelClosed, match="has gone"):
                await (await hub.came.get()).receive()
        visitor, there = await hub.visited()
        await visitor.send(b"still here")
        assert await there.receive() == b"still here"
        assert hub.point.registered
        await visitor.close()


class Chatterbox(HostilePoint):
    """Takes each hub's proof, and then says this without end."""

    def __init__(self, port: int, news: Callable[[], News]) -> None:
        super().__init__(port)
        self._says = news

    async def _register(self, channel: WebSocketChannel, hub: RegisteredHub) -> None:
        proving = Proving(self.origin)
        await channel.send(proving.first(await channel.receive()))
        await channel.send(proving.say(Registered(hub_id(proving.proof(await channel.receive())))))
        while True:
            await channel.send(proving.say(self._says()))


class CountedIds(MeetingIds):
    asked = 0
    first = 0.0  # when, by the loop's clock

    def handler(self, id: str) -> OnMeetingVisit | None:
        self.first = self.first or asyncio.get_running_loop().time()
        self.asked += 1
        return None


@asynccontextmanager
async def told(news: Callable[[], News], news_s: float, burst: float) -> AsyncIterator[CountedIds]:
    """A hub at a meeting point that says `news` without end."""
    server = Chatterbox(free_ports(1)[0], news)
    server.bind()
    key = KeyPair.generate()
    ids = CountedIds(key.public)
    point = MeetingPoint(server.origin, key, Doors(), ids=ids, news_s=news_s, news_burst=burst)

    async def never(channel: Channel) -> None:
        raise AssertionError

    async with running(server.run(), point.run(never)):
        yield ids


async def test_a_meeting_point_that_talks_without_end_is_read_slowly() -> None:
    visitor = Visitor("x" * 16, "203.0.113.9", "a" * 26)
    async with told(lambda: visitor, 400, 50) as ids:
        await until(lambda: ids.asked > 300, "more than it may say at once")
        assert ids.asked <= 50 + 400 * (asyncio.get_running_loop().time() - ids.first) + 1
