"""An end of a pair that is at another node: order, window and loss; over a bus of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from forwarder.meet.bounds import FRAME_BYTES, SEND_S, WINDOW_BYTES
from forwarder.meet.remote_end import RemoteEnd
from relay.link.close_codes import GOING_AWAY
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual


@dataclass
class _Message:
    data: bytes


@dataclass
class _Subscription:
    end: Callable[[], None]

    async def unsubscribe(self) -> None:
        self.end()


@dataclass
class Bus:
    """What the client of NATS is to an end. `hung`: it takes nothing any more."""

    listening: dict[str, Callable[[Msg], Awaitable[None]]] = field(default_factory=dict)
    hung: bool = False
    loses: bool = False

    async def subscribe(
        self, subject: str, cb: Callable[[Msg], Awaitable[None]], pending_msgs_limit: int
    ) -> _Subscription:
        self.listening[subject] = cb
        return _Subscription(lambda: self.listening.pop(subject, None) and None)

    async def publish(self, subject: str, data: bytes) -> None:
        if self.hung:
            await asyncio.get_running_loop().create_future()
        if subject in self.listening and not self.loses:
            await self.listening[subject](cast("Msg", _Message(data)))


async def pair(bus: Bus) -> tuple[RemoteEnd, RemoteEnd]:
    nats = cast("Nats", bus)
    ends = RemoteEnd(nats, "a", "b", "there"), RemoteEnd(nats, "b", "a", "here")
    for end in ends:
        await end.open()
    return ends


def test_frames_come_as_they_were_sent_and_the_end_with_its_reason() -> None:
    async def scene() -> None:
        here, there = await pair(Bus())
        for frame in (b"\x00bytes", "text"):
            await here.send(frame)
        assert [await there.receive(), await there.receive()] == [b"\x00bytes", "text"]
        await here.close(4321, "because")
        with pytest.raises(ChannelClosed) as end:
            await there.receive()
        assert (end.value.code, end.value.reason) == (4321, "because")
        await there.close()

    run_virtual(scene())


def test_a_frame_that_nats_lost_ends_the_pair_before_the_next_one_is_heard() -> None:
    async def scene() -> None:
        bus = Bus()
        here, there = await pair(bus)
        bus.loses = True
        await here.send(b"lost")
        bus.loses = False
        await here.send(b"next")
        with pytest.raises(ChannelClosed, match="was lost"):
            await there.receive()

    run_virtual(scene())


def test_an_end_that_reads_nothing_holds_the_other_back_until_it_gives_up() -> None:
    async def scene() -> None:
        here, there = await pair(Bus())
        sent = 0
        while not here.congested:
            await here.send(bytes(32_000))
            sent += 32_000
        assert sent <= WINDOW_BYTES + 32_000
        began = asyncio.get_running_loop().time()
        with pytest.raises(ChannelClosed, match="takes nothing"):
            await here.send(b"one more")
        assert asyncio.get_running_loop().time() - began == pytest.approx(SEND_S)
        assert await there.receive() == bytes(32_000)

    run_virtual(scene())


def test_a_node_that_sends_beyond_the_window_is_cut_off_and_nothing_of_it_is_kept() -> None:
    async def scene() -> None:
        bus = Bus()
        _, there = await pair(bus)
        for number in range(1, 2 + WINDOW_BYTES // FRAME_BYTES + 2):
            head = b"f" + number.to_bytes(4, "big")
            await bus.publish("b", head + bytes(FRAME_BYTES))
        with pytest.raises(ChannelClosed, match="more than there is room for"):
            await there.receive()

    run_virtual(scene())


def test_nats_that_hangs_ends_the_pair_in_time() -> None:
    async def scene() -> None:
        bus = Bus()
        here, _ = await pair(bus)
        bus.hung = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(ChannelClosed) as end:
            await here.send(b"nowhere")
        assert asyncio.get_running_loop().time() - began == pytest.approx(SEND_S)
        assert end.value.code == GOING_AWAY

    run_virtual(scene())
