"""T-Code machines on the network: over UDP and TCP, as lines. Websockets: `relay.radio.wired.web`.

Sources: jcfain/TCodeESP32 (src/UdpHandler.h: port 8000, one datagram is one line, answers go to who
spoke last); MultiFunPlayer's outputs.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar, cast

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.wired.bounds import OPEN_S
from relay.radio.wired.line import OnBytes, OnLost, StreamLine, next_number

T = TypeVar("T")

_CODES = {
    errno.ECONNREFUSED: ErrorCode.NOT_FOUND,
    errno.EHOSTUNREACH: ErrorCode.NOT_FOUND,
    errno.ENETUNREACH: ErrorCode.RADIO,
}
# What the system cannot send at once: it is sent again a moment later, or was as good as lost.
_PASSING = (errno.EAGAIN, errno.ENOBUFS, errno.EINTR)


@dataclass(frozen=True, slots=True)
class Tcp:
    """A machine, or what stands before its serial port, that listens for connections."""

    host: str
    port: int

    def presence(self) -> object | None:
        return self  # Opening shows.

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> StreamLine:
        """Raises RadioError."""
        # A line of ours that was cut in the middle must not swallow the stop behind it.
        line = StreamLine(on_bytes, on_lost, b"\n")
        loop = asyncio.get_running_loop()
        await reached(
            f"{self.host}:{self.port}",
            loop.create_connection(lambda: line, self.host, self.port),
        )
        return line


@dataclass(frozen=True, slots=True)
class Udp:
    """A machine that takes datagrams."""

    host: str
    port: int

    def presence(self) -> object | None:
        return self

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> DatagramLine:
        """Raises RadioError."""
        line = DatagramLine(on_bytes, on_lost)
        loop = asyncio.get_running_loop()
        await reached(
            f"{self.host}:{self.port}",
            loop.create_datagram_endpoint(lambda: line, remote_addr=(self.host, self.port)),
        )
        return line


async def reached(where: str, opening: Awaitable[T]) -> T:
    """Wait for it. Raises RadioError in words for a person."""
    try:
        async with asyncio.timeout(OPEN_S):
            return await opening
    except TimeoutError:
        text = f"{where} does not answer. Is it on, and in this network?"
        raise RadioError(ErrorCode.TIMEOUT, text) from None
    except OSError as error:
        code = _CODES.get(error.errno or 0, ErrorCode.RADIO)
        raise RadioError(code, f"{where} cannot be reached: {_words(error)}") from error


def _words(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "nothing listens there."
    return f"{' '.join(str(error.strerror or error).split())}."


class DatagramLine(asyncio.DatagramProtocol):
    """One machine as the other end of a socket. Each `send` is one datagram."""

    def __init__(self, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self.number = next_number()
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._transport: asyncio.DatagramTransport | None = None
        self._ended = asyncio.Event()
        self._lost: str | None = None
        self._closing = False

    # --- for asyncio ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Neither loop's datagram transport says that it is one.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr  # the socket is connected: nobody else is heard
        self._on_bytes(data if data.endswith(b"\n") else data + b"\n")

    def error_received(self, exc: Exception) -> None:
        assert isinstance(exc, OSError)
        if exc.errno not in _PASSING:
            self.lose(_words(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        self.lose("it was closed" if exc is None else " ".join(str(exc).split()))

    # --- for us --------------------------------------------------------------------------------

    def lose(self, reason: str) -> None:
        """It is broken; whoever has it is told."""
        if self._lost is None:
            self._lost = reason
            if self._transport is not None:
                self._transport.abort()
            if not self._closing:
                self._on_lost(reason)

    @property
    def lost_because(self) -> str | None:
        return self._lost

    async def send(self, data: bytes) -> None:
        self.nudge(data)
        if self._lost is not None or self._transport is None:
            raise RadioError(ErrorCode.GONE, self._lost or "it is not open")

    def nudge(self, data: bytes) -> None:
        if self._transport is not None and self._lost is None:
            self._transport.sendto(data)

    def descriptor(self) -> int | None:
        if self._transport is None or self._lost is not None:
            return None
        socket = self._transport.get_extra_info("socket")
        return None if socket is None else socket.fileno()

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return (data,)

    async def close(self) -> None:
        self._closing = True
        self.lose("it was let go")
        if self._transport is not None:
            await self._ended.wait()
