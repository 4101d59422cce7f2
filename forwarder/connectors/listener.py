"""`Listener`: an aiohttp application on listening sockets; `Doors` decides who has a place.

Connections are accepted here, not by asyncio, which would take a thousand at once and tell nobody
of those that never finish TLS.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from multidict import CIMultiDict, CIMultiDictProxy

from forwarder.clients.slices import DearReads, SlicedProtocol
from forwarder.clients.turns import ReadTurn, TurnQueue
from forwarder.connectors.bounds import (
    ACCEPT_AGAIN_S,
    GOODBYE_S,
    HANDLERS_S,
    MAX_LINE_BYTES,
    REQUEST_MESSAGES,
    REQUEST_S,
    REQUESTS_APART_S,
    TLS_S,
    UNREAD_HERE_BYTES,
)
from forwarder.connectors.descriptors import bind
from forwarder.connectors.doors import Doors, Place
from relay.link.close_codes import GOING_AWAY
from relay.link.websocket import WebSocketChannel

log = logging.getLogger(__name__)

RequestFactory = Callable[..., web.BaseRequest]

LOOPBACK = ("127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")


class _Quiet(logging.Filter):
    """aiohttp logs a traceback for whatever is no HTTP. A port on a network hears all sorts of
    things; none of them is an error of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        record.msg, record.args = "something that is no HTTP came: %s", (type(error).__name__,)
        record.exc_info = None
        return log.isEnabledFor(logging.DEBUG)


_QUIET = _Quiet()

# The places of an application's connections, by what aiohttp calls the connection.
RequestPlaces = dict[object, Place]
PLACES: web.AppKey[RequestPlaces] = web.AppKey("places", dict)


# The websockets of an application, by what aiohttp calls the connection they are on.
Open = dict[object, WebSocketChannel]
OPEN: web.AppKey[Open] = web.AppKey("open", dict)


# How much of a turn each connection's requests have left.
_TURNS: web.AppKey[dict[object, ReadTurn]] = web.AppKey("turns", dict)
# One for who asks now and then, and one for who floods.
_LINES: web.AppKey[tuple[TurnQueue, TurnQueue]] = web.AppKey("lines", tuple)


# Whether a request shows a token that is good; of an application that has tokens.
SHOWS_TOKEN: web.AppKey[Callable[[web.Request], bool]] = web.AppKey("shows token")


def place_of(request: web.Request) -> Place | None:
    """The place of the connection that brought `request`; None if no `Listener` accepted it."""
    return request.app.get(PLACES, {}).get(request.protocol)


def _without_odd_expectations(make: RequestFactory) -> RequestFactory:
    """aiohttp (3.14) fails, with a traceback, on an Expect header whose bytes are no text. Nothing
    but 100-continue can be expected (RFC 9110, 10.1.1), so nothing else is heard."""

    def made(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        expected = message.headers.get("Expect", "100-continue")
        if expected.lower() != "100-continue":
            headers = CIMultiDict(message.headers)
            del headers["Expect"]
            message = message._replace(headers=CIMultiDictProxy(headers))
        return make(message, *rest)

    return made


async def _last_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Whoever only ever asks for pages gives the place back now and then, between two requests. And
    behind a body that was not read to its end there is no other request: that is said as well, or
    the next one on this connection is met by a reset."""
    place = place_of(request)
    given_back = place is not None and asyncio.get_running_loop().time() >= place.last_answer
    if given_back or (request.body_exists and not request.content.is_eof()):
        response.force_close()
        response.headers.setdefault("Connection", "close")


@web.middleware
async def _in_turns(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One request has its turn in a pass of the loop; fewer, of connections that send hundreds. Who
    shows a token waits for no stranger, and loses no place to one."""
    line, floods = request.app[_LINES]
    turns = request.app[_TURNS]
    turn = turns.get(request.protocol)
    if turn is None:
        clock = asyncio.get_running_loop().time
        turn = turns[request.protocol] = ReadTurn(floods, None, clock)
    turn.left -= REQUEST_MESSAGES
    if turn.left <= 0:
        await turn.others()
    shows_token = request.app.get(SHOWS_TOKEN)
    if shows_token is not None and shows_token(request):
        place = place_of(request)
        if place is not None:
            place.vouch()
    else:
        await line.next()
    return await handler(request)


class Listener:
    """Serves `app` on every host of `hosts` at one port.

    Port 0 takes a free one; `port` says which once bound. `doors`: the hub's, or of this listener
    alone. `option` is the command-line option that changes the port, for the text when it is taken.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        port: int,
        hosts: Sequence[str] = LOOPBACK,
        tls: ssl.SSLContext | None = None,
        option: str = "--port",
        doors: Doors | None = None,
        request_s: float = REQUEST_S,
        tls_s: float = TLS_S,
    ) -> None:
        self.port = port
        self.ready = asyncio.Event()
        self.doors = Doors() if doors is None else doors
        self._app = app
        self._hosts = hosts
        self.tls = tls
        self._option = option
        self._request_s = request_s
        self.tls_s = tls_s
        self._sockets: list[socket.socket] = []
        # Before the application is frozen; a second listener may serve the same one.
        if PLACES not in app:
            app[PLACES] = {}
            app[_TURNS], app[_LINES] = {}, (TurnQueue(), TurnQueue(REQUESTS_APART_S))
            app.middlewares.insert(0, _in_turns)
            app.on_response_prepare.append(_last_answer)
        if OPEN not in app:
            app[OPEN] = {}
        self.places: RequestPlaces = app[PLACES]
        self.opened = app[OPEN]
        self.turns = app[_TURNS]
        self.dear = DearReads()
        # Until the connection is aiohttp's; what would be kept for longer, thousands would keep.
        self.arriving: dict[_Arrival, asyncio.Task[None]] = {}

    def bind(self) -> int:
        """Take the port and return its number; connections wait until `run`.

        Raises ConfigError, with what to do about it. Idempotent.
        """
        if not self._sockets:
            self._sockets = bind(self._hosts, self.port, self._option)
            self.port = self._sockets[0].getsockname()[1]
        return self.port

    def close(self) -> None:
        """Give a bound port back; only needed where `run` is not called."""
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError if the port cannot be had."""
        self.bind()
        http_log = logging.getLogger(f"{__name__}.http")
        http_log.addFilter(_QUIET)  # once, however often it is added
        runner = web.AppRunner(
            self._app,
            handle_signals=False,
            access_log=None,
            logger=http_log,
            # aiohttp drops a connection without a complete request after this.
            keepalive_timeout=self._request_s,
            shutdown_timeout=HANDLERS_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            # A body is what was sent: half a megabyte of gzip can stand for 500 of zeros.
            auto_decompress=False,
            # And what nobody wants to read is not read: the connection ends instead.
            lingering_time=0.0,
        )
        await runner.setup()
        assert runner.server is not None
        runner.server.request_factory = _without_odd_expectations(runner.server.request_factory)
        accepting: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                for sock in self._sockets:
                    work = self._accept(sock, runner.server, tasks)
                    accepting.append(tasks.create_task(work, name=f"accept {self.port}"))
                self.ready.set()
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self.ready.clear()
                    # Also while this is cancelled: nobody new, and an end to TLS under way.
                    for task in accepting:
                        task.cancel()
                    await self._end_handshakes()
        finally:
            self.close()
            await self._close_channels()
            for place in tuple(self.places.values()):
                place.end()
            await runner.cleanup()

    # --- accepting ------------------------------------------------------------------------------

    async def _accept(
        self, sock: socket.socket, handlers: web.Server, tasks: asyncio.TaskGroup
    ) -> None:
        """Accept one connection at a time, and give everybody else a turn after each."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(sock)
            except ConnectionError:
                continue  # it has gone again
            except OSError as error:
                log.warning("no connection can be accepted: %s", error.strerror)
                self.doors.make_room()
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            _Arrival(self, connection, str(address[0]), handlers, tasks)
            await asyncio.sleep(0)

    async def _end_handshakes(self) -> None:
        opening = tuple(self.arriving.values())
        for arrival in tuple(self.arriving):
            arrival.end()
        if opening:
            await asyncio.wait(opening, timeout=HANDLERS_S)

    async def _close_channels(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S), asyncio.TaskGroup() as group:
                for channel in list(self._app.get(OPEN, {}).values()):
                    group.create_task(channel.close(GOING_AWAY, "the server is shutting down"))


class _Arrival:
    """One accepted connection, until it is aiohttp's; then only its place is watched."""

    __slots__ = (
        "_connection",
        "_counted",
        "_handler",
        "_listener",
        "_loop",
        "_place",
        "_read",
        "_timer",
    )

    def __init__(
        self,
        listener: Listener,
        connection: socket.socket,
        address: str,
        handlers: web.Server,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._connection = connection
        self._handler = handlers()
        self._counted = SlicedProtocol(self._handler, self._ended, listener.dear, self._full)
        self._timer: asyncio.TimerHandle | None = None
        self._read = 0  # bytes, as far as it is known
        self._place = listener.doors.arrive(address, self._loop.time(), self.end)
        listener.places[self._handler] = self._place
        self._watch()
        opening = tasks.create_task(self._open(), name=f"connection {address}")
        listener.arriving[self] = opening

    async def _open(self) -> None:
        listener = self._listener
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._counted,
                self._connection,
                ssl=listener.tls,
                ssl_handshake_timeout=listener.tls_s if listener.tls else None,
            )
        except OSError as error:  # TLS failed, or it has gone again; TimeoutError is one too
            log.debug("a connection did not get as far as a request: %s", error)
            self._ended()
        finally:
            listener.arriving.pop(self, None)

    def _full(self) -> bool:
        """Whether what comes now would only wait in aiohttp."""
        channel = self._listener.opened.get(self._handler)
        if channel is not None:
            given = self._counted.given
            if channel.caught_up:
                self._read = given
            full = given - self._read >= UNREAD_HERE_BYTES
            channel.hungry = self._counted.wake if full else None
            return full
        # aiohttp (3.14) keeps what comes until a websocket is open, and then reads it in one go.
        return self._handler._upgraded and self._handler._payload_parser is None

    def _watch(self) -> None:
        """See to it that the place is given up when its time is over."""
        until = self._place.until
        if until is None:
            self._timer = None
        elif self._loop.time() >= until:
            self._place.end()
        else:
            self._timer = self._loop.call_at(until, self._watch)

    def end(self) -> None:
        """Close it, at once."""
        if self._counted.transport is not None:
            self._counted.transport.abort()
            return
        # TLS is under way, and its transport is the loop's own yet: the end of the stream ends it
        # in every loop, at once.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _ended(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._listener.places.pop(self._handler, None)
        self._listener.turns.pop(self._handler, None)
        # aiohttp (3.14): by this a websocket that is over keeps itself.
        self._handler._data_received_cb = None
        self._place.leave()
        self._counted.forget()
