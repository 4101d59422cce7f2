"""`DeviceNews`: when clients are sent another list of devices: not too often, and in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.hub.bounds import AT_ONCE_BYTES, EVERY_S, LISTED_BYTES_S, SELDOM_S


class DeviceNews:
    """`listed_bytes`: how long a list is, about.

    The first change is told in the next pass of the loop, what follows when its time has come: all
    of it with one list. Owns one timer and one step, until `close`.
    """

    def __init__(self, listed_bytes: Callable[[], int]) -> None:
        self._listed_bytes = listed_bytes
        self._due = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._step: asyncio.Handle | None = None
        self._wanting: dict[Callable[[], None], None] = {}
        # Who is told of the round that is under way, and has not been yet.
        self._left: dict[Callable[[], None], None] = {}

    def want(self, tell: Callable[[], None]) -> None:
        """There is another list: call `tell` when it may be sent."""
        if tell in self._left:
            return  # it will be the newest
        self._wanting[tell] = None
        if self._timer is None and self._step is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._due:
                self._step = loop.call_soon(self._round)
            else:
                self._timer = loop.call_at(self._due, self._round)

    def forget(self, tell: Callable[[], None]) -> None:
        """Nobody is there any more to be told."""
        self._wanting.pop(tell, None)
        self._left.pop(tell, None)

    def close(self) -> None:
        """Nobody is told any more."""
        for handle in (self._timer, self._step):
            if handle is not None:
                handle.cancel()
        self._wanting.clear()
        self._left.clear()

    def _round(self) -> None:
        self._timer = None
        self._left, self._wanting = self._wanting, {}
        all_bytes = self._listed_bytes() * len(self._left)
        pause_s = min(max(EVERY_S, all_bytes / LISTED_BYTES_S), SELDOM_S)
        self._due = asyncio.get_running_loop().time() + pause_s
        self._tell_some()

    def _tell_some(self) -> None:
        """As many as make one step; the others after everybody else's turn."""
        self._step = None
        for _ in range(max(1, AT_ONCE_BYTES // max(1, self._listed_bytes()))):
            if not self._left:
                break
            tell = next(iter(self._left))
            del self._left[tell]
            tell()
        loop = asyncio.get_running_loop()
        if self._left:
            self._step = loop.call_soon(self._tell_some)
        elif self._wanting:
            self._timer = loop.call_at(self._due, self._round)
