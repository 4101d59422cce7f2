"""`relay run` as a process, and a hub for it that a test plays."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from relay.link.websocket import WebSocketChannel
from tests.doubles.linkhub import LinkHub


class Hub:
    """A hub that a test plays, listening where a relay on this machine looks for it."""

    def __init__(self) -> None:
        self.links: asyncio.Queue[LinkHub] = asyncio.Queue()
        self.url = ""

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        hub = LinkHub(WebSocketChannel(ws, transport, peer="relay"))
        self.links.put_nowait(hub)
        await hub.run()
        return ws

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Hub]:
        app = web.Application()
        app.router.add_get("/link/plain", self._accept)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@asynccontextmanager
async def relay(
    hub: Hub, state: Path, *more: str, program: Sequence[str] = ("-m", "relay")
) -> AsyncIterator[Process]:
    """`program`: what is started instead of `python -m relay`."""
    arguments = ["run", "--hub", hub.url, "--state", str(state), *more]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments, stderr=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
