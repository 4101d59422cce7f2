"""The local control socket of a running relay, for the wearer's commands and for buttons.

JSON lines: {"do": "pause"} → {"ok": true, "status": {…}}; "do" is status, pause, resume, stop,
forget, allow or end. `forget` needs the "address" of a device that may be running, or its name;
`allow` and `end` are about guests: there it is the name of a share, "NAME NUMBER" for one of
several, "" for all.
A Unix socket in the state folder that only this user can open; where there are none (Windows), a
loopback TCP port with a key, both in a file of the state folder, and proofs in both directions
(relay.link.files.proof): whoever takes the port of a relay that was killed is told nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from msgspec.structs import replace

from relay.agent import Agent
from relay.errors import ControlError, UsageError
from relay.link.files import proof
from relay.link.files.folder_lock import FolderLock, FolderTaken
from relay.link.files.keys import PrivateFileError, read_private, write_private
from relay.link.names import quoted
from relay.wearer.bounds import ANSWER_S, MOST_CLIENTS, MOST_REQUEST_BYTES, REQUEST_S, STOPPED_S
from relay.wearer.status import AgentStatus

log = logging.getLogger(__name__)

LOCK_FILE = "relay.lock"

ControlCommand = Literal["status", "pause", "resume", "stop", "forget", "allow", "end"]


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`nonce`: of a challenge; `proof`: of anything else, where there is no socket."""

    do: ControlCommand | Literal["challenge"]
    nonce: str = ""
    proof: str = ""
    address: Annotated[str, msgspec.Meta(max_length=128)] = ""


class ControlAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`error` is there if not `ok`. `stopped`: whether the radio has taken every stop. `challenge`
    and `proof`: see relay.link.files.proof; the proof is that of the answer without it."""

    ok: bool
    error: str = ""
    stopped: bool | None = None
    status: AgentStatus | None = None
    challenge: str = ""
    proof: str = ""


class _ControlPort(msgspec.Struct, frozen=True):
    """Where the socket is, on platforms without Unix sockets. `key`: hexadecimal, of this run."""

    port: int
    key: str


class Control:
    """Serves the control socket of `agent` in the folder `state`, which it takes at once.

    Raises UsageError if another relay uses this folder, or the socket cannot be made.
    """

    def __init__(self, agent: Agent, state: Path) -> None:
        self._agent = agent
        self._state = state
        self._key = b""
        self._clients = 0
        self._lock = self._taken()
        try:
            self._sock = self._listen()
        except UsageError:
            self._lock.release()
            raise

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
                    self._lock.release()

    def _taken(self) -> FolderLock:
        try:
            return FolderLock(self._state / LOCK_FILE)
        except FolderTaken as taken:
            raise UsageError(
                f"another relay is running with the state folder {self._state}, as {taken.who}:"
                " end it, or give this one a folder of its own with --state"
            ) from None
        except OSError as error:
            text = f"{self._state / LOCK_FILE} cannot be locked: {error.strerror}"
            raise UsageError(text) from error

    def _listen(self) -> socket.socket:
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
        self._key = secrets.token_bytes(proof.KEY_BYTES)
        place = _ControlPort(sock.getsockname()[1], self._key.hex())
        try:
            write_private(_place_path(self._state), msgspec.json.encode(place))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > MOST_CLIENTS:
                await self._say(writer, ControlAnswer(False, "too many connections"))
                return
            guard = _Guard(self._key) if self._key else None
            while True:
                async with asyncio.timeout(REQUEST_S):
                    line = await reader.readline()
                if not line:
                    return
                answer = await self._answer(line, guard)
                await self._say(writer, answer if guard is None else guard.proven(answer))
        except (TimeoutError, ConnectionError, ValueError):
            # Silent, gone, or a line that does not end: ValueError is asyncio's word for that.
            return
        finally:
            self._clients -= 1
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, answer: ControlAnswer) -> None:
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(REQUEST_S):
            await writer.drain()

    async def _answer(self, line: bytes, guard: _Guard | None) -> ControlAnswer:
        try:
            request = msgspec.json.decode(line, type=ControlRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return ControlAnswer(False, f"that is no command: {error}")
        if guard is not None and (refused := guard.answer(request)) is not None:
            return refused
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
                    return ControlAnswer(
                        False, f"nothing called {quoted(request.address)} is looked for"
                    )
            case "allow" | "end":
                if not agent.shown.answer(request.address, allow=request.do == "allow"):
                    return ControlAnswer(False, _nobody(request))
            case "status" | "challenge":
                pass
        return ControlAnswer(True, stopped=stopped, status=agent.status())

    def _forget(self, called: str) -> bool:
        """Whether exactly one device that is looked for has this address or name, and had."""
        debts = self._agent.status().debts
        named = [each for each in debts if called in (each.address, each.name)]
        return len(named) == 1 and self._agent.forget(named[0].address)


def _nobody(request: ControlRequest) -> str:
    who = f"guest called {quoted(request.address)}" if request.address else "guest"
    return f"no {who} is waiting" if request.do == "allow" else f"no {who} is here"


class _Guard:
    """What one connection to the port has to prove before it is listened to."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._exchange: proof.Exchange | None = None
        self._asked = False

    def answer(self, request: ControlRequest) -> ControlAnswer | None:
        """A challenge, or a refusal; None for a request that is proven."""
        self._asked = False
        if request.do == "challenge":
            challenge = proof.nonce()
            self._exchange = proof.Exchange(self._key, challenge)
            shown = proof.of_hub(self._key, request.nonce, challenge)
            return ControlAnswer(True, challenge=challenge, proof=shown)
        exchange = self._exchange
        if exchange is None or not proof.same(request.proof, _asking(exchange, request)):
            self._exchange = None
            return ControlAnswer(False, "wrong proof")
        self._asked = True
        return None

    def proven(self, answer: ControlAnswer) -> ControlAnswer:
        if self._exchange is None or not self._asked:
            return answer
        self._asked = False
        return replace(answer, proof=_answering(self._exchange, answer))


def _asking(exchange: proof.Exchange, request: ControlRequest) -> str:
    return exchange.ask(request.do, request.address, b"")


def _answering(exchange: proof.Exchange, answer: ControlAnswer) -> str:
    return exchange.answer(0, msgspec.json.encode(replace(answer, proof="")))


def ask(state: Path, do: ControlCommand, address: str = "") -> ControlAnswer:
    """Ask the relay that runs with this state folder. Blocks. Raises ControlError."""
    try:
        with _RelayConnection(state) as line:
            answer = line.ask(ControlRequest(do, address=address))
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(
            f"no relay is running with the state folder {state}: start one with `relay run`, or say"
            " --state"
        ) from None
    except (OSError, ValueError, PrivateFileError) as error:
        raise ControlError(f"the running relay did not answer: {error}") from error
    if not answer.ok:
        raise ControlError(f"the running relay said: {answer.error}")
    return answer


class _RelayConnection:
    """A connection to the relay of a folder. At a port it says nothing before the relay has proven
    that it can read the folder. Raises OSError, DecodeError, ControlError."""

    def __init__(self, state: Path) -> None:
        self._exchange: proof.Exchange | None = None
        key = b""
        if _has_unix(state):
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sock.settimeout(ANSWER_S)
            address: str | tuple[str, int] = str(_socket_path(state))
        else:
            place = msgspec.json.decode(read_private(_place_path(state)), type=_ControlPort)
            key = bytes.fromhex(place.key)
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._sock.settimeout(ANSWER_S)
            address = ("127.0.0.1", place.port)
        try:
            self._sock.connect(address)
            self._file = self._sock.makefile("rb")
            if key:
                self._challenge(key)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def ask(self, request: ControlRequest) -> ControlAnswer:
        exchange = self._exchange
        if exchange is None:
            return self._say(request)
        answer = self._say(replace(request, proof=_asking(exchange, request)))
        if not proof.same(answer.proof, _answering(exchange, answer)):
            raise ControlError(_IMPOSTOR)
        return answer

    def _challenge(self, key: bytes) -> None:
        asked = proof.nonce()
        said = self._say(ControlRequest("challenge", nonce=asked))
        if not proof.same(said.proof, proof.of_hub(key, asked, said.challenge)):
            raise ControlError(said.error or _IMPOSTOR)
        self._exchange = proof.Exchange(key, said.challenge)

    def _say(self, request: ControlRequest) -> ControlAnswer:
        self._sock.sendall(msgspec.json.encode(request) + b"\n")
        return msgspec.json.decode(self._file.readline(), type=ControlAnswer)


_IMPOSTOR = "no relay is running with this state folder: another program has its port"


def _has_unix(state: Path) -> bool:
    # sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing zero.
    return hasattr(socket, "AF_UNIX") and len(os.fsencode(_socket_path(state))) < 104


def _socket_path(state: Path) -> Path:
    return state / "control.sock"


def _place_path(state: Path) -> Path:
    return state / "control.json"
