"""`DirectChannel`: the Channel over one stream each way, whoever carries them.

    frame: 4 bytes head, big-endian, and the content
    head:  bit 31: text, bit 30: the closing frame (2 bytes code, then the reason); else the length

What the other end does not read stays with the sender, by the flow control of the streams: one
write is under way, and what comes meanwhile waits for the next, up to a bound above which `send`
waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from relay.link.bounds import (
    CHANNEL_FRAME_BYTES,
    CLOSE_S,
    DIRECT_OUTBOX_BYTES,
    DIRECT_READ_BYTES,
    SEND_S,
    TURN_FRAMES,
)
from relay.link.channel import Frame
from relay.link.close_codes import INTERNAL_ERROR, MESSAGE_TOO_BIG, NO_CLOSE, PROTOCOL_ERROR
from relay.link.errors import ChannelClosed
from relay.link.tasks.signal import WakeFlag

log = logging.getLogger(__name__)

_HEAD_BYTES: Final = 4
_TEXT: Final = 1 << 31
_CLOSING: Final = 1 << 30
_LENGTH: Final = _CLOSING - 1
# As long as a websocket's, whose place this takes (RFC 6455, 5.5).
_REASON_BYTES: Final = 123

T = TypeVar("T")


class DirectStreams(Protocol):
    """Both directions, and what carries them. All raise ChannelClosed once that is gone."""

    async def write(self, data: bytes) -> None:
        """Returns when the other end's window has room for it."""
        ...

    async def finish(self) -> None:
        """Nothing more is written. Returns when the other end has everything."""
        ...

    async def read(self, most: int) -> bytes:
        """Up to `most` bytes, as soon as there are some; b"" at the end. One call at a time; a
        call that is cancelled may lose bytes."""
        ...

    async def hang_up(self) -> None:
        """End it, whatever the other end does. Takes a moment at most."""
        ...


class DirectChannel:
    """A Channel over `streams`, which are its own. `way`: what carries it now, for people."""

    def __init__(
        self,
        streams: DirectStreams,
        *,
        peer: str,
        way: Callable[[], tuple[bool, str]],
        max_frame_bytes: int = CHANNEL_FRAME_BYTES,
        send_s: float = SEND_S,
    ) -> None:
        self.peer = peer
        self._way = way
        self._streams = streams
        self._max_frame_bytes = max_frame_bytes
        self._send_s = send_s
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._room = WakeFlag()
        self._room.set()
        # Both go on when whoever waits for them is cancelled: half a frame must not be lost.
        self._reading: asyncio.Future[bytes] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end: ChannelClosed | None = None
        self._released = False
        self._taken = 0  # frames since everybody else had a turn

    def __repr__(self) -> str:
        return f"<DirectChannel {self.peer} {'open' if self._end is None else 'closed'}>"

    @property
    def way(self) -> tuple[bool, str]:
        """Whether an iroh relay carries it, and which; or the address at the other end."""
        return self._way()

    async def send(self, frame: Frame) -> None:
        """Queue `frame`; waits while the peer is slow, 10 s at most. Cancelled, it sends nothing.

        Raises ChannelClosed once closed, and when the peer is stuck, which closes the channel.
        """
        self._check()
        if not self._room.is_set():
            try:
                async with asyncio.timeout(self._send_s):
                    # Whoever else waited may have used up the room again.
                    while not self._room.is_set() and self._end is None:
                        await self._room.wait()
            except TimeoutError:
                why = f"it took no frame for {self._send_s:g} s"
                end = self._ended(ChannelClosed(NO_CLOSE, why))
                await self.close()
                raise end from None
            self._check()
        self._put(frame)

    @property
    def ready(self) -> bool:
        return self._end is None and self._room.is_set()

    def send_now(self, frame: Frame) -> bool:
        if not self.ready:
            return False
        self._put(frame)
        return True

    def _put(self, frame: Frame) -> None:
        content, kind = (frame.encode(), _TEXT) if isinstance(frame, str) else (frame, 0)
        self._write(kind, content)

    def _write(self, kind: int, content: bytes) -> None:
        self._outbox += (kind | len(content)).to_bytes(_HEAD_BYTES, "big") + content
        if len(self._outbox) >= DIRECT_OUTBOX_BYTES and self._end is None:
            self._room.clear()
        if self._writing is None:
            self._write_on()

    def _write_on(self) -> None:
        """All that waits, in one write."""
        data = bytes(self._outbox)
        self._outbox.clear()
        self._writing = _going_on(self._streams.write(data))
        self._writing.add_done_callback(self._wrote)

    def _wrote(self, done: asyncio.Future[None]) -> None:
        self._writing = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None and self._outbox:
            self._write_on()
        elif isinstance(error, ChannelClosed):
            self._ended(error)
        elif error is not None:
            # A frame may be lost: nothing after it may follow, whatever went wrong.
            log.error("%s: a bug ended this connection", self.peer, exc_info=error)
            self._ended(ChannelClosed(INTERNAL_ERROR, "internal error"))
        self._room.set()

    async def receive(self) -> Frame:
        """The next frame. Raises ChannelClosed at the end. A cancelled receive loses nothing."""
        # Before a frame is taken: one that is taken is not lost by a cancellation.
        if self._taken >= TURN_FRAMES:
            self._taken = 0
            await asyncio.sleep(0)
        while (frame := self._next()) is None:
            self._check()
            if self._reading is None:
                self._reading = _going_on(self._streams.read(DIRECT_READ_BYTES))
            reading = self._reading
            await self._or_over(reading)
            if reading.done() and self._reading is reading:
                self._reading = None
                data = self._result(reading)
                if not data:
                    raise self._ended(ChannelClosed(NO_CLOSE, "the other end is gone"))
                self._inbox += data
        self._taken += 1
        return frame

    async def _or_over(self, call: asyncio.Future[Any]) -> None:
        await asyncio.wait([call, self._over], return_when=asyncio.FIRST_COMPLETED)

    def _next(self) -> Frame | None:
        """What came next, if it is whole. Raises ChannelClosed for the closing frame, and for what
        is none."""
        if self._end is not None or len(self._inbox) < _HEAD_BYTES:
            return None
        head = int.from_bytes(self._inbox[:_HEAD_BYTES], "big")
        length, end = head & _LENGTH, _HEAD_BYTES + (head & _LENGTH)
        if length > self._max_frame_bytes:
            raise self._ended(ChannelClosed(MESSAGE_TOO_BIG, "a frame is too large"))
        if len(self._inbox) < end:
            return None
        content = bytes(self._inbox[_HEAD_BYTES:end])
        del self._inbox[:end]
        if head & _CLOSING:
            code = int.from_bytes(content[:2], "big")
            reason = content[2 : 2 + _REASON_BYTES].decode(errors="replace")
            raise self._ended(ChannelClosed(code, reason))
        if not head & _TEXT:
            return content
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self._ended(ChannelClosed(PROTOCOL_ERROR, "a text frame is no text")) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and end the channel, within a second even if the peer is stuck."""
        heard = self._end is not None
        self._ended(ChannelClosed(code, reason))
        if self._released:
            return
        self._released = True
        try:
            if not heard:
                async with asyncio.timeout(CLOSE_S):
                    await self._goodbye(code, reason)
        except (TimeoutError, ChannelClosed):
            pass  # it is stuck or gone: it will notice by itself
        finally:
            await self._streams.hang_up()
            for call in (self._reading, self._writing):
                if call is not None:
                    call.cancel()

    async def _goodbye(self, code: int, reason: str) -> None:
        self._write(_CLOSING, code.to_bytes(2, "big") + reason.encode()[:_REASON_BYTES])
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await self._streams.finish()

    def _check(self) -> None:
        if self._end is not None:
            raise ChannelClosed(self._end.code, self._end.reason)

    def _result(self, done: asyncio.Future[T]) -> T:
        try:
            return done.result()
        except ChannelClosed as closed:
            raise self._ended(closed) from closed

    def _ended(self, end: ChannelClosed) -> ChannelClosed:
        """Note how the channel ended, the first time, and return that."""
        self._end = self._end or end
        self._room.set()
        if not self._over.done():
            self._over.set_result(None)
        return ChannelClosed(self._end.code, self._end.reason)


def _going_on(call: Coroutine[None, None, T]) -> asyncio.Future[T]:
    """`call`, whoever waits for it; what nobody asks about any more is said by the end."""
    future = asyncio.ensure_future(call)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
