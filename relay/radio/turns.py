"""Whose turn it is at a radio that does one thing at a time: `Turns`.

A toy at the edge of range takes all the time it is given, again and again. One that failed comes
behind those that did not, and whoever has the turn is told when others wait.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from relay.radio.bounds import REMEMBERED


class Turns:
    """Not thread-safe. First come, first served among those that failed equally often in a row."""

    def __init__(self) -> None:
        self._busy = False
        self._crowded: Callable[[], None] = lambda: None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._failures: dict[str, int] = {}

    @asynccontextmanager
    async def mine(self, address: str, crowded: Callable[[], None]) -> AsyncIterator[None]:
        """Wait for the turn of `address`, and have it inside. `crowded` is called once others wait,
        maybe at once."""
        if self._busy:
            turn = asyncio.get_running_loop().create_future()
            place = (self._failures.get(address, 0), next(self._numbers), turn)
            heapq.heappush(self._waiting, place)
            self._crowded()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()  # it was given the turn, and cannot take it
                raise
        self._busy = True
        self._crowded = crowded
        if any(not turn.done() for _, _, turn in self._waiting):
            crowded()
        try:
            yield
        finally:
            self._crowded = lambda: None
            self._pass_on()

    def failed(self, address: str) -> None:
        failures = self._failures.pop(address, 0)
        self._failures[address] = failures + 1
        while len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def worked(self, address: str) -> None:
        self._failures.pop(address, None)

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)  # still busy: nobody may come in between
                return
        self._busy = False
