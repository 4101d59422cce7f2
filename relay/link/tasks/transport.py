"""What a websocket needs of its transport: whether there is room, and writes that leave together.

Alone a frame leaves at once: waiting for company would only make it later. But one that has sent
several requests brings several frames in one turn of the event loop, and the system's call is the
dearest part of each. So while whoever is being read has said more than was looked at
(`LoopTurn.more`), what is written waits for the end of the turn; the loop itself sees to it that it
leaves then, whatever becomes of whoever wrote it.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from functools import lru_cache
from weakref import WeakKeyDictionary

from relay.link.bounds import MANY_CHARS
from relay.link.tasks.signal import WakeFlag

# What a head says of longer frames (RFC 6455, 5.2).
_SHORT_BYTES, _LONG_BYTES = 125, 0xFFFF
_LONG, _LONGEST = struct.Struct("!BBH"), struct.Struct("!BBQ")


class WriteFlow(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol, and knows whether there is room to write.

    aiohttp (3.14, BaseProtocol._drain_helper) has everyone who waits for room await one future: a
    send that is cancelled there cancels all others, and leaves every later one unable to wait. So
    aiohttp never hears that there is no room.
    """

    __slots__ = ("_clock", "_inner", "heard_at", "received", "room")

    def __init__(self, transport: asyncio.Transport) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner = inner
        self.room = WakeFlag()
        self.room.set()
        self._clock = asyncio.get_running_loop().time
        self.heard_at = self._clock()
        self.received = 0  # bytes
        transport.set_protocol(self)

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._clock()
        self.received += len(data)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.set()
        self._inner.connection_lost(exc)


class LoopTurn:
    """One turn of an event loop. `more`: what has come from the peer that is read now holds more
    than was looked at; said for too long it costs others a turn, and nothing else."""

    __slots__ = ("_waiting", "more")

    def __init__(self) -> None:
        self.more = False
        self._waiting: list[TurnWrites] = []

    @property
    def holds(self) -> bool:
        """Whether what is written waits. What comes behind something that waits does so, too,
        wherever it goes: an answer must not leave before the value that it answers for."""
        return self.more or bool(self._waiting)

    def wait(self, writes: TurnWrites) -> None:
        """Have `writes` flushed at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._end)
        self._waiting.append(writes)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writes in waiting:
            writes.flush()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopTurn] = WeakKeyDictionary()


def turn_of(loop: asyncio.AbstractEventLoop) -> LoopTurn:
    """The same for everybody on `loop`."""
    return _turns.setdefault(loop, LoopTurn())


class TurnWrites:
    """Writes to `transport`, in the order of the calls."""

    __slots__ = ("_held", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, turn: LoopTurn) -> None:
        self._transport = transport
        self._turn = turn
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write it now, or at the end of this turn. Raises what the transport does."""
        if self._held:
            self._held.append(data)
        elif self._turn.holds:
            self._held.append(data)
            self._turn.wait(self)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what waits. Of a connection that is no more its reader hears as well."""
        if self._held:
            data, self._held = b"".join(self._held), []
            if not self._transport.is_closing():
                with suppress(OSError, RuntimeError):
                    self._transport.write(data)


def framed(frame: str | bytes, mask: int | None = None) -> bytes:
    """`frame` as it is sent, whole (RFC 6455, 5.2). `mask`: 32 bits, from the end that dialed; it
    keeps nothing secret, only what stands between from taking a frame for something else."""
    if mask is None and len(frame) > MANY_CHARS and isinstance(frame, str):
        return _framed_once(frame)
    return _framed(frame, mask)


@lru_cache(maxsize=1)
def _framed_once(text: str) -> bytes:
    """A text of such length is a list that all clients get alike: what it is on the wire is made
    once, and there once however many have not read it yet."""
    return _framed(text, None)


def _framed(frame: str | bytes, mask: int | None) -> bytes:
    kind, data = (0x81, frame.encode()) if isinstance(frame, str) else (0x82, frame)
    size, masked = len(data), 0
    if mask is not None:
        masked = 0x80
        key = mask.to_bytes(4, "big")
        whole = int.from_bytes((key * (size // 4 + 1))[:size], "big")
        data = key + (int.from_bytes(data, "big") ^ whole).to_bytes(size, "big")
    if size <= _SHORT_BYTES:
        return bytes((kind, masked | size)) + data
    if size <= _LONG_BYTES:
        return _LONG.pack(kind, masked | 126, size) + data
    return _LONGEST.pack(kind, masked | 127, size) + data
