"""One radio operation at a time, each with a deadline that can be brought forward."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError

T = TypeVar("T")

# How long (s) an operation may go on once a stop waits behind it: a write to a healthy device is
# over in two or three connection intervals of at most 50 ms, and what hangs must not cost more.
PATIENCE_S = 0.1


class Operation:
    """Runs operations of one connection. `abandoned`: the last one was cut short by `hurry`,
    so that nobody knows whether the radio will still carry it out."""

    __slots__ = ("_hurried", "_loop", "_scope", "_urgent", "abandoned")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._scope: asyncio.Timeout | None = None
        self._urgent = False
        self._hurried = False
        self.abandoned = False

    @property
    def running(self) -> bool:
        return self._scope is not None

    async def run(self, work: Coroutine[None, None, T], limit_s: float, *, urgent: bool) -> T:
        """Return what `work` returns; RadioError TIMEOUT after `limit_s`. `urgent`: a stop."""
        assert self._scope is None, "two operations at once"
        self._urgent = urgent
        self._hurried = self.abandoned = False
        try:
            async with asyncio.timeout(limit_s) as self._scope:
                return await work
        except TimeoutError:
            self.abandoned = self._hurried
            text = "gave way to a stop" if self._hurried else f"took longer than {limit_s:g} s"
            raise RadioError(ErrorCode.TIMEOUT, f"the radio operation {text}") from None
        finally:
            self._scope = None

    def hurry(self) -> None:
        """A stop waits: what runs has PATIENCE_S left. Stops themselves are not hurried."""
        if not self._urgent:
            self._cut(PATIENCE_S)

    def cut(self) -> None:
        """The peripheral is gone: nothing that runs can succeed any more."""
        self._cut(0)

    def _cut(self, patience_s: float) -> None:
        scope = self._scope
        if scope is None or scope.expired():
            return
        when = self._loop.time() + patience_s
        limit = scope.when()
        if limit is None or when < limit:
            self._hurried = True
            scope.reschedule(when)
