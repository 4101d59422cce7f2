"""`WakeFlag`: what asyncio.Event is, for things of which there are many."""

from __future__ import annotations

import asyncio


class WakeFlag:
    """Set or not; `wait` waits until it is. Not thread-safe.

    asyncio.Event (3.11 to 3.13) keeps a queue for those who wait, 700 bytes also while nobody
    does, and a connection has three.
    """

    __slots__ = ("_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        """Return once it is set, or was for a moment."""
        if self._set:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)
