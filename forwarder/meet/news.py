"""What a hub is told of its visitors, one after the other."""

from __future__ import annotations

import asyncio
import logging

from forwarder.meet.endings import cut, ended
from relay.link.errors import ChannelClosed
from relay.link.security.meeting import News, Proving
from relay.link.websocket import WebSocketChannel

log = logging.getLogger(__name__)


class Newsboy:
    """Hands a hub its news. While there is none it is next to nothing: ten thousand hubs wait."""

    __slots__ = ("_channel", "_most", "_news", "_proving", "_telling")

    def __init__(self, channel: WebSocketChannel, proving: Proving, most: int) -> None:
        self._channel = channel
        self._proving = proving
        self._most = most
        self._news: list[News] = []
        self._telling: asyncio.Future[None] | None = None

    def tell(self, item: News) -> None:
        if len(self._news) >= self._most:
            # No more visitors wait than this: nobody takes anything from it.
            cut(self._channel, "the hub takes no news of its visitors")
            return
        self._news.append(item)
        if self._telling is None:
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        try:
            while self._news:
                await self._channel.send(self._proving.say(self._news.pop(0)))
        except ChannelClosed as closed:
            log.debug("%s: %s", self._channel.peer, closed)
        finally:
            self._telling = None

    async def end(self) -> None:
        if self._telling is not None:
            await ended(self._telling)
