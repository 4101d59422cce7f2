"""The local control socket of a running relay, for the wearer's commands and for buttons.

JSON lines: {"do": "pause"} → {"ok": true, "status": {…}}; "do" is status, pause, resume, stop or
forget; the last one needs the "address" of a device that may be running, or its name.
A Unix socket in the state folder that only this user can open; where there are none (Windows), a
loopback TCP port and a token, both in a file of the state folder.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from relay.agent import Agent
from relay.errors import ControlError, UsageError
from relay.link.names import quoted
from relay.status import AgentStatus

log = logging.getLogger(__name__)

# A line holds a word and a token; a status of 16 peripherals about 4 KB.
MOST_REQUEST_BYTES = 4096
# Somebody who connects and says nothing is let go after this (s); a program answers at once.
REQUEST_S = 10.0
# Open connections: a command, a few buttons.
MOST_CLIENTS = 8
# How long (s) "stop" waits for the radio before it says how that went.
STOPPED_S = 2.0
# What the asking side waits (s): the above, and a busy machine.
ANSWER_S = 5.0

Command = Literal["status", "pause", "resume", "stop", "forget"]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    do: Command
    token: str = ""
    address: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`error` is there if not `ok`. `stopped`: whether the radio has taken every stop."""

    ok: bool
    error: str = ""
    stopped: bool | None = None
    status: AgentStatus | None = None


class _Place(msgspec.Struct, frozen=True):
    """Where the socket is, on platforms without Unix sockets."""

    port: int
    token: str


class Control:
    """Serves the control socket of `agent` in the folder `state`, which it takes at once.

    Raises UsageError if another relay uses this folder, or the socket cannot be made.
    """

    def __init__(self, agent: Agent, state: Path) -> None:
        self._agent = agent
        self._state = state
        self._token = ""
        self._clients = 0
        self._sock = self._listen()

    async def run(self) -> None:
        """Until cancelled."""
        with self._sock as sock:
            async with asyncio.TaskGroup() as group:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    group.create_task(self._serve(reader, writer), name="control")

                limit = MOST_REQUEST_BYTES
                server = await asyncio.start_server(accept, sock=sock, limit=limit)
                try:
                    await server.serve_forever()
                finally:
                    server.close()
                    _socket_path(self._state).unlink(missing_ok=True)
                    _place_path(self._state).unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        if _answers(self._state):
            raise UsageError(f"another relay is running with the state folder {self._state}")
        try:
            return self._listen_unix() if _has_unix(self._state) else self._listen_tcp()
        except OSError as error:
            text = f"the control socket cannot be made in {self._state}: {error.strerror}"
            raise UsageError(text) from error

    def _listen_unix(self) -> socket.socket:
        path = _socket_path(self._state)
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound with these permissions, because between a bind and a chmod others could come in.
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
            sock.listen(MOST_CLIENTS)
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(before)
        return sock

    def _listen_tcp(self) -> socket.socket:
        sock = socket.create_server(("127.0.0.1", 0))
        self._token = secrets.token_urlsafe(32)
        place = _Place(sock.getsockname()[1], self._token)
        path = _place_path(self._state)
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(msgspec.json.encode(place))
        return sock

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > MOST_CLIENTS:
                await self._say(writer, Answer(False, "too many connections"))
                return
            while True:
                async with asyncio.timeout(REQUEST_S):
                    line = await reader.readline()
                if not line:
                    return
                await self._say(writer, await self._answer(line))
        except (TimeoutError, ConnectionError, ValueError):
            # Silent, gone, or a line that does not end: ValueError is asyncio's word for that.
            return
        finally:
            self._clients -= 1
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(REQUEST_S):
            await writer.drain()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Answer(False, f"that is no command: {error}")
        if not hmac.compare_digest(request.token.encode(), self._token.encode()):
            return Answer(False, "wrong token")
        agent = self._agent
        stopped = None
        match request.do:
            case "pause":
                agent.pause()
                stopped = await agent.stopped(STOPPED_S)
            case "stop":
                agent.emergency_stop()
                stopped = await agent.stopped(STOPPED_S)
            case "resume":
                agent.resume()
            case "forget":
                if not self._forget(request.address):
                    return Answer(False, f"nothing called {quoted(request.address)} is looked for")
            case "status":
                pass
        return Answer(True, stopped=stopped, status=agent.status())

    def _forget(self, called: str) -> bool:
        """Whether exactly one device that is looked for has this address or name, and had."""
        debts = self._agent.status().debts
        named = [each for each in debts if called in (each.address, each.name)]
        return len(named) == 1 and self._agent.forget(named[0].address)


def ask(state: Path, do: Command, address: str = "") -> Answer:
    """Ask the relay that runs with this state folder. Blocks. Raises ControlError."""
    try:
        sock, token = _connect(state)
        with sock:
            sock.sendall(msgspec.json.encode(Request(do, token, address)) + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline()
        answer = msgspec.json.decode(line, type=Answer)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(f"no relay is running with the state folder {state}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ControlError(f"the running relay did not answer: {error}") from error
    if not answer.ok:
        raise ControlError(f"the running relay said: {answer.error}")
    return answer


def _connect(state: Path) -> tuple[socket.socket, str]:
    """Return a connection to the relay of this folder, and the token it wants."""
    if _has_unix(state):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(ANSWER_S)
        try:
            sock.connect(str(_socket_path(state)))
        except OSError:
            sock.close()
            raise
        return sock, ""
    place = msgspec.json.decode(_place_path(state).read_bytes(), type=_Place)
    return socket.create_connection(("127.0.0.1", place.port), ANSWER_S), place.token


def _answers(state: Path) -> bool:
    try:
        sock, _ = _connect(state)
    except (OSError, msgspec.DecodeError):
        return False
    sock.close()
    return True


def _has_unix(state: Path) -> bool:
    # sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing zero.
    return hasattr(socket, "AF_UNIX") and len(os.fsencode(_socket_path(state))) < 104


def _socket_path(state: Path) -> Path:
    return state / "control.sock"


def _place_path(state: Path) -> Path:
    return state / "control.json"
