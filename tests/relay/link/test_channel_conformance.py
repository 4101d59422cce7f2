"""What every Channel promises, checked over every implementation in both directions.

A new kind of channel joins by one line in KINDS.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from relay.link.channel import Channel, Frame
from relay.link.errors import ChannelClosed
from relay.link.security.transport import MAX_PLAINTEXT_BYTES
from tests.forwarder.meet.points import by_meeting_point
from tests.relay.link.channel_pairs import Maker, memory, reversed_ends, secured, websocket
from tests.relay.link.direct.pairs import by_direct_path

# Nothing here takes longer than the second a close may wait for a stuck peer.
SOON_S = 5.0
# Longer than any frame takes on loopback; only waited for when the sender is held up as it should.
HELD_UP_S = 0.2


class Kind(NamedTuple):
    """A kind of channel. `text`: it carries text as well as bytes."""

    make: Maker
    text: bool = True


KINDS: dict[str, Kind] = {
    "memory": Kind(memory),
    "memory reversed": Kind(reversed_ends(memory)),
    "websocket, listening end first": Kind(websocket),
    "websocket, dialing end first": Kind(reversed_ends(websocket)),
    "encrypted, relay's end first": Kind(secured(memory), text=False),
    "encrypted, hub's end first": Kind(reversed_ends(secured(memory)), text=False),
    "by a meeting point, hub's end first": Kind(by_meeting_point, text=False),
    "by a meeting point, visitor's end first": Kind(reversed_ends(by_meeting_point), text=False),
    "encrypted, by a meeting point": Kind(secured(by_meeting_point), text=False),
    # Both ends are of one kind, and each endpoint asks the router for a port: once is enough.
    "by a direct path": Kind(by_direct_path),
    "encrypted websocket": Kind(secured(websocket), text=False),
}


class Connected(NamedTuple):
    """Two ends, and how to make frames that they carry: `frame("text")`."""

    one: Channel
    other: Channel
    text: bool

    def frame(self, text: str) -> Frame:
        return text if self.text else text.encode()


@pytest.fixture(params=list(KINDS))
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Connected]:
    kind = KINDS[request.param]
    async with kind.make() as (one, other):
        yield Connected(one, other, kind.text)


@pytest.fixture(params=[name for name, kind in KINDS.items() if kind.text])
async def text_ends(request: pytest.FixtureRequest) -> AsyncIterator[Connected]:
    async with KINDS[request.param].make() as (one, other):
        yield Connected(one, other, text=True)


CHUNK = bytes(1 << 15)


async def fill(ends: Connected) -> int:
    """Send from the second end until it is held up; return how many frames were taken."""
    for count in range(10_000):
        sending = asyncio.create_task(ends.other.send(CHUNK))
        done, _ = await asyncio.wait([sending], timeout=HELD_UP_S)
        if not done:
            sending.cancel()
            await asyncio.wait([sending])
            return count
        await sending
    raise AssertionError("10,000 frames were taken that nobody received")


@pytest.mark.parametrize("text", ["", "text", "\N{SNOWMAN} \U0001f600", "x" * 200_000])
async def test_text_stays_text(text_ends: Connected, text: str) -> None:
    await text_ends.one.send(text)
    assert await text_ends.other.receive() == text


@pytest.mark.parametrize("frame", [b"", b"text", bytes(range(256)), bytes(MAX_PLAINTEXT_BYTES)])
async def test_bytes_stay_bytes(ends: Connected, frame: bytes) -> None:
    await ends.one.send(frame)
    received = await ends.other.receive()
    assert type(received) is bytes
    assert received == frame


async def test_frames_arrive_in_order_in_both_directions(ends: Connected) -> None:
    async def send_all(end: Channel, name: str) -> None:
        for number in range(500):
            await end.send(ends.frame(f"{name} {number}"))

    async with asyncio.TaskGroup() as group:
        group.create_task(send_all(ends.one, "one"))
        group.create_task(send_all(ends.other, "other"))
        for number in range(500):
            assert await ends.other.receive() == ends.frame(f"one {number}")
            assert await ends.one.receive() == ends.frame(f"other {number}")


async def test_frames_sent_before_a_close_still_arrive(ends: Connected) -> None:
    for number in range(10):
        await ends.one.send(ends.frame(f"{number}"))
    async with asyncio.TaskGroup() as group:
        group.create_task(ends.one.close(1000, "enough"))
        for number in range(10):
            assert await ends.other.receive() == ends.frame(f"{number}")
        with pytest.raises(ChannelClosed) as closed:
            await ends.other.receive()
    assert (closed.value.code, closed.value.reason) == (1000, "enough")


@pytest.mark.parametrize("closer", ["one", "other"])
async def test_a_close_wakes_a_blocked_receiver(ends: Connected, closer: str) -> None:
    receiving = asyncio.create_task(ends.one.receive())
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON_S):
        await (ends.one if closer == "one" else ends.other).close(1001)
        with pytest.raises(ChannelClosed) as closed:
            await receiving
    assert closed.value.code == 1001


async def test_a_close_wakes_a_blocked_sender(ends: Connected) -> None:
    await fill(ends)
    sending = asyncio.create_task(ends.other.send(CHUNK))
    await asyncio.sleep(0)
    assert not sending.done() or not ends.text
    async with asyncio.timeout(SOON_S):
        await ends.other.close()
        with pytest.raises(ChannelClosed):
            await sending


async def test_a_close_does_not_wait_for_a_full_inbox(ends: Connected) -> None:
    await fill(ends)
    async with asyncio.timeout(SOON_S):
        await ends.one.close()
        await ends.other.close()


async def test_a_close_can_be_repeated(ends: Connected) -> None:
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as group:
        for end in (ends.one, ends.other, ends.one, ends.other):
            group.create_task(end.close(1001))
    await ends.one.close()
    await ends.other.close(1011)


async def test_after_a_close_everything_raises_at_both_ends(ends: Connected) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ends.one.close())
        with pytest.raises(ChannelClosed):
            await ends.other.receive()
    await ends.other.close()
    for end in (ends.one, ends.other, ends.one, ends.other):
        with pytest.raises(ChannelClosed):
            await end.receive()
        with pytest.raises(ChannelClosed):
            await end.send(ends.frame("too late"))


async def test_a_cancelled_receive_loses_nothing(ends: Connected) -> None:
    received: list[Frame] = []
    for number in range(60):
        await ends.one.send(ends.frame(f"{number}"))
        receiving = asyncio.create_task(ends.other.receive())
        # Cancelled a little later each time: before, while and after the frame arrives.
        for _ in range(number % 6):
            await asyncio.sleep(0)
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            received.append(await receiving)
    async with asyncio.timeout(SOON_S):
        while len(received) < 60:
            received.append(await ends.other.receive())
    assert received == [ends.frame(f"{number}") for number in range(60)]


async def test_a_full_inbox_slows_the_sender_until_it_is_read(ends: Connected) -> None:
    taken = await fill(ends)
    async with asyncio.timeout(SOON_S):
        for _ in range(taken):
            assert await ends.one.receive() == CHUNK
        if not ends.text:
            return  # an encrypted channel is over once a send was given up: see SecureChannel
        await ends.other.send("the last")
        # The send that was held up and given up has not left.
        assert await ends.one.receive() == "the last"


async def test_each_end_says_who_the_other_is(ends: Connected) -> None:
    assert ends.one.peer
    assert ends.other.peer


async def test_what_is_sent_at_once_comes_in_order(ends: Connected) -> None:
    assert ends.one.ready
    for number in range(3):
        assert ends.one.send_now(ends.frame(f"{number}"))
    await ends.one.send(ends.frame("3"))
    assert [await ends.other.receive() for _ in range(4)] == [ends.frame(f"{n}") for n in range(4)]


async def test_nothing_is_sent_at_once_to_one_that_does_not_read_nor_after_a_close(
    ends: Connected,
) -> None:
    await fill(ends)
    assert not ends.other.ready
    assert not ends.other.send_now(ends.frame("too much"))
    await ends.one.close()
    assert not ends.one.ready
    assert not ends.one.send_now(ends.frame("too late"))
