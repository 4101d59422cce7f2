"""`Channel`: one pipe that carries whole frames, and the pair of channels that stays in memory.

A channel knows no message and no role. Connectors make channels; whoever is given one owns it
and closes it. The contract below is checked by one conformance suite over every implementation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from relay.link.errors import ChannelClosed

Frame = str | bytes


class Channel(Protocol):
    """Frames in order, both ways: text stays `str`, binary stays `bytes`."""

    @property
    def peer(self) -> str:
        """Who is at the other end, for logs: an address, or what the connector calls it."""
        ...

    async def send(self, frame: Frame) -> None:
        """Queue `frame`; waits while the peer is slow. Raises ChannelClosed once closed."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `send_now` would take a frame: the channel is open, and the peer keeps up."""
        ...

    def send_now(self, frame: Frame) -> bool:
        """Send `frame` if that needs no waiting, ahead of whoever waits in `send`.

        False: nothing was sent; `send` waits for room, or raises what is wrong.
        """
        ...

    async def receive(self) -> Frame:
        """Return the next frame; frames that arrived before a close are still delivered.

        A cancelled receive loses nothing. Raises ChannelClosed at the end.
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the channel, both directions. Idempotent; wakes whoever waits in receive or send."""
        ...


class _Lane:
    """One direction of a pair: at most `bound` frames; a full lane makes the sender wait."""

    def __init__(self, bound: int) -> None:
        self.frames: deque[Frame] = deque()
        self.bound = bound
        self.closed: ChannelClosed | None = None
        self._changed: deque[asyncio.Future[None]] = deque()

    def wake(self) -> None:
        while self._changed:
            waiter = self._changed.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._changed.append(waiter)
        await waiter


class MemoryChannel:
    """One end of an in-process channel pair. Frames are passed as they are, encoded."""

    def __init__(self, inbound: _Lane, outbound: _Lane, peer: str) -> None:
        self._inbound = inbound
        self._outbound = outbound
        self.peer = peer

    async def send(self, frame: Frame) -> None:
        lane = self._outbound
        while lane.closed is None and len(lane.frames) >= lane.bound:
            await lane.wait()
        if lane.closed is not None:
            raise ChannelClosed(lane.closed.code, lane.closed.reason)
        lane.frames.append(frame)
        lane.wake()

    @property
    def ready(self) -> bool:
        lane = self._outbound
        return lane.closed is None and len(lane.frames) < lane.bound

    def send_now(self, frame: Frame) -> bool:
        if not self.ready:
            return False
        self._outbound.frames.append(frame)
        self._outbound.wake()
        return True

    async def receive(self) -> Frame:
        lane = self._inbound
        while not lane.frames:
            if lane.closed is not None:
                raise ChannelClosed(lane.closed.code, lane.closed.reason)
            await lane.wait()
        frame = lane.frames.popleft()
        lane.wake()
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        for lane in (self._inbound, self._outbound):
            if lane.closed is None:
                lane.closed = ChannelClosed(code, reason)
            lane.wake()


def channel_pair(
    bound: int = 64, names: tuple[str, str] = ("in-process", "in-process")
) -> tuple[MemoryChannel, MemoryChannel]:
    """Return two connected channels; `names` is what each end calls its peer."""
    there, back = _Lane(bound), _Lane(bound)
    return MemoryChannel(back, there, names[0]), MemoryChannel(there, back, names[1])
