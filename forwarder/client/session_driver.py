"""`SessionDriver`: drives one ClientSession over a channel, the role "client" on whatever made it.

Frames leave in the order in which they were asked for, except that what is urgent overtakes. The
queue is bounded by the session, which lets 1,024 requests be unanswered at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from forwarder.buttplug.client import (
    ClientAction,
    ClientEvent,
    ClientSession,
    DevicesListed,
    HandshakeFailed,
    Ignored,
    RequestReply,
)
from forwarder.buttplug.codec import open_frame
from forwarder.buttplug.messages import ClientMessage, Error, ServerMessage
from forwarder.client.bounds import LIST_COST, SEND_S
from forwarder.clients.budget import Budget
from forwarder.connectors.bounds import SERVER_BURST, SERVER_MESSAGES_S, TURN_MESSAGES
from forwarder.errors import Code, ForwarderError
from relay.link.channel import Channel, Frame
from relay.link.errors import ChannelClosed
from relay.link.tasks.groups import ConnectionTasks, first_error

log = logging.getLogger(__name__)


class ServerRefused(ForwarderError):
    """The server answered a request with an Error; `code` is the one it gave."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class ServerGone(ForwarderError):
    """The connection to the server has ended, or the server would not have us."""


class Asked(NamedTuple):
    """A request: its Id, and its reply, which fails with ServerRefused or ServerGone."""

    id: int
    reply: asyncio.Future[ServerMessage]


class SessionDriver:
    """One conversation with a Buttplug server over `channel`, which `run` closes.

    `on_event` hears everything that is no answer, synchronously and in order.
    """

    def __init__(
        self, channel: Channel, session: ClientSession, on_event: Callable[[ClientEvent], None]
    ) -> None:
        self.session = session
        self._channel = channel
        self._on_event = on_event
        self._clock = asyncio.get_running_loop().time
        self._budget = Budget(SERVER_MESSAGES_S, SERVER_BURST, self._clock())
        self._since_turn = 0
        # Of these, answers: they were asked for, and slow ones would hold up a stop's.
        self._answers = 0
        self._urgent: deque[str] = deque()
        self._queue: dict[int, str] = {}
        self._own = count(-1, -1)  # keys of the session's own frames; requests have their Ids
        self._waiting: dict[int, asyncio.Future[ServerMessage]] = {}
        self._wake = asyncio.Event()
        # When the watcher looks next; it is woken for what is due before that.
        self._look: float | None = None
        self._sooner = asyncio.Event()
        self._end: str | None = None

    def __repr__(self) -> str:
        return f"<SessionDriver {self._channel.peer} {self.session!r}>"

    @property
    def ended(self) -> bool:
        return self._end is not None

    def ask(self, message: ClientMessage, *, urgent: bool = False) -> Asked:
        """Put a request on its way. Raises ServerGone, and what ClientSession.request raises."""
        if self._end is not None:
            raise ServerGone(self._end)
        id, frame = self.session.request(message, self._clock(), urgent=urgent)
        reply: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._waiting[id] = reply
        if urgent:
            self._urgent.append(frame)
        else:
            self._queue[id] = frame
        self._wake.set()
        self._reschedule()
        return Asked(id, reply)

    def waits(self, id: int) -> bool:
        """Whether this request has not left yet, and may be withdrawn."""
        return id in self._queue

    def withdraw(self, id: int) -> bool:
        """Take a request back if it has not left yet; its reply is then cancelled."""
        if self._queue.pop(id, None) is None:
            return False
        self.session.forget(id)
        self._waiting.pop(id).cancel()
        return True

    def hang_up(self, reason: str) -> None:
        """Have `run` end soon, and every reply fail now. Idempotent."""
        if self._end is None:
            self._finish(reason)
            self._wake.set()

    async def run(self) -> None:
        """Greet the server and talk until the channel ends. Raises ServerGone, with the reason."""
        if self._end is None:
            self._queue[next(self._own)] = self.session.hello(self._clock())
        self._wake.set()
        reason = "this end closed the connection"
        try:
            async with ConnectionTasks() as tasks:
                tasks.create_task(self._write(), name="dialogue writer")
                tasks.create_task(self._watch(), name="dialogue deadlines")
                while True:
                    await self._take(await self._channel.receive())
        except* (ChannelClosed, ServerGone) as group:
            reason = str(first_error(group))
        finally:
            self.hang_up(reason)
            await self._channel.close()
        raise ServerGone(reason)

    async def _take(self, frame: Frame) -> None:
        """Act on everything in `frame`; a server that says too much is read more slowly."""
        for item in open_frame(frame):
            if self._end is not None:
                return
            actions = self.session.take(item, self._clock())
            self._act(actions)
            self._since_turn += 1
            self._answers += any(isinstance(action, RequestReply) for action in actions)
            if any(isinstance(action, DevicesListed) for action in actions):
                self._since_turn += LIST_COST
            if self._since_turn >= TURN_MESSAGES:
                unasked = self._since_turn - self._answers
                pause = self._budget.spend(unasked, self._clock())
                self._since_turn = self._answers = 0
                await asyncio.sleep(pause)

    def _finish(self, reason: str) -> None:
        self._end = reason
        self._queue.clear()
        self._urgent.clear()
        waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            if not reply.done():
                _fail(reply, ServerGone(reason))

    async def _write(self) -> None:
        while True:
            if self._end is not None:
                raise ServerGone(self._end)
            while (frame := self._next()) is not None:
                try:
                    async with asyncio.timeout(SEND_S):
                        await self._channel.send(frame)
                except TimeoutError:
                    raise ServerGone(f"{self._channel.peer} does not read") from None
            self._wake.clear()
            await self._wake.wait()

    def _next(self) -> str | None:
        if self._urgent:
            return self._urgent.popleft()
        if self._queue:
            return self._queue.pop(next(iter(self._queue)))
        return None

    async def _watch(self) -> None:
        """Keep the session's deadlines."""
        while True:
            self._look = self.session.deadline
            self._sooner.clear()
            try:
                async with asyncio.timeout_at(self._look):
                    await self._sooner.wait()
            except TimeoutError:
                self._act(self.session.tick(self._clock()))

    def _reschedule(self) -> None:
        due = self.session.deadline
        if due is not None and (self._look is None or due < self._look):
            self._sooner.set()

    def _act(self, actions: list[ClientAction]) -> None:
        for action in actions:
            match action:
                case str():
                    self._queue[next(self._own)] = action
                    self._wake.set()
                case RequestReply(id, message):
                    self._answered(id, message)
                case HandshakeFailed(_, text):
                    self._on_event(action)
                    raise ServerGone(text)
                case Ignored(text):
                    log.debug("%s: %s", self._channel.peer, text)
                case _:
                    self._on_event(action)
        self._reschedule()

    def _answered(self, id: int, message: ServerMessage) -> None:
        reply = self._waiting.pop(id, None)
        if reply is None or reply.done():
            return  # whoever asked has given up
        if isinstance(message, Error):
            known = message.error_code in Code.__members__.values()
            code = Code(message.error_code) if known else Code.UNKNOWN
            _fail(reply, ServerRefused(code, message.error_message))
        else:
            reply.set_result(message)


def _fail(reply: asyncio.Future[ServerMessage], error: ForwarderError) -> None:
    reply.set_exception(error)
    reply.exception()  # nobody has to look
