from __future__ import annotations

import asyncio

from forwarder.meet.news import Newsboy
from relay.link.errors import ChannelClosed
from relay.link.security.meeting import News, Proving, Registered, Registering, Unanswered
from relay.link.security.noise import KeyPair
from tests.system.processes import until

HERE = "https://meet.example.org"


class Slow:
    """A channel that takes one frame at a time, and says when it was cut."""

    peer = "a hub"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = asyncio.Event()
        self.closed = False
        self.transport = self

    async def send(self, frame: bytes) -> None:
        await self.room.wait()
        if self.closed:
            raise ChannelClosed(1006, "gone")
        self.sent.append(frame)

    def abort(self) -> None:
        self.closed = True


def pair() -> tuple[Registering, Proving]:
    hub, point = Registering(KeyPair(bytes(range(32))), HERE), Proving(HERE)
    point.proof(hub.receive(point.first(hub.start())))
    return hub, point


async def test_news_come_in_order_and_nothing_is_kept_between_them() -> None:
    hub, point = pair()
    channel = Slow()
    news = Newsboy(channel, point, 4)  # type: ignore[arg-type]  # what it needs of a channel
    items: list[News] = [Registered("a" * 26), Unanswered("b" * 26, "why")]
    for item in items:
        news.tell(item)
    channel.room.set()
    await until(lambda: news._telling is None, "all is told")
    assert [hub.news(frame) for frame in channel.sent] == items
    await news.end()


async def test_a_hub_that_takes_no_news_is_cut_off() -> None:
    _, point = pair()
    channel = Slow()
    news = Newsboy(channel, point, 2)  # type: ignore[arg-type]  # what it needs of a channel
    for _ in range(2):
        news.tell(Registered("a" * 26))
    assert not channel.closed
    news.tell(Registered("a" * 26))
    assert channel.closed
    await news.end()
