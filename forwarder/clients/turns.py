"""Whose turn it is to be read: others get theirs in between, whatever one peer says.

A peer that says less than a turn in TURN_S never waits for anybody. Of those that say more, one is
read in each pass of the loop, whatever their number: a hundred that flood cost everybody else what
one costs, and themselves the wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.clients.budget import Budget
from forwarder.connectors.bounds import TURN_MESSAGES, TURN_S


class TurnQueue:
    """What all peers of one kind queue for."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Wait for a turn. Whoever comes back from here goes on at once; the next one is let in a
        pass later. Nothing is held while anything else is waited for."""
        async with self._lock:
            await asyncio.sleep(0)


class ReadTurn:
    """How much of one peer is read before everybody else has a turn. `left` is what is left of it:
    whoever reads takes off what the messages count, and calls `others` when there is none.
    """

    __slots__ = ("_budget", "_clock", "_since", "_turns", "left")

    def __init__(self, turns: TurnQueue, budget: Budget | None, clock: Callable[[], float]) -> None:
        """`budget`: None for a peer that may be as fast as it likes."""
        self._turns = turns
        self._budget = budget
        self._clock = clock
        self._since = clock()
        self.left = TURN_MESSAGES

    async def others(self, cost: float | None = None, *, queue: bool = False) -> None:
        """Everybody else's turn; longer for a peer that says more than its budget. `cost`: what is
        taken from that, if not everything that was read; `queue`: wait for a turn in any case."""
        now = self._clock()
        fast = now - self._since < TURN_S
        spent = TURN_MESSAGES - self.left if cost is None else cost
        pause = 0.0 if self._budget is None else self._budget.spend(spent, now)
        if pause:
            await asyncio.sleep(pause)
        if fast or queue:
            await self._turns.next()
        elif not pause:
            await asyncio.sleep(0)
        self._since = self._clock()
        self.left = TURN_MESSAGES
