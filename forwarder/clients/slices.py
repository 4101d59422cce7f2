"""What came on a connection is looked at in slices, so that no connection stands in others' way.

`SlicedProtocol` stands between a transport and aiohttp's protocol. When a slice was dear to read,
the connection rests, and what is left waits: some kilobytes, for nothing is read meanwhile.

| state   | event                                    | becomes                                    |
|---------|------------------------------------------|--------------------------------------------|
| FLOWING | data, cheap                              | FLOWING                                    |
| FLOWING | data, dear; or aiohttp cannot use it yet | RESTING: nothing is read, the rest is kept |
| RESTING | data: aiohttp has had it read            | RESTING: it is kept behind that            |
| RESTING | rested, aiohttp cannot use more yet      | RESTING, a little longer                   |
| RESTING | rested                                   | FLOWING with what is left, reading goes on |
| any     | the connection is lost                   | what is left is dropped                    |

aiohttp cannot use it: what is behind a request for a websocket that is not open yet, which it would
read in one go then; what is behind messages that nobody has received yet; and what is more than it
wants to keep (it has paused the transport).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from forwarder.connectors.bounds import (
    CHEAP_BYTES,
    DEAR_READ_S,
    DEAR_REST,
    LOOK_AGAIN_S,
    SLICE_BYTES,
)


class DearReads:
    """Rests for connections that are dear to read: one after the other, for all of a listener.
    `cpu`: the time that this thread had of a processor."""

    def __init__(self, cpu: Callable[[], float] = time.thread_time) -> None:
        self.cpu = cpu
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    def rest(self, took_s: float, then: Callable[[], None]) -> None:
        """Something took so long; call `then` when it, and all before it, have rested for that."""
        self._waiting.append((took_s, then))
        if len(self._waiting) == 1:
            self._begin()

    def _begin(self) -> None:
        # From now: a loop that comes late to many rests would have all of them end at once.
        asyncio.get_running_loop().call_later(self._waiting[0][0] * DEAR_REST, self._over)

    def _over(self) -> None:
        _, then = self._waiting[0]
        try:
            then()
        finally:
            # Whatever became of this one, the others behind it wait for their turn.
            self._waiting.popleft()
            if self._waiting:
                self._begin()


class SlicedProtocol(asyncio.Protocol):
    """`full` says that nothing more is to be given to `inner` for now. `ended` is called when the
    connection is lost."""

    __slots__ = (
        "_dear",
        "_ended",
        "_enough",
        "_eof",
        "_full",
        "_inner",
        "_left",
        "_resting",
        "_timer",
        "given",
        "transport",
    )

    def __init__(
        self,
        inner: asyncio.Protocol,
        ended: Callable[[], None],
        dear: DearReads,
        full: Callable[[], bool],
    ) -> None:
        self._inner = inner
        self._ended = ended
        self._dear = dear
        self._full = full
        self._left = b""
        self.given = 0  # bytes to `inner`, in all
        self._resting = False
        self._enough = False  # aiohttp has paused the transport
        self._eof = False
        self._timer: asyncio.TimerHandle | None = None  # while it waits for what can be used
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._resting:
            self._left += data
            self._enough = False
            self._pause()
            self.wake()
            return
        if len(data) <= CHEAP_BYTES:
            self._inner.data_received(data)
            self.given += len(data)
            return
        self._look(data)

    def _look(self, data: bytes) -> None:
        """Look at `data` for as long as one step may take."""
        began, at, took = self._dear.cpu(), 0, 0.0
        while at < len(data) and took <= DEAR_READ_S:
            piece = data if len(data) <= SLICE_BYTES else data[at : at + SLICE_BYTES]
            self._inner.data_received(piece)
            at += len(piece)
            self.given += len(piece)
            took = self._dear.cpu() - began
            if at < len(data) and self._is_enough():
                break
        self._left = data[at:]
        if self._left or took > DEAR_READ_S:
            self._rest(took)

    def _rest(self, took_s: float) -> None:
        self._resting = True
        self._enough = self.transport is not None and not self.transport.is_reading()
        self._pause()
        if took_s > DEAR_READ_S:
            self._dear.rest(took_s, self._rested)
        else:
            self._offer_later()

    def _offer_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._offer)

    def wake(self) -> None:
        """Look again at once: somebody begins to wait for what may be left here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            asyncio.get_running_loop().call_soon(self._offer)

    def _offer(self) -> None:
        """Look again whether aiohttp can use more, and queue for that."""
        self._timer = None
        if self._cannot():
            self._offer_later()
        else:
            self._dear.rest(0.0, self._rested)

    def _cannot(self) -> bool:
        transport = self.transport
        return transport is not None and (
            self._full() or (self._enough and not transport.is_reading())
        )

    def _is_enough(self) -> bool:
        return self._full() or (self.transport is not None and not self.transport.is_reading())

    def _pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def _rested(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._left and self._cannot():
            self._offer_later()
            return
        self._resting = False
        if not self._enough:
            transport.resume_reading()
        try:
            if self._left:
                self._look(self._left)
            if self._eof and not self._resting:
                self._end()
        except BaseException:
            transport.abort()  # as the loop does, where it is the loop that has data
            raise

    def eof_received(self) -> bool | None:
        if not self._resting:
            return self._inner.eof_received()
        self._eof = True
        return True

    def _end(self) -> None:
        if not self._inner.eof_received() and self.transport is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left = b""
        self._ended()
        self._inner.connection_lost(exc)

    def forget(self) -> None:
        """It has ended. What it leaves would otherwise wait for the collector, in a circle."""
        self.transport = None
        self._ended, self._full = _nothing, _no


def _nothing() -> None:
    pass


def _no() -> bool:
    return False
