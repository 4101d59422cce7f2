"""Listens for websockets: `WebSocketServer`, and `add_websocket_route` beside other routes."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from forwarder.access.admission import (
    AdmissionRefused,
    Admitted,
    Gatekeeper,
    HttpVisitor,
    is_loopback,
)
from forwarder.access.credentials import given
from forwarder.access.cross_origin import preflight_headers
from forwarder.connectors.base import Handler, serve
from forwarder.connectors.bounds import (
    MAX_SAID,
    MAX_SAID_CHARS,
    REQUEST_S,
    SAY_AGAIN_S,
    TLS_S,
    Purpose,
)
from forwarder.connectors.doors import Doors
from forwarder.connectors.listener import LOOPBACK, OPEN, Listener, place_of
from relay.link.bounds import CHANNEL_FRAME_BYTES, CLOSE_S, HEARTBEAT_S, SEND_S
from relay.link.channel import Channel
from relay.link.names import neutralise
from relay.link.websocket import WebSocketChannel, aiohttp_limit

log = logging.getLogger(__name__)

OnVisit = Callable[[Channel, Admitted], Awaitable[None]]

ANY_PATH = "/{path:.*}"
# What a proxy adds when it passes on somebody's request.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def visitor_of(request: web.Request) -> HttpVisitor:
    """Who sent `request`."""
    tokens = given(
        request.headers.getall("Authorization", []),
        request.query.getall("token", []),
        request.path,
    )
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = str(peer[0]) if isinstance(peer, tuple) else ""
    origin = request.headers.get("Origin")
    return HttpVisitor(
        address=address,
        host=_text(request.headers.get("Host", "")),
        origin=None if origin is None else _text(origin),
        tokens=tokens,
        forwarded=any(name in request.headers for name in _FORWARDED),
        secure=request.secure or (is_loopback(address) and _forwarded_by_tls(request.headers)),
    )


def _text(value: str) -> str:
    """Bytes that are no text come as lone surrogates, which no answer and no log can say."""
    return value.encode(errors="replace").decode()


def _forwarded_by_tls(headers: Mapping[str, str]) -> bool:
    # A proxy's word about the way to it. Who lies here lies about the safety of a token of theirs.
    said = headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return said or "proto=https" in headers.get("Forwarded", "").lower().replace('"', "")


def add_websocket_route(
    app: web.Application,
    path: str,
    handler: OnVisit,
    *,
    gatekeeper: Gatekeeper | None = None,
    greeting: str = "This is a websocket server; it has no page for browsers.",
    heartbeat_s: float | None = HEARTBEAT_S,
    max_frame_bytes: int = CHANNEL_FRAME_BYTES,
    purpose: Purpose = Purpose.OTHER,
    send_s: float = SEND_S,
) -> None:
    """Have `handler` called with a channel for each websocket opened at `path` of `app`.

    The channel is closed when the handler ends, and the other way round. `gatekeeper` decides who
    comes in; the default is whoever is on this machine. `greeting` is for people who open the
    address in a browser. `purpose` says whose places they take; for a web page that comes to
    Purpose.LINKS it is Purpose.VISITORS. Serve `app` with a `Listener`, whose `Doors` bound them.
    """
    route = _Route(
        handler,
        gatekeeper or Gatekeeper(),
        greeting,
        heartbeat_s,
        max_frame_bytes,
        purpose,
        send_s,
    )
    if OPEN not in app:
        app[OPEN] = {}
    app.router.add_get(path, route.upgrade, allow_head=False)
    app.router.add_options(path, route.preflight)


class _Route:
    def __init__(
        self,
        handler: OnVisit,
        gatekeeper: Gatekeeper,
        greeting: str,
        heartbeat_s: float | None,
        max_frame_bytes: int,
        purpose: Purpose,
        send_s: float,
    ) -> None:
        self._handler = handler
        self._gatekeeper = gatekeeper
        self._greeting = greeting
        self._heartbeat_s = heartbeat_s
        self._max_frame_bytes = max_frame_bytes
        self._purpose = purpose
        self._send_s = send_s
        self._said: OrderedDict[str, float] = OrderedDict()

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(
                status=426, headers={"Upgrade": "websocket"}, text=self._greeting + "\n"
            )
        visitor = visitor_of(request)
        decision = self._gatekeeper.admit(visitor)
        if isinstance(decision, AdmissionRefused):
            return self._refuse(visitor, decision)
        admitted = self._entered(request, decision)
        if admitted is None:
            return self._refuse(visitor, AdmissionRefused(503, "there are too many connections"))
        ws = web.WebSocketResponse(
            timeout=CLOSE_S,
            heartbeat=self._heartbeat_s,
            autoping=False,
            compress=False,
            max_msg_size=aiohttp_limit(self._max_frame_bytes),
        )
        try:
            async with asyncio.timeout(REQUEST_S):
                await ws.prepare(request)
        except (ConnectionError, TimeoutError):
            return ws  # it has gone again, or takes nothing
        if request.transport is None:
            return ws  # it has gone again
        channel = WebSocketChannel(ws, request.transport, peer=visitor.address, send_s=self._send_s)
        opened = request.app[OPEN]
        opened[request.protocol] = channel
        try:
            await serve(lambda channel: self._handler(channel, admitted), channel)
        finally:
            del opened[request.protocol]
        return ws

    def _entered(self, request: web.Request, admitted: Admitted) -> Admitted | None:
        """Give the connection the place it came for; None if there is none."""
        place = place_of(request)
        if place is None:
            return admitted
        purpose = self._purpose
        if purpose is Purpose.LINKS and admitted.visitor.origin is not None:
            purpose = Purpose.VISITORS
        loop = asyncio.get_running_loop()
        if not place.enter(purpose, loop.time(), settled=admitted.proven, who=admitted.who):
            return None
        if place.until is not None:
            loop.call_at(place.until, lambda: place.overdue(loop.time()))
        return dataclasses.replace(admitted, settle=place.settle)

    async def preflight(self, request: web.Request) -> web.Response:
        visitor = visitor_of(request)
        if visitor.origin is None or not self._gatekeeper.admit_page(visitor):
            return self._refuse(
                visitor, AdmissionRefused(403, f"the web page {visitor.origin} asked")
            )
        headers = preflight_headers(request.headers, visitor.origin, "GET", "Authorization")
        return web.Response(status=204, headers=headers)

    def _refuse(self, visitor: HttpVisitor, refused: AdmissionRefused) -> web.Response:
        self._say(visitor, refused)
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
        return web.Response(status=refused.status, text=refused.text + "\n", headers=headers)

    def _say(self, visitor: HttpVisitor, refused: AdmissionRefused) -> None:
        """Log the refusal, unless the log has it from a moment ago."""
        now = asyncio.get_running_loop().time()
        text = neutralise(f"{visitor.address}: {refused.text}", MAX_SAID_CHARS)
        if now - self._said.get(text, now - SAY_AGAIN_S) < SAY_AGAIN_S:
            log.debug("refused a connection from %s", text)
            return
        self._said[text] = now
        self._said.move_to_end(text)
        while len(self._said) > MAX_SAID:
            self._said.popitem(last=False)
        hint = ""
        if visitor.origin is not None and visitor.loopback:
            hint = "; if it is an app of yours, add it to the allowed origins"
        log.warning("refused a connection from %s%s", text, hint)


class WebSocketServer:
    """A connector that listens for websockets at any path; no subprotocol; ws, or wss with `tls`.

    `await server.run(handler)` serves until cancelled; `bind` takes the port before that, for a
    program that wants to know early. `ready` is set while connections are accepted.
    """

    def __init__(
        self,
        *,
        port: int,
        hosts: Sequence[str] = LOOPBACK,
        tls: ssl.SSLContext | None = None,
        gatekeeper: Gatekeeper | None = None,
        option: str = "--port",
        greeting: str = "This is a websocket server: give its address to an app.",
        heartbeat_s: float | None = HEARTBEAT_S,
        max_frame_bytes: int = CHANNEL_FRAME_BYTES,
        purpose: Purpose = Purpose.OTHER,
        send_s: float = SEND_S,
        doors: Doors | None = None,
        request_s: float = REQUEST_S,
        tls_s: float = TLS_S,
    ) -> None:
        self._handler: OnVisit | None = None
        app = web.Application()
        add_websocket_route(
            app,
            ANY_PATH,
            self._visit,
            gatekeeper=gatekeeper,
            greeting=greeting,
            heartbeat_s=heartbeat_s,
            max_frame_bytes=max_frame_bytes,
            purpose=purpose,
            send_s=send_s,
        )
        self._listener = Listener(
            app,
            port=port,
            hosts=hosts,
            tls=tls,
            option=option,
            doors=doors,
            request_s=request_s,
            tls_s=tls_s,
        )

    @property
    def port(self) -> int:
        """The real one, once bound."""
        return self._listener.port

    @property
    def ready(self) -> asyncio.Event:
        return self._listener.ready

    def bind(self) -> int:
        """Take the port and return its number. Raises ConfigError. Idempotent."""
        return self._listener.bind()

    def close(self) -> None:
        """Give a bound port back; only needed where `run` is not called."""
        self._listener.close()

    async def run(self, handler: Handler) -> None:
        """Serve until cancelled. Raises ConfigError if the port cannot be had."""
        await self.run_visits(lambda channel, _: handler(channel))

    async def run_visits(self, handler: OnVisit) -> None:
        """Like `run`, for a handler that wants to know who was admitted, and by which grant."""
        self._handler = handler
        await self._listener.run()

    async def _visit(self, channel: Channel, admitted: Admitted) -> None:
        assert self._handler is not None
        await self._handler(channel, admitted)
