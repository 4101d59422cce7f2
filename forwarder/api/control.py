"""The hub's end of the command line: a socket in the state folder, which only its owner can open.

Where there is none (Windows, a path too long for one, a file system without), a port on loopback
with a key from the folder, and proofs in both directions (relay.link.files.proof). Nobody who
takes a name or a port after a hub has been killed is sent a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from forwarder.api.bounds import BACKLOG, HANDLERS_S, KEEPALIVE_S
from forwarder.api.places import (
    CHALLENGE_PATH,
    PLACE_FILE,
    PROOF_HEADER,
    SOCKET_FILE,
    ControlPort,
    can_be_socket,
)
from forwarder.errors import ConfigError
from relay.link.files import proof
from relay.link.files.keys import write_private

log = logging.getLogger(__name__)


class ControlSocket:
    """Serves `app` to whoever can read the state folder `folder`, which the caller has locked."""

    def __init__(self, folder: Path, app: web.Application) -> None:
        self._folder = folder
        self._app = app
        self._sock: socket.socket | None = None
        self._key = b""
        self._exchanges: WeakKeyDictionary[asyncio.BaseTransport, proof.Exchange]
        self._exchanges = WeakKeyDictionary()
        app.middlewares.append(self._guard)
        app.router.add_get(CHALLENGE_PATH, self._challenge)

    def bind(self) -> None:
        """Take the socket. Idempotent. Raises ConfigError."""
        if self._sock is not None:
            return
        # What a killed hub left; the lock says that nobody uses it.
        self._remove()
        try:
            self._sock = _unix_socket(self._folder / SOCKET_FILE) or self._tcp_socket()
        except OSError as error:
            raise ConfigError(
                f"The commands' socket cannot be made in {self._folder}: {error.strerror}."
            ) from error
        self._sock.setblocking(False)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._remove()

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError."""
        self.bind()
        assert self._sock is not None
        runner = web.AppRunner(
            self._app,
            handle_signals=False,
            access_log=None,
            logger=log,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=HANDLERS_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._sock, backlog=BACKLOG).start()
            await asyncio.get_running_loop().create_future()
        finally:
            try:
                await runner.cleanup()
            finally:
                self.close()

    def _remove(self) -> None:
        (self._folder / SOCKET_FILE).unlink(missing_ok=True)
        (self._folder / PLACE_FILE).unlink(missing_ok=True)

    def _tcp_socket(self) -> socket.socket:
        sock = socket.create_server(("127.0.0.1", 0))
        try:
            self._key = secrets.token_bytes(proof.KEY_BYTES)
            place = ControlPort(sock.getsockname()[1], self._key.hex())
            write_private(self._folder / PLACE_FILE, msgspec.json.encode(place))
        except BaseException:
            sock.close()
            raise
        return sock

    # --- proofs ---------------------------------------------------------------------------------

    async def _challenge(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        challenge = proof.nonce()
        self._exchanges[request.transport] = proof.Exchange(self._key, challenge)
        shown = proof.of_hub(self._key, request.query.get("nonce", ""), challenge)
        return web.json_response({"challenge": challenge, "proof": shown})

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sock = request.transport.get_extra_info("socket") if request.transport else None
        if sock is None:
            return web.Response(status=401)  # gone again
        if not _is_tcp(sock) or request.path == CHALLENGE_PATH:
            return await handler(request)
        assert request.transport is not None
        exchange = self._exchanges.get(request.transport)
        if exchange is None or "Content-Encoding" in request.headers:
            return web.Response(status=401, text="Ask for a challenge first.\n")
        body = await request.read()
        expected = exchange.ask(request.method, request.path_qs, body)
        if not proof.same(request.headers.get(PROOF_HEADER, ""), expected):
            del self._exchanges[request.transport]
            return web.Response(status=401, text="That proof is wrong.\n")
        response = await handler(request)
        assert isinstance(response, web.Response)  # commands are answered in one piece
        content = response.body
        assert content is None or isinstance(content, bytes)
        response.headers[PROOF_HEADER] = exchange.answer(response.status, content or b"")
        return response


def _is_tcp(sock: socket.socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def _unix_socket(path: Path) -> socket.socket | None:
    """None where there can be none."""
    if not can_be_socket(path):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _for_the_owner_only():
            sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        log.info("no socket at %s (%s): a port on loopback instead", path, error.strerror)
        return None
    return sock


@contextlib.contextmanager
def _for_the_owner_only() -> Iterator[None]:
    # Bound with these permissions, because between a bind and a chmod others could come in.
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
