"""The answer to a request of a client, once everything it asked for is done: `PendingAnswer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from forwarder.buttplug.dialect import ClientRequest
from forwarder.buttplug.messages import ServerMessage
from forwarder.connectors.bounds import SHARED_STOPS
from forwarder.devices.driver import Outcome
from forwarder.errors import ForwarderError, HardwareError
from relay.link.messages import ErrorCode


class AnsweredClient(Protocol):
    """Who is answered. `under_way`: outcomes that are still awaited, kept here."""

    under_way: int

    def answer(self, request: ClientRequest, outcome: ServerMessage | None) -> None: ...

    def fail(self, request: ClientRequest, error: ForwarderError) -> None: ...


class PendingAnswer:
    """Answers one request once all its outcomes are known: Ok, or the first thing that failed.

    Equal stops that come together are sent once, and `also` answers the others.
    """

    __slots__ = ("_client", "_error", "_missing", "_requests", "_then")

    def __init__(
        self,
        client: AnsweredClient,
        request: ClientRequest,
        outcomes: Sequence[Outcome],
        then: Callable[[], None] | None,
    ) -> None:
        self._client = client
        self._requests = [request]
        self._missing = len(outcomes)
        self._error: ForwarderError | None = None
        self._then = then
        client.under_way += self._missing
        if not outcomes:
            self._answer()
        for outcome in outcomes:
            outcome.then(self._settled)

    def also(self, request: ClientRequest) -> bool:
        """Answer `request` too; False if too many wait for this one."""
        if len(self._requests) >= SHARED_STOPS:
            return False
        self._requests.append(request)
        if not self._missing:
            self._say(request)
        return True

    def _settled(self, outcome: Outcome) -> None:
        self._client.under_way -= 1
        self._missing -= 1
        error = (
            HardwareError(ErrorCode.GONE, "The hub is shutting down.")
            if outcome.cancelled()
            else outcome.exception()
        )
        if self._error is None and isinstance(error, ForwarderError):
            self._error = error
        if not self._missing:
            self._answer()

    def _answer(self) -> None:
        for request in self._requests:
            self._say(request)
        if self._then is not None:
            self._then()

    def _say(self, request: ClientRequest) -> None:
        if self._error is None:
            self._client.answer(request, None)
        else:
            self._client.fail(request, self._error)
