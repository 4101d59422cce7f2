"""A wire between two channels that loses, delays, repeats and swaps frames when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from relay.link.channel import Channel, Frame, channel_pair
from relay.link.errors import ChannelClosed

# What comes of a frame: each copy of it, and in how many seconds it is delivered.
Weather = Callable[[Frame], tuple[tuple[float, Frame], ...]]


def fine(frame: Frame) -> tuple[tuple[float, Frame], ...]:
    return ((0.0, frame),)


def lost(_: Frame) -> tuple[tuple[float, Frame], ...]:
    return ()


def twice(frame: Frame) -> tuple[tuple[float, Frame], ...]:
    return ((0.0, frame), (0.0, frame))


def damaged(frame: Frame) -> tuple[tuple[float, Frame], ...]:
    """One bit flips."""
    assert isinstance(frame, bytes)
    return ((0.0, bytes([frame[0] ^ 1]) + frame[1:]),)


def late(seconds: float) -> Weather:
    return lambda frame: ((seconds, frame),)


def swapped() -> Weather:
    """Every second frame comes after the one behind it."""
    number = 0

    def weather(frame: Frame) -> tuple[tuple[float, Frame], ...]:
        nonlocal number
        number += 1
        return ((0.01 if number % 2 else 0.0, frame),)

    return weather


def held(seconds: float) -> Weather:
    """The first frame is late, and all behind it with it, as TCP does it."""
    free_at: float | None = None

    def weather(frame: Frame) -> tuple[tuple[float, Frame], ...]:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        free_at = now + seconds if free_at is None else free_at
        return ((max(0.0, free_at - now), frame),)

    return weather


def growing(rate: float) -> Weather:
    """Each frame takes longer than the one before it: by `rate` seconds a second."""
    begun: float | None = None

    def weather(frame: Frame) -> tuple[tuple[float, Frame], ...]:
        nonlocal begun
        now = asyncio.get_running_loop().time()
        begun = now if begun is None else begun
        return (((now - begun) * rate, frame),)

    return weather


def narrow(bits_per_s: int, overhead: int = 60) -> Weather:
    """Frames leave one behind the other, at so many bits a second; TCP, IP and the websocket put
    `overhead` bytes around each."""
    free_at = 0.0

    def weather(frame: Frame) -> tuple[tuple[float, Frame], ...]:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        free_at = max(free_at, now) + (len(frame) + overhead) * 8 / bits_per_s
        return ((free_at - now, frame),)

    return weather


class Wire:
    """`ends` are the two channels; `there` is the weather from the first to the second, `back` the
    other way. Runs until one end closes; a silent wire does not pass that on either."""

    def __init__(self) -> None:
        first, inner_first = channel_pair(bound=10_000)
        inner_second, second = channel_pair(bound=10_000)
        self.ends = (first, second)
        self.there: Weather = fine
        self.back: Weather = fine
        self._inner: tuple[Channel, Channel] = (inner_first, inner_second)

    async def run(self) -> None:
        first, second = self._inner
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(first, second, lambda: self.there))
            group.create_task(self._carry(second, first, lambda: self.back))

    async def cut(self) -> None:
        """Both ends see it close."""
        for end in self._inner:
            await end.close(1006, "the wire was cut")

    async def _carry(self, source: Channel, target: Channel, now: Callable[[], Weather]) -> None:
        loop = asyncio.get_running_loop()
        queue: deque[tuple[float, Frame]] = deque()
        pending: asyncio.Task[Frame] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(source.receive())
                due = min((at for at, _ in queue), default=None)
                wait = None if due is None else max(0.0, due - loop.time())
                await asyncio.wait([pending], timeout=wait)
                if pending.done():
                    frame = pending.result()
                    pending = None
                    queue.extend((loop.time() + delay, each) for delay, each in now()(frame))
                for item in sorted(queue, key=lambda item: item[0]):
                    if item[0] <= loop.time():
                        queue.remove(item)
                        await target.send(item[1])
        except ChannelClosed as closed:
            if now() is not lost:
                await target.close(closed.code, closed.reason)
        finally:
            if pending is not None:
                pending.cancel()
