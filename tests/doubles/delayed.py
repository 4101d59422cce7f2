"""A channel pair whose frames take their time, each way and each frame another, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relay.link.channel import Channel, Frame, channel_pair


class DelayedChannel:
    """One end: what `receive` brings was sent `delay()` seconds before, or later where an earlier
    frame took longer."""

    def __init__(
        self,
        inner: Channel,
        outbox: dict[int, float],
        inbox: dict[int, float],
        delay: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._outbox = outbox
        self._inbox = inbox
        self._delay = delay
        self._sent = self._got = 0
        self._last = 0.0
        self._next: Frame | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def peer(self) -> str:
        return self._inner.peer

    async def send(self, frame: Frame) -> None:
        self._stamp()
        await self._inner.send(frame)

    @property
    def ready(self) -> bool:
        return self._inner.ready

    def send_now(self, frame: Frame) -> bool:
        if not self._inner.send_now(frame):
            return False
        self._stamp()
        return True

    def _stamp(self) -> None:
        self._last = max(self._last, self._loop.time() + self._delay())
        self._outbox[self._sent] = self._last
        self._sent += 1

    async def receive(self) -> Frame:
        if self._next is None:
            self._next = await self._inner.receive()
        due = self._inbox[self._got]
        await asyncio.sleep(max(0.0, due - self._loop.time()))
        # Whoever was cancelled meanwhile has lost nothing.
        frame, self._next = self._next, None
        del self._inbox[self._got]
        self._got += 1
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._inner.close(code, reason)


def delayed_pair(
    delay: Callable[[], float], names: tuple[str, str] = ("in-process", "in-process")
) -> tuple[DelayedChannel, DelayedChannel]:
    """As `channel_pair`, with room for all that is under way."""
    here, there = channel_pair(1024, names)
    out: dict[int, float] = {}
    back: dict[int, float] = {}
    return DelayedChannel(here, out, back, delay), DelayedChannel(there, back, out, delay)
