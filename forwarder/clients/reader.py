"""Reads one client's frames in turns: others get theirs in between, whatever it sends.

* Order stays as sent. A peer above its budget is read more slowly, never refused. A frame counts as
  its messages, or by its size if that is more: what was not asked for has to be opened too.
* A long frame is opened in steps (buttplug/long_frames.py), others have their turn in between. What
  cannot be opened ends the session, and so stops what the client drives.
* After TURN_MESSAGES, or STEP_S of who sends more, everybody else has a turn, but not between an
  output and the stop behind it: of a frame that is longer than a turn, outputs that a stop further
  on undoes are not begun, and answered as any value is that a newer one overtook; and a short frame
  with a stop in it is taken before the turn ends, not after.
* Nothing more is read while the answers do not leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from forwarder.buttplug.codec import Envelope, Unreadable, open_frame
from forwarder.buttplug.dialect import ClientRequest
from forwarder.buttplug.long_frames import LongFrame, TooLong
from forwarder.buttplug.messages import ClientMessage
from forwarder.buttplug.server import Closing, ServerAction, ServerSession
from forwarder.clients.budget import Budget
from forwarder.clients.turns import ReadTurn, TurnQueue
from forwarder.clients.undone import Undone
from forwarder.connectors.bounds import (
    LONG_FRAME_BYTES,
    MESSAGE_BYTES,
    TURN_MESSAGES,
    WEIGHT_BYTES,
)
from relay.link.close_codes import MESSAGE_TOO_BIG

# Objects of a frame that are looked through for stops between two looks at the clock.
_LOOK = TURN_MESSAGES // 4


class CommandHandler(Protocol):
    """Who carries out what was read."""

    async def act(self, action: ServerAction) -> None: ...

    def without(
        self, request: ClientRequest, kept: tuple[ClientMessage, ...]
    ) -> ClientRequest | None:
        """What is left of `request` to be carried out if only `kept` is; None if it is answered."""
        ...

    async def room(self) -> None:
        """Wait until there is room for answers."""
        ...


class ClientReader:
    """`budget`: None for a program of this machine, which may be as fast as it likes. `turns`: of
    all clients together."""

    def __init__(
        self,
        session: ServerSession,
        desk: CommandHandler,
        budget: Budget | None,
        turns: TurnQueue,
    ) -> None:
        self._turns = turns
        self._session = session
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._turn = ReadTurn(turns, budget, self._loop.time)

    def end(self) -> None:
        """Nothing is taken any more, and who carried it out is forgotten."""
        del self._desk

    async def take(self, frame: str | bytes) -> None:
        """Carry out everything in `frame`."""
        turn = self._turn
        # Mostly there is something left, and nobody waits: not even asked.
        over = (turn.left <= 0 or turn.queued) and turn.over
        if over and not (turn.left > -TURN_MESSAGES and _may_stop(frame)):
            await self._others()
        if len(frame) < 2 * TURN_MESSAGES:
            self._turn.left -= 1  # the usual one: a message or two
            for action in self._session.receive(frame, self._loop.time()):
                await self._desk.act(action)
            return
        try:
            items = await self._opened(frame)
        except TooLong:
            await self._desk.act(
                Closing(MESSAGE_TOO_BIG, f"a message has {MESSAGE_BYTES} bytes at most")
            )
            return
        self._turn.left -= max(0, len(frame) // WEIGHT_BYTES - len(items))
        if len(items) > TURN_MESSAGES:
            await self._take_many(items)
            return
        self._turn.left -= len(items)
        actions = [a for item in items for a in self._session.take(item, self._loop.time())]
        await self._act([*actions, *self._session.end_of_frame()])

    async def _opened(self, frame: str | bytes) -> list[Envelope | Unreadable]:
        if len(frame) < LONG_FRAME_BYTES:
            return open_frame(frame)
        opening = LongFrame(frame)
        await self._turns.next()
        for _ in opening.steps():
            if self._turns.over:
                await self._turns.next()
        return opening.items

    async def _take_many(self, items: Sequence[Envelope | Unreadable]) -> None:
        undone = Undone()
        for at, item in enumerate(items):
            if at % _LOOK == _LOOK - 1 and self._turns.over:
                await self._turns.next()
            stop = self._session.stop_in(item)
            if stop is not None:
                undone.note(at, stop)
        await self._others(queue=True)
        for at, item in enumerate(items):
            if (self._turn.left <= 0 or self._turn.queued) and self._turn.over:
                await self._others(queue=True)
            self._turn.left -= 1
            for action in self._session.take(item, self._loop.time()):
                await self._act_unless(undone, at, action)
        await self._act(self._session.end_of_frame())

    async def _act_unless(self, undone: Undone, at: int, action: ServerAction) -> None:
        if isinstance(action, ClientRequest):
            kept = tuple(each for each in action.commands if not undone.undoes(at, each))
            if len(kept) < len(action.commands):
                left = self._desk.without(action, kept)
                if left is None:
                    return
                action = left
        await self._desk.act(action)

    async def _act(self, actions: Sequence[ServerAction]) -> None:
        for action in actions:
            await self._desk.act(action)

    async def _others(self, *, queue: bool = False) -> None:
        await self._turn.others(queue=queue)
        await self._desk.room()


def _may_stop(frame: str | bytes) -> bool:
    """Whether a stop may be in `frame`, which is short: all its names have this in them, however
    written."""
    if len(frame) >= LONG_FRAME_BYTES:
        return False
    return (b"top" in frame.lower()) if isinstance(frame, bytes) else ("top" in frame.lower())
