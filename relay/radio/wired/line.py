"""An open way to a device: bytes out, bytes in, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Protocol, cast

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError

OnBytes = Callable[[bytes], None]
OnLost = Callable[[str], None]

_numbers = count(1)


def next_number() -> int:
    """The number of a new line."""
    return next(_numbers)


class Line(Protocol):
    """`number`: no other line of this process ever has the same."""

    number: int

    async def send(self, data: bytes) -> None:
        """Return once the system has taken all of it. Raises RadioError."""
        ...

    def nudge(self, data: bytes) -> None:
        """Send it if there is room at once; else not at all."""
        ...

    @property
    def lost_because(self) -> str | None:
        """Why it is broken; None: it is not."""
        ...

    def lose(self, reason: str) -> None:
        """Take it to be broken."""
        ...

    def descriptor(self) -> int | None:
        """What another process can be handed to write to it, if there is such a thing."""
        ...

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        """What such a process writes, one after the other, for `data` to arrive."""
        ...

    async def close(self) -> None:
        """Idempotent; `on_lost` is not called for it."""
        ...


class StreamLine(asyncio.Protocol):
    """A line over a transport of asyncio: a serial port or a TCP connection.

    At most one write waits in the transport: the next one is only handed over once the system has
    taken it, so that nothing old is in the way of a stop for longer than the write under way.
    """

    def __init__(self, on_bytes: OnBytes, on_lost: OnLost, prefix: bytes = b"") -> None:
        self.number = next_number()
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._prefix = prefix
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._ended = asyncio.Event()
        self._lost: str | None = None
        self._closing = False

    # --- for asyncio ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not say that they are some.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._on_bytes(data)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        self.lose("it was closed" if exc is None else " ".join(str(exc).split()))

    # --- for us --------------------------------------------------------------------------------

    def lose(self, reason: str) -> None:
        """It is broken; whoever waits for it is told."""
        if self._lost is None:
            self._lost = reason
            self._room.set()
            if self._transport is not None:
                self._transport.abort()
            if not self._closing:
                self._on_lost(reason)

    async def send(self, data: bytes) -> None:
        transport = self._live()
        await self._room.wait()
        transport = self._live()
        try:
            transport.write(data)
        except OSError as error:
            self.lose(error.strerror or str(error))
        await self._room.wait()
        self._live()

    def nudge(self, data: bytes) -> None:
        transport = self._transport
        if self._lost is None and transport is not None and self._room.is_set():
            transport.write(data)

    @property
    def lost_because(self) -> str | None:
        return self._lost

    def descriptor(self) -> int | None:
        transport = self._transport
        if transport is None or self._lost is not None:
            return None
        port = transport.get_extra_info("serial") or transport.get_extra_info("socket")
        return None if port is None else port.fileno()

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        # Another process writes behind what may be half a line of ours.
        return (self._prefix + data,)

    async def close(self) -> None:
        self._closing = True
        self.lose("it was let go")
        await self._ended.wait()

    def _live(self) -> asyncio.Transport:
        transport = self._transport
        if self._lost is not None or transport is None or transport.is_closing():
            raise RadioError(ErrorCode.GONE, self._lost or "it is not open")
        return transport
