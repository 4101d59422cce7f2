"""The command line's way to the running hub: its API, with the admin token of the state folder."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from forwarder.api.access import ADMIN_FILE
from forwarder.api.model import Problem
from forwarder.api.routes import PREFIX
from forwarder.api.server import URL_FILE
from forwarder.errors import ForwarderError
from relay.link.keys import PrivateFileError, read_private
from relay.link.names import neutralise

# The hub answers at once, but for an output whose radio is slow.
ANSWER_S = 10.0
# It answers a stop within 2 s; whoever waits longer should be switching the toy off.
STOP_S = 3.0

T = TypeVar("T")


class NoHub(ForwarderError):
    """No hub runs with this state folder, or it cannot be asked."""


class Refused(ForwarderError):
    """The hub says no; its own words."""


class Admin:
    """One hub, by its state folder. Raises NoHub and Refused, one line each.

    `to_stop`: for a stop, which needs no token and no patience.
    """

    def __init__(self, state: Path, *, to_stop: bool = False) -> None:
        self._state = state
        self._patience_s = STOP_S if to_stop else ANSWER_S
        self._token = "" if to_stop else self._read(ADMIN_FILE)
        self.url = self._read(URL_FILE)

    def _read(self, name: str) -> str:
        try:
            return read_private(self._state / name).decode("ascii").strip()
        except FileNotFoundError:
            raise NoHub(
                f"No hub runs with the state folder {self._state}: start one with `forwarder run`,"
                " or say --state."
            ) from None
        except (PrivateFileError, ValueError) as error:
            raise NoHub(f"{error}.") from error

    def get(self, path: str, kind: type[T]) -> T:
        return self._decoded(self._ask("GET", path), kind)

    def send(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        return self._decoded(self._ask(method, path, body), kind)

    def tell(self, method: str, path: str, body: object = None) -> None:
        """For answers without content."""
        self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        place = urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(place, timeout=self._patience_s)
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = b"" if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, PREFIX + path, data, headers)
            response = connection.getresponse()
            answer = response.read()
        except ConnectionRefusedError:
            raise NoHub(
                f"No hub runs with the state folder {self._state}: the last one has ended. Start"
                " one with `forwarder run`."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise NoHub(f"The hub at {place} does not answer: {error or 'too late'}.") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(_problem(answer, response.status))
        return answer

    def _decoded(self, answer: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            raise NoHub(
                f"The hub at {self.url} gave an answer of another version: update both."
            ) from error


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
