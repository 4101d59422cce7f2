"""The command line's way to the running hub: its API, over the socket in the state folder."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from forwarder.api.documents.model import Problem
from forwarder.api.places import (
    CHALLENGE_PATH,
    PLACE_FILE,
    PREFIX,
    PROOF_HEADER,
    SOCKET_FILE,
    ControlPort,
    can_be_socket,
)
from forwarder.commands.bounds import ANSWER_S, STOP_S
from forwarder.errors import ForwarderError
from relay.link.files import proof
from relay.link.files.keys import PrivateFileError, read_private
from relay.link.names import neutralise

T = TypeVar("T")


class NoHub(ForwarderError):
    """No hub runs with this state folder, or it cannot be asked."""


class HubRefused(ForwarderError):
    """The hub says no; its own words."""


class ApiClient:
    """One hub, by its state folder. Raises NoHub and Refused, one line each.

    `to_stop`: for a stop, which waits for nothing long.
    """

    def __init__(self, state: Path, *, to_stop: bool = False) -> None:
        self._state = state
        self._patience_s = STOP_S if to_stop else ANSWER_S

    def get(self, path: str, kind: type[T]) -> T:
        return self._decoded(self._ask("GET", path), kind)

    def send(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        return self._decoded(self._ask(method, path, body), kind)

    def tell(self, method: str, path: str, body: object = None) -> None:
        """For answers without content."""
        self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = b"" if body is None else msgspec.json.encode(body)
        try:
            line = self._line()
            try:
                status, answer = line.ask(method, PREFIX + path, data)
            finally:
                line.close()
        except FileNotFoundError:
            raise NoHub(
                f"No hub runs with the state folder {self._state}: start one with `forwarder run`,"
                " or say --state."
            ) from None
        except ConnectionRefusedError:
            raise NoHub(
                f"No hub runs with the state folder {self._state}: the last one has ended. Start"
                " one with `forwarder run`."
            ) from None
        except PermissionError:
            raise NoHub(
                f"The hub with the state folder {self._state} is another user's: run this as that"
                " user."
            ) from None
        except PrivateFileError as error:
            raise NoHub(f"{error}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoHub(f"The hub does not answer: {error or 'too late'}.") from error
        if status >= 400:
            raise HubRefused(_problem(answer, status))
        return answer

    def _line(self) -> _HubConnection:
        """Raises OSError, PrivateFileError, NoHub."""
        path = self._state / PLACE_FILE
        try:
            place = msgspec.json.decode(read_private(path), type=ControlPort)
            return _Proven(place.port, bytes.fromhex(place.key), self._patience_s)
        except FileNotFoundError:
            return _HubConnection(_UnixConnection(self._state / SOCKET_FILE, self._patience_s))
        except ValueError as error:
            raise NoHub(f"{path} is damaged: start the hub again.") from error

    def _decoded(self, answer: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            raise NoHub("The hub gave an answer of another version: update both.") from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        if not can_be_socket(self._path):
            raise FileNotFoundError(self._path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _HubConnection:
    """A connection to whoever owns the socket in the folder."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        response, answer = self._exchange(method, path, body, {})
        return response.status, answer

    def close(self) -> None:
        self._connection.close()

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": "application/json", **headers}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response, response.read()


class _Proven(_HubConnection):
    """A connection to a port that anybody may have: it says nothing before the hub has proven that
    it can read the folder. Raises NoHub."""

    def __init__(self, port: int, key: bytes, patience_s: float) -> None:
        super().__init__(http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s))
        self._port = port
        self._key = key

    def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        asked = proof.nonce()
        _, answer = self._exchange("GET", f"{CHALLENGE_PATH}?nonce={asked}", b"", {})
        try:
            said = msgspec.json.decode(answer, type=_Challenge)
        except msgspec.MsgspecError:
            raise self._impostor() from None
        if not proof.same(said.proof, proof.of_hub(self._key, asked, said.challenge)):
            raise self._impostor()
        exchange = proof.Exchange(self._key, said.challenge)
        headers = {PROOF_HEADER: exchange.ask(method, path, body)}
        response, answer = self._exchange(method, path, body, headers)
        shown = response.headers.get(PROOF_HEADER, "")
        if not proof.same(shown, exchange.answer(response.status, answer)):
            raise self._impostor()
        return response.status, answer

    def _impostor(self) -> NoHub:
        return NoHub(
            f"No hub runs with this state folder: another program has its port {self._port}. Start"
            " the hub with `forwarder run`."
        )


class _Challenge(msgspec.Struct, frozen=True):
    challenge: str
    proof: str


def _problem(answer: bytes, status: int) -> str:
    try:
        return neutralise(msgspec.json.decode(answer, type=Problem).error, 500)
    except msgspec.MsgspecError:
        return f"The hub refused with status {status}."


def in_path(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def pretty(value: object) -> str:
    """JSON for people and pipes."""
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
