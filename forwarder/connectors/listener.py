"""`Listener`: an aiohttp application on listening sockets, with limits for whoever connects."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import sys
from collections.abc import Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from forwarder.connectors.base import GOING_AWAY
from forwarder.errors import ConfigError
from relay.link.websocket import WebSocketChannel

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")

# For TLS, and again for the request: a lost packet or two, not a visitor who keeps us waiting.
UPGRADE_S = 5.0
# Connections that have not become a websocket. A new one beyond that pushes out the oldest, so a
# thousand that say nothing neither use up the file descriptors nor keep a good client out. Each
# takes about 16 KiB while it lasts; a thousand at once cost 2 to 4 MiB in all.
MAX_HALF_OPEN = 128
# Websockets at a time: ten times what a household of apps and relays needs.
MAX_OPEN = 256
# A burst of connections must not overflow the queue: the next try of a client comes after 1 s.
_BACKLOG = 1024
# Request line and header fields: a token and what browsers send fit four times.
_MAX_LINE_BYTES = 8190
# Handlers have seen their channels close by then; the devices were stopped before.
_HANDLERS_S = 1.0


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

# The websockets of an application, by what aiohttp calls the connection they are on.
Open = dict[object, WebSocketChannel]
OPEN: web.AppKey[Open] = web.AppKey("open", dict)


class Listener:
    """Serves `app` on every host of `hosts` at one port.

    Port 0 takes a free one; `port` says which once bound. `option` is the command-line option that
    changes the port, for the text when it is taken.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        port: int,
        hosts: Sequence[str] = LOOPBACK,
        tls: ssl.SSLContext | None = None,
        option: str = "--port",
        max_half_open: int = MAX_HALF_OPEN,
        upgrade_s: float = UPGRADE_S,
    ) -> None:
        self.port = port
        self.ready = asyncio.Event()
        self._app = app
        self._hosts = hosts
        self._tls = tls
        self._option = option
        self._max_half_open = max_half_open
        self._upgrade_s = upgrade_s
        self._sockets: list[socket.socket] = []

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
            keepalive_timeout=self._upgrade_s,
            shutdown_timeout=_HANDLERS_S,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        await runner.setup()
        servers: list[asyncio.Server] = []
        try:
            assert runner.server is not None
            for sock in self._sockets:
                servers.append(await self._serve(sock, runner.server))
            self.ready.set()
            await asyncio.get_running_loop().create_future()
        finally:
            self.ready.clear()
            for server in servers:
                server.close()
            self.close()
            await self._close_channels()
            await runner.cleanup()

    async def _serve(self, sock: socket.socket, handlers: web.Server) -> asyncio.Server:
        def accepted() -> asyncio.Protocol:
            self._make_room(handlers)
            return handlers()

        return await asyncio.get_running_loop().create_server(
            accepted,
            sock=sock,
            ssl=self._tls,
            ssl_handshake_timeout=self._upgrade_s if self._tls else None,
            backlog=_BACKLOG,
        )

    def _make_room(self, handlers: web.Server) -> None:
        opened = self._app.get(OPEN, {})
        half_open = [each for each in handlers.connections if each not in opened]
        # Oldest first. Usually there is nothing to do.
        for each in half_open[: max(0, len(half_open) + 1 - self._max_half_open)]:
            each.force_close()

    async def _close_channels(self) -> None:
        async with asyncio.TaskGroup() as group:
            for channel in list(self._app.get(OPEN, {}).values()):
                group.create_task(channel.close(GOING_AWAY, "the server is shutting down"))


def bind(hosts: Sequence[str], port: int, option: str = "--port") -> list[socket.socket]:
    """Return sockets bound to `port` on each of `hosts` (addresses); port 0: a free one, the same.

    Addresses that this machine does not have (no IPv6, say) are left out. Raises ConfigError if
    the port is taken on one of them, or if none is left.
    """
    sockets: list[socket.socket] = []
    last: OSError | None = None
    try:
        for host in hosts:
            try:
                sockets.append(_bound(host, sockets[0].getsockname()[1] if sockets else port))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise _unusable(error, host, port, option) from error
                log.debug("not listening on %s: %s", host, error)
                last = error
        if not sockets:
            raise ConfigError(f"This machine has none of the addresses {', '.join(hosts)}: {last}.")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let a second program share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        # Two sockets may be bound, but not listen: only now is it certain that the port is ours.
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _unusable(error: OSError, host: str, port: int, option: str) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} is taken by another program: end it, or choose another port"
            f" with {option}."
        )
    if error.errno == errno.EACCES:
        return ConfigError(f"Port {port} may not be used: choose one above 1023 with {option}.")
    return ConfigError(f"Cannot listen on {host}, port {port} ({option}): {error.strerror}.")
