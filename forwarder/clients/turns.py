"""Whose turn it is to be read: others get theirs in between, whatever one peer says.

A peer that says less than a turn in TURN_S never waits for anybody. Of those that say more, one is
read in each pass of the loop, whatever their number, for STEP_S of the processor's time: a hundred
that flood cost everybody else what one costs, and themselves the wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from forwarder.clients.budget import Budget
from forwarder.connectors.bounds import DEAR_REST, SPARE_MOST_S, STEP_S, TURN_MESSAGES, TURN_S


class TurnQueue:
    """What all peers of one kind queue for. `pause_s`: between two turns, if not only a pass of the
    loop. `cpu`: the time that this thread had of a processor; `clock`: any that is at least as
    fast."""

    def __init__(
        self,
        pause_s: float = 0.0,
        *,
        cpu: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = asyncio.Lock()
        self._pause_s = pause_s
        self.cpu = cpu
        self._clock = clock
        self._began, self._began_at = cpu(), clock()

    async def next(self) -> None:
        """Wait for a turn. Whoever comes back from here goes on at once; the next one is let in a
        pass later. Nothing is held while anything else is waited for."""
        async with self._lock:
            await asyncio.sleep(self._pause_s)
            self._began, self._began_at = self.cpu(), self._clock()

    async def spare(self) -> None:
        """Wait for a turn to begin what takes many passes of the loop: as long as the last pass
        took, so that a thousand that begin at once are not all in the next one."""
        async with self._lock:
            clock = asyncio.get_running_loop().time
            began = clock()
            await asyncio.sleep(0)
            await asyncio.sleep(min(clock() - began, SPARE_MOST_S))

    async def rest(self, took_s: float) -> None:
        """Nobody has a turn for a multiple of what one step took, which could not be made smaller:
        such steps take a fifth of a processor."""
        async with self._lock:
            await asyncio.sleep(took_s * DEAR_REST)

    @property
    def over(self) -> bool:
        """Whether whoever had the last turn has had as much of the processor as there is of one."""
        # The processor's time is a call of the system, the clock is none: mostly that says enough.
        return self._clock() - self._began_at > STEP_S and self.cpu() - self._began > STEP_S


class ReadTurn:
    """How much of one peer is read before everybody else has a turn. `left` is what is left of it:
    whoever reads takes off what the messages count, and calls `others` when it is `over`, which it
    can only be with nothing left or while it is `queued`.
    """

    __slots__ = ("_budget", "_clock", "_since", "_turns", "left", "queued")

    def __init__(self, turns: TurnQueue, budget: Budget | None, clock: Callable[[], float]) -> None:
        """`budget`: None for a peer that may be as fast as it likes."""
        self._turns = turns
        self._budget = budget
        self._clock = clock
        self._since = clock()
        self.queued = False  # for this turn
        self.left = TURN_MESSAGES

    @property
    def over(self) -> bool:
        """Whether it is the others' turn before anything more is read."""
        return self.left <= 0 or (self.queued and self._turns.over)

    async def others(self, cost: float | None = None, *, queue: bool = False) -> None:
        """Everybody else's turn; longer for a peer that says more than its budget. `cost`: what is
        taken from that, if not everything that was read; `queue`: wait for a turn in any case."""
        now = self._clock()
        read = TURN_MESSAGES - self.left
        fast = (now - self._since) * TURN_MESSAGES < read * TURN_S
        spent = read if cost is None else cost
        pause = 0.0 if self._budget is None else self._budget.spend(spent, now)
        if pause:
            await asyncio.sleep(pause)
        self.queued = fast or queue
        if self.queued:
            await self._turns.next()
        elif not pause:
            await asyncio.sleep(0)
        self._since = self._clock()
        self.left = TURN_MESSAGES
