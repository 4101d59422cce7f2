"""An app that is busy, and one that is gone: told apart by time.

A busy one neither answers pings nor reads. Engines that serve the socket from their frame loop sit
in loading screens of 7 to 15 s: what they drive is stopped soon, and they are taken for gone later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.clients.bounds import BUSY_S, GONE_S, PING_S
from relay.link.channel import Channel
from relay.link.websocket import WebSocketChannel


def _nothing() -> None:
    pass


class PeerSilent(Exception):
    """It was not heard, or took nothing, for GONE_S; its text says which."""


class Silence:
    """`busy` is called once each time the client at the other end of `channel` becomes busy, `due`
    when `tend` has something to do."""

    __slots__ = ("_busy", "_channel", "_gone", "_on_busy", "_on_due", "_ping", "_timer")

    def __init__(self, channel: Channel, busy: Callable[[], None], due: Callable[[], None]) -> None:
        self._channel = channel
        self._on_busy = busy
        self._on_due = due
        self._busy = False
        self._ping = False
        self._gone = False
        # Not a task, of which there would be one for each idle client.
        self._timer: asyncio.TimerHandle | None = None

    def listen(self) -> None:
        """Watch what comes in until `close`, if the channel can tell."""
        channel = self._channel
        if not isinstance(channel, WebSocketChannel):
            return
        silent = channel.silent_s()
        self._gone = silent >= GONE_S
        self._ping = silent >= PING_S
        if self._ping:
            self._on_due()
        else:
            self._busy = False
        if silent >= BUSY_S:
            self._is_busy()
        limits = (PING_S, BUSY_S, GONE_S, GONE_S + PING_S)
        next_s = min((limit - silent for limit in limits if limit > silent), default=PING_S)
        self._timer = asyncio.get_running_loop().call_later(next_s, self.listen)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._on_busy = self._on_due = _nothing

    async def tend(self) -> None:
        """Do what is due: ask for a sign of life. Raises PeerSilent."""
        if self._gone:
            raise PeerSilent("the client is not heard any more")
        if self._ping:
            self._ping = False
            assert isinstance(self._channel, WebSocketChannel)
            await self._channel.ping()

    async def send(self, frame: str) -> None:
        """Send `frame`; a client that takes none is busy, then gone. Raises PeerSilent,
        ChannelClosed."""
        if self._channel.send_now(frame):
            return
        for limit_s in (BUSY_S, GONE_S - BUSY_S):
            try:
                async with asyncio.timeout(limit_s) as limit:
                    await self._channel.send(frame)  # cancelled, it sends nothing
                return
            except TimeoutError:
                if not limit.expired():
                    raise
            self._is_busy()
        raise PeerSilent("the client does not read")

    def _is_busy(self) -> None:
        if not self._busy:
            self._busy = True
            self._on_busy()
