"""One link session over one channel: reads and writes frames, keeps the session's deadlines."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter as Tally
from collections import deque
from typing import Protocol

from relay.hub_link.bounds import SEND_S
from relay.hub_link.fitting import instead
from relay.hub_link.outbox import LinkOutbox
from relay.link.channel import Channel
from relay.link.close_codes import NORMAL_CLOSURE, PROTOCOL_ERROR
from relay.link.errors import ChannelClosed, LinkError, LinkRefused, TooLarge
from relay.link.messages import Bye, FromHub, FromRelay, Hello, Welcome
from relay.link.session import LinkSilent, RelaySession
from relay.link.tasks.groups import ConnectionTasks

log = logging.getLogger(__name__)


class LinkHandler(Protocol):
    """Who acts on what the hub says. Both calls decide at once and never wait."""

    def opened(self, line: LinkDriver, welcome: Welcome) -> None: ...

    def heard(self, line: LinkDriver, message: FromHub) -> None: ...


class LinkDriver:
    """The sink of everything that is to be told to this hub. It owns `channel`.

    `late_s`: by how much (s) what the hub says comes later than it could.
    """

    def __init__(self, channel: Channel, desk: LinkHandler, tally: Tally[str]) -> None:
        self.peer = channel.peer
        self.late_s = 0.0
        self._channel = channel
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._session = RelaySession(self._loop.time())
        self._tally = tally
        self._outbox = LinkOutbox(tally)
        self._echoes: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._last: Bye | None = None
        # Whether there is a writer, and it waits for something to do.
        self._idle = False

    def put(self, message: FromRelay) -> None:
        """Queue `message`; nothing goes out after a Bye."""
        if self._last is not None:
            return
        if isinstance(message, Bye):
            self._last = message
        elif self._idle and self._channel.ready:
            try:
                if self._channel.send_now(self._session.send(message)):
                    return
            except TooLarge:
                pass  # the writer knows what to say instead
        self._idle = False
        self._outbox.put(message)
        if self._outbox.full:
            self._room.clear()
        self._changed.set()

    async def run(self, hello: Hello) -> None:
        """Talk to the hub until the link ends, and close the channel.

        Returns after an orderly end. Raises LinkError otherwise: LinkRefused if coming back soon
        will not help, LinkViolation, LinkSilent, ChannelClosed.
        """
        failure: LinkError | None = None
        try:
            async with ConnectionTasks() as group:
                self.put(hello)
                group.create_task(self._write(), name="link writer")
                await self._read()
                raise _LinkEnded
        except* _LinkEnded:
            pass
        except* LinkError as errors:
            failure = _first(errors)
        finally:
            self._last = self._last or Bye()
            await self._channel.close(NORMAL_CLOSURE if failure is None else PROTOCOL_ERROR)
        if failure is not None:
            raise failure

    async def _read(self) -> None:
        while True:
            try:
                # One timer for the frames of seconds; the deadline mostly moves away from it.
                async with asyncio.timeout_at(self._session.deadline) as patience:
                    await self._read_on(patience)
                    return
            except TimeoutError:
                if not patience.expired():
                    raise
                self._session.tick(self._loop.time())

    async def _read_on(self, patience: asyncio.Timeout) -> None:
        """Act on each frame, up to an orderly Bye."""
        while True:
            if not self._room.is_set():
                # Requests bring answers: while the hub does not read those, it is not read either.
                patience.reschedule(None)
                await self._room.wait()
                patience.reschedule(self._session.deadline)
            frame = await self._channel.receive()
            message, echo = self._session.receive(frame, self._loop.time())
            if echo is not None:
                self.late_s = self._session.late_s
                if not (self._idle and self._channel.send_now(echo)):
                    self._idle = False
                    self._echoes.append(echo)
                    self._changed.set()
                # Beats alone say how long the next one may take.
                self._hurry(patience)
            if isinstance(message, Welcome):
                self._hurry(patience)
                self._desk.opened(self, message)
            elif not isinstance(message, Bye):
                self._desk.heard(self, message)
            elif message.retry:
                return
            else:
                raise LinkRefused(message.text or "the hub asked us not to come back")

    def _hurry(self, patience: asyncio.Timeout) -> None:
        nearest, deadline = patience.when(), self._session.deadline
        if not patience.expired() and (nearest is None or deadline < nearest):
            patience.reschedule(deadline)

    async def _write(self) -> None:
        while True:
            frame = self._next()
            if frame is None:
                if self._last is not None:
                    raise _LinkEnded
                self._changed.clear()
                self._idle = True
                try:
                    await self._changed.wait()
                finally:
                    self._idle = False
                continue
            if self._channel.send_now(frame):
                continue
            try:
                async with asyncio.timeout(SEND_S):
                    await self._channel.send(frame)
            except TimeoutError:
                raise LinkSilent(f"the hub took no frame for {SEND_S:g} s") from None

    def _next(self) -> bytes | None:
        if self._echoes:
            return self._echoes.popleft()
        while (message := self._outbox.take()) is not None:
            if not self._outbox.full:
                self._room.set()
            try:
                return self._session.send(message)
            except TooLarge as error:
                # The radio's neighbours decide about sizes; they must not decide about the link.
                log.debug("not said as it is: %s", error)
                self._tally["too large to be told"] += 1
                self._outbox.put_first(instead(message))
        return None


class _LinkEnded(Exception):
    """The link ended in order."""


def _first(errors: BaseExceptionGroup[LinkError]) -> LinkError:
    """What went wrong first; a closed channel is mostly the consequence of something else."""
    causes = [error for error in errors.exceptions if isinstance(error, LinkError)]
    return next((e for e in causes if not isinstance(e, ChannelClosed)), causes[0])
