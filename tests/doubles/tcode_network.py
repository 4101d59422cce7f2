"""Strokers that speak T-Code on the network: UDP, TCP and websocket, as TCodeESP32 has them, behind
real sockets of this machine. Each can be pulled (gone from its port), hang, and lose what comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from aiohttp import WSMsgType, web

from tests.doubles.tcode_toy import Firmware
from tests.system.processes import free_ports


class UdpToy:
    """`lose`: so many datagrams that come next never arrive."""

    scheme = "udp"

    def __init__(self, firmware: Firmware | None = None) -> None:
        self.firmware = firmware or Firmware()
        self.lose = 0
        (self.port,) = free_ports(1)
        self.url = f"udp://127.0.0.1:{self.port}"
        self._socket: socket.socket | None = None
        self._peer: tuple[str, int] | None = None

    async def plug(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.setblocking(False)
        self.heal()

    async def pull(self) -> None:
        if self._socket is not None:
            self.hang()
            self._socket.close()
            self._socket = None

    def hang(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)

    def heal(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def fail(self) -> None:
        self.lose = 2

    async def say(self, data: bytes) -> None:
        self._say(data)

    def _say(self, data: bytes) -> None:
        assert self._socket is not None
        assert self._peer is not None
        self._socket.sendto(data, self._peer)

    def _readable(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            data, self._peer = self._socket.recvfrom(4096)
            if self.lose:
                self.lose -= 1
            elif answer := self.firmware.feed(data if data.endswith(b"\n") else data + b"\n"):
                self._say(answer)


class TcpToy:
    """One connection at a time."""

    scheme = "tcp"

    def __init__(self, firmware: Firmware | None = None) -> None:
        self.firmware = firmware or Firmware()
        (self.port,) = free_ports(1)
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._server: asyncio.Server | None = None
        self._made: set[_TcpPeer] = set()

    async def plug(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _TcpPeer(self.firmware, self._made), "127.0.0.1", self.port
        )

    async def pull(self) -> None:
        if self._server is not None:
            self._server.close()
            self.fail()
            self._server = None

    def hang(self) -> None:
        for peer in self._made:
            peer.transport.pause_reading()

    def heal(self) -> None:
        for peer in self._made:
            peer.transport.resume_reading()

    def fail(self) -> None:
        for peer in tuple(self._made):
            peer.transport.abort()

    async def say(self, data: bytes) -> None:
        for peer in self._made:
            peer.transport.write(data)


class _TcpPeer(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, firmware: Firmware, made: set[_TcpPeer]) -> None:
        self._firmware = firmware
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._made.add(self)

    def data_received(self, data: bytes) -> None:
        if answer := self._firmware.feed(data):
            self.transport.write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._made.discard(self)


class WebToy:
    """Answers in objects, and tells its log in others."""

    scheme = "ws"

    def __init__(self, firmware: Firmware | None = None) -> None:
        self.firmware = firmware or Firmware()
        (self.port,) = free_ports(1)
        self.url = f"ws://127.0.0.1:{self.port}/ws"
        self._runner: web.AppRunner | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._transports: set[asyncio.Transport] = set()
        self._sockets: set[web.WebSocketResponse] = set()

    async def plug(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.heal()

    async def pull(self) -> None:
        if self._runner is not None:
            self.fail()
            await self._runner.cleanup()
            self._runner = None

    def hang(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    def fail(self) -> None:
        self._open.set()
        for transport in tuple(self._transports):
            transport.abort()

    async def say(self, data: bytes) -> None:
        for ws in tuple(self._sockets):
            await ws.send_json({"command": "tcode", "message": data.decode()})

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        transport = request.transport
        assert transport is not None
        self._transports.add(transport)
        self._sockets.add(ws)
        try:
            async for message in ws:
                await self._open.wait()
                if message.type is not WSMsgType.TEXT or message.data.startswith("{"):
                    continue
                answer = self.firmware.feed(message.data.encode())
                with contextlib.suppress(ConnectionError):
                    await ws.send_json({"command": "status", "message": "TCode v9.9"})
                    if answer:
                        await ws.send_json({"command": "tcode", "message": answer.decode()})
        finally:
            self._transports.discard(transport)
            self._sockets.discard(ws)
        return ws
