"""`WebHub`: a hub as the relay page sees it. Serves the page, pairs, plays the hub's end of links.

async with WebHub() as hub:
    page = await browser.page(hub.pairing_page())
    link = await hub.link()          # a LinkHub, once the page has come
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from aiohttp import web

import forwarder
from relay.link.errors import ChannelClosed, LinkError
from relay.link.security.handshake import RefusalCode, code_id
from relay.link.security.noise import KeyPair
from relay.link.security.secure import SecureChannel, secure_as_hub
from relay.link.session import HubSession
from relay.link.websocket import WebSocketChannel
from tests.doubles.linkhub import LinkHub

PAGE = Path(forwarder.__file__).parent / "web" / "relay"
SHARED = PAGE.parent / "shared"
# What the hub's own server sends with the page; the page's meta element says the same.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " manifest-src 'self'; worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_BLANK = "<!doctype html><meta charset=utf-8><title>blank</title>"


class WebHub:
    """Trusts whom it has paired. `relays`: key → name; taking one out revokes it at the next link.

    `page`: which relay page it says it has, and `build`: which one it shows.
    `refuse`: answer every first frame of a pairing with this. `busy`: greet nobody.
    """

    hub_name = "Desk"

    def __init__(self, *, tls: ssl.SSLContext | None = None, with_link: bool = True) -> None:
        self.key = KeyPair.generate()
        self.relays: dict[bytes, str] = {}
        self.codes: dict[bytes, bytes] = {}
        self.refuse: RefusalCode | None = None
        self.busy = False
        self.page = self.build = ""
        self.port = 0
        self.failures: list[str] = []
        self._tls = tls
        self._with_link = with_link
        self._links: asyncio.Queue[LinkHub] = asyncio.Queue()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> WebHub:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; at the same port as before, if there was one."""
        app = web.Application(middlewares=[_strict])
        app.router.add_get("/blank", _blank)
        if self._with_link:
            app.router.add_get("/link", self._serve_link)
        app.router.add_get("/relay/", self._index)
        for file in SHARED.iterdir():
            app.router.add_get(f"/relay/{file.name}", _shared)
        app.router.add_static("/relay/", PAGE)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Be gone, all links cut."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- addresses -----------------------------------------------------------------------------

    def url(self, path: str = "/relay/", host: str = "127.0.0.1") -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{host}:{self.port}{path}"

    def secret(self) -> str:
        """A new pairing code, as it stands in a link."""
        secret = secrets.token_bytes(32)
        self.codes[code_id(secret)] = secret
        return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()

    def pairing_page(self) -> str:
        return f"{self.url()}#{self.secret()}"

    # --- links ---------------------------------------------------------------------------------

    async def link(self, limit_s: float = 20) -> LinkHub:
        """The next link that a relay opens, once it has said Hello."""
        async with asyncio.timeout(limit_s):
            return await self._links.get()

    async def _serve_link(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        channel = WebSocketChannel(ws, transport, peer=str(request.remote))
        try:
            if self.busy:
                await channel.send(bytes([RefusalCode.BUSY]))
                return ws
            secure, _ = await secure_as_hub(channel, self)
            await self._drive(secure)
        except (LinkError, ChannelClosed) as error:
            self.failures.append(str(error))
        finally:
            await channel.close()
        return ws

    async def _index(self, request: web.Request) -> web.Response:
        index = (PAGE / "index.html").read_text()
        mark = '<meta name="build" content="'
        assert mark in index
        return web.Response(text=index.replace(mark, mark + self.build), content_type="text/html")

    async def _drive(self, secure: SecureChannel) -> None:
        link = LinkHub(secure)
        link._session = HubSession(self.hub_name, asyncio.get_running_loop().time(), page=self.page)
        async with asyncio.TaskGroup() as group:
            driver = group.create_task(link.run())
            await link.wait(lambda: bool(link.heard) or driver.done())
            self._links.put_nowait(link)

    # --- Trust (relay/link/security/handshake.py) ------------------------------------------------

    def offer(self, code: bytes, now: float) -> bytes | RefusalCode:
        if self.refuse is not None:
            return self.refuse
        return self.codes.get(code, RefusalCode.WRONG_CODE)

    def file(self, code: bytes, relay_key: bytes, name: str, now: float) -> str:
        del self.codes[code]
        self.relays[relay_key] = name
        return name

    def known(self, relay_key: bytes) -> str | None:
        return self.relays.get(relay_key)


async def _shared(request: web.Request) -> web.FileResponse:
    return web.FileResponse(SHARED / request.path.rpartition("/")[2])


async def _blank(request: web.Request) -> web.Response:
    return web.Response(text=_BLANK, content_type="text/html")


@web.middleware
async def _strict(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    response = await handler(request)
    if request.path.startswith("/relay"):
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
    return response
