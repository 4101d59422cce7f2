"""T-Code over a websocket, as a line: each write is a text frame. Frames are made and read by the
package `websockets`, its part without I/O; it is an extra (`tcode`).

TCodeESP32 answers with objects: {"command": "tcode", "message": "TCode v0.3\\n"}; what else it
tells (log, status) is no T-Code. Source: jcfain/TCodeESP32 (src/WebSocketHandler.h).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.wired.bounds import MESSAGE_MOST, OPEN_S
from relay.radio.wired.line import OnBytes, OnLost, StreamLine
from relay.radio.wired.network import reached

try:
    from websockets.client import ClientProtocol
    from websockets.exceptions import WebSocketException
    from websockets.frames import Frame, Opcode
    from websockets.http11 import Response
    from websockets.protocol import State
    from websockets.uri import parse_uri
except ImportError:  # an extra
    MISSING = True
else:
    MISSING = False


class _Said(msgspec.Struct):
    command: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Web:
    """`path` begins with a slash."""

    host: str
    port: int
    path: str = "/ws"

    def presence(self) -> object | None:
        return self  # Opening shows.

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> WebLine:
        """Raises RadioError."""
        where = f"ws://{self._host}:{self.port}{self.path}"
        line = WebLine(where, on_bytes, on_lost)
        loop = asyncio.get_running_loop()
        await reached(where, loop.create_connection(lambda: line, self.host, self.port))
        try:
            await line.agreed(where)
        except BaseException:
            await line.close()
            raise
        return line


class WebLine(StreamLine):
    """A websocket to `where`; lines in text frames."""

    def __init__(self, where: str, on_bytes: OnBytes, on_lost: OnLost) -> None:
        super().__init__(on_bytes, on_lost)
        self._protocol = ClientProtocol(parse_uri(where), max_size=MESSAGE_MOST)
        self._agreed = asyncio.Event()
        self._parts = b""

    async def agreed(self, where: str) -> None:
        """Shake hands. Raises RadioError."""
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        try:
            async with asyncio.timeout(OPEN_S):
                await self._agreed.wait()
        except TimeoutError:
            text = f"{where} does not answer as a websocket does."
            raise RadioError(ErrorCode.TIMEOUT, text) from None
        if self._protocol.handshake_exc is not None or self.lost_because is not None:
            text = f"{where} is no websocket for T-Code. On TCodeESP32 it is ws://HOST/ws."
            raise RadioError(ErrorCode.REFUSED, text)

    async def send(self, data: bytes) -> None:
        await super().send(_framed(data))

    def nudge(self, data: bytes) -> None:
        super().nudge(_framed(data))

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        # Each frame has a mask of its own, which may be any: it hides nothing.
        return (_framed(data),)

    def lose(self, reason: str) -> None:
        super().lose(reason)
        self._agreed.set()

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        try:
            protocol.receive_data(data)
            events = protocol.events_received()
        except WebSocketException as error:
            self.lose(f"it said no websocket's words: {error}")
            return
        for event in events:
            if isinstance(event, Response):
                self._agreed.set()
            else:
                self._frame(event)
        # Answers to its pings, and to its goodbye.
        for piece in protocol.data_to_send():
            super().nudge(piece)
        if protocol.state is not State.OPEN and protocol.handshake_exc is None:
            self.lose("it ended the connection")
        elif protocol.handshake_exc is not None:
            self._agreed.set()

    def _frame(self, frame: object) -> None:
        assert isinstance(frame, Frame)
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return
        self._parts += bytes(frame.data)
        if frame.fin:
            whole, self._parts = self._parts, b""
            self._on_bytes(_said(whole))

    async def _flush(self) -> None:
        for piece in self._protocol.data_to_send():
            await super().send(piece)


def _framed(data: bytes) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=True)


def _said(text: bytes) -> bytes:
    """What a text message says in T-Code, a whole line or nothing, which is a sign of life, too."""
    if text.lstrip().startswith(b"{"):
        try:
            said = msgspec.json.decode(text, type=_Said)
        except msgspec.DecodeError:
            return b""
        text = said.message.encode() if said.command == "tcode" else b""
    return text if text.endswith(b"\n") or not text else text + b"\n"
