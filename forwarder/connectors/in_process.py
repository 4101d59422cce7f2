"""Channels without a socket: `InProcess` connects two parts of one program."""

from __future__ import annotations

import asyncio

from forwarder.connectors.base import Handler, serve
from forwarder.connectors.bounds import MAX_WAITING
from relay.link.channel import Channel, channel_pair
from relay.link.close_codes import GOING_AWAY
from relay.link.errors import ChannelClosed


class InProcess:
    """A connector whose channels come from `open`, in this process. Frames are encoded as on a
    socket, so whatever works here works there."""

    def __init__(self, name: str = "in-process") -> None:
        """`name` is what the handlers' side calls the other."""
        self._name = name
        self._opened: asyncio.Queue[Channel] = asyncio.Queue(MAX_WAITING)
        self._ended = False

    async def open(self) -> Channel:
        """Return a channel whose other end is handed to a handler; may be called before `run`.

        Waits while too many are waiting. Raises ChannelClosed once `run` has ended.
        """
        here, there = self._pair()
        await self._opened.put(there)
        return here

    def open_nowait(self) -> Channel:
        """Like `open`, without waiting. Raises ChannelClosed also while too many are waiting."""
        here, there = self._pair()
        try:
            self._opened.put_nowait(there)
        except asyncio.QueueFull:
            raise ChannelClosed(1013, f"{self._name} does not keep up") from None
        return here

    def _pair(self) -> tuple[Channel, Channel]:
        if self._ended:
            raise ChannelClosed(1001, f"{self._name} has ended")
        return channel_pair(names=("in-process", self._name))

    async def run(self, handler: Handler) -> None:
        """Run `handler` on each channel until cancelled; may be called once."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    channel = await self._opened.get()
                    tasks.create_task(serve(handler, channel), name=f"{self._name} channel")
        finally:
            self._ended = True
            while not self._opened.empty():
                await self._opened.get_nowait().close(GOING_AWAY, f"{self._name} has ended")
