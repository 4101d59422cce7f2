"""What every Channel promises, checked over every implementation in both directions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from relay.link.channel import Frame
from relay.link.errors import ChannelClosed
from tests.relay.link.channel_pairs import Ends, Maker, memory, reversed_ends, websocket

# Nothing here takes longer than the second a close may wait for a stuck peer.
SOON_S = 5.0
# Longer than any frame takes on loopback; only waited for when the sender is held up as it should.
HELD_UP_S = 0.3

MAKERS: dict[str, Maker] = {
    "memory": memory,
    "memory reversed": reversed_ends(memory),
    "websocket, listening end first": websocket,
    "websocket, dialing end first": reversed_ends(websocket),
}


@pytest.fixture(params=list(MAKERS))
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    async with MAKERS[request.param]() as pair:
        yield pair


async def fill(end_ends: Ends, frame: Frame = bytes(1 << 16)) -> int:
    """Send from the second end until it is held up; return how many frames were taken."""
    _, sender = end_ends
    for count in range(10_000):
        try:
            async with asyncio.timeout(HELD_UP_S):
                await sender.send(frame)
        except TimeoutError:
            return count
    raise AssertionError("10,000 frames of 64 KiB were taken that nobody received")


@pytest.mark.parametrize("frame", ["", "text", "\N{SNOWMAN} \U0001f600", "x" * 200_000])
async def test_text_stays_text(ends: Ends, frame: str) -> None:
    one, other = ends
    await one.send(frame)
    assert await other.receive() == frame


@pytest.mark.parametrize("frame", [b"", b"text", bytes(range(256)), bytes(200_000)])
async def test_bytes_stay_bytes(ends: Ends, frame: bytes) -> None:
    one, other = ends
    await one.send(frame)
    received = await other.receive()
    assert type(received) is bytes
    assert received == frame


async def test_frames_arrive_in_order_in_both_directions(ends: Ends) -> None:
    one, other = ends

    async def send_all(end: int) -> None:
        for number in range(500):
            await ends[end].send(f"{end} {number}")

    async with asyncio.TaskGroup() as group:
        group.create_task(send_all(0))
        group.create_task(send_all(1))
        for number in range(500):
            assert await other.receive() == f"0 {number}"
            assert await one.receive() == f"1 {number}"


async def test_frames_sent_before_a_close_still_arrive(ends: Ends) -> None:
    one, other = ends
    for number in range(10):
        await one.send(f"{number}")
    async with asyncio.TaskGroup() as group:
        group.create_task(one.close(1000, "enough"))
        for number in range(10):
            assert await other.receive() == f"{number}"
        with pytest.raises(ChannelClosed) as closed:
            await other.receive()
    assert (closed.value.code, closed.value.reason) == (1000, "enough")


@pytest.mark.parametrize("closer", [0, 1])
async def test_a_close_wakes_a_blocked_receiver(ends: Ends, closer: int) -> None:
    one, _ = ends
    receiving = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON_S):
        await ends[closer].close(1001)
        with pytest.raises(ChannelClosed) as closed:
            await receiving
    assert closed.value.code == 1001


async def test_a_close_wakes_a_blocked_sender(ends: Ends) -> None:
    _, sender = ends
    await fill(ends)
    sending = asyncio.create_task(sender.send(bytes(1 << 20)))
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON_S):
        await sender.close()
        with pytest.raises(ChannelClosed):
            await sending


async def test_a_close_does_not_wait_for_a_full_inbox(ends: Ends) -> None:
    one, other = ends
    await fill(ends)
    async with asyncio.timeout(SOON_S):
        await one.close()
        await other.close()


async def test_a_close_can_be_repeated(ends: Ends) -> None:
    one, other = ends
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as group:
        for end in (one, other, one, other):
            group.create_task(end.close(1001))
    await one.close()
    await other.close(1011)


async def test_after_a_close_everything_raises_at_both_ends(ends: Ends) -> None:
    one, other = ends
    async with asyncio.TaskGroup() as group:
        group.create_task(one.close())
        with pytest.raises(ChannelClosed):
            await other.receive()
    await other.close()
    for end in (one, other, one, other):
        with pytest.raises(ChannelClosed):
            await end.receive()
        with pytest.raises(ChannelClosed):
            await end.send("too late")


async def test_a_cancelled_receive_loses_nothing(ends: Ends) -> None:
    one, other = ends
    received: list[Frame] = []
    for number in range(60):
        await one.send(f"{number}")
        receiving = asyncio.create_task(other.receive())
        # Cancelled a little later each time: before, while and after the frame arrives.
        for _ in range(number % 6):
            await asyncio.sleep(0)
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            received.append(await receiving)
    async with asyncio.timeout(SOON_S):
        while len(received) < 60:
            received.append(await other.receive())
    assert received == [f"{number}" for number in range(60)]


async def test_a_full_inbox_slows_the_sender_until_it_is_read(ends: Ends) -> None:
    one, other = ends
    taken = await fill(ends)
    sending = asyncio.create_task(other.send("the last"))
    async with asyncio.timeout(SOON_S):
        while (frame := await one.receive()) != "the last":
            assert frame == bytes(1 << 16)
            taken -= 1
        await sending
    # The send that was held up and given up has not left.
    assert taken == 0


async def test_each_end_says_who_the_other_is(ends: Ends) -> None:
    assert all(end.peer for end in ends)
