"""Those who wait for the reply to a request, and what becomes of them when none comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import HardwareError, NoPlace
from relay.link.messages import Done, ErrorCode, Failed, Reply

ReplyFuture = asyncio.Future[Reply]
Orphaned = Callable[[Outcome], None]
"""Takes an outcome that the end of the link leaves open, and sees to it that it is settled."""


class Asking(asyncio.Future[Reply]):
    """A request whose reply as such is waited for. `until`: the deadline."""

    until = float("inf")
    peripheral: int | None = None

    def fail(self, code: ErrorCode, text: str) -> None:
        if not self.done():
            self.set_exception(HardwareError(code, text))
            # Whoever needs the outcome awaits it; nobody has to.
            self.exception()

    def link_ended(self, why: str) -> None:
        self.fail(ErrorCode.GONE, why)

    def settle(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            text = reply.text or f"the relay says: {reply.code.value}"
            if reply.full and not self.done():
                self.set_exception(NoPlace(reply.code, text))
                self.exception()
            self.fail(reply.code, text)
        elif not self.done():  # else whoever waited was cancelled
            self.set_result(reply)


class Carrying(Outcome):
    """A command of which only its fate counts: its outcome waits for the reply itself. `orphaned`
    is given it if the link ends before; `shut` is called if a gate turned it back."""

    until = float("inf")
    peripheral: int | None = None
    orphaned: Orphaned | None = None
    shut: Callable[[], None] | None = None

    def fail(self, code: ErrorCode, text: str) -> None:
        if code is ErrorCode.GATE and self.shut is not None:
            self.shut()
        if not self.done():
            self.set_exception(HardwareError(code, text))
            self.exception()

    def link_ended(self, why: str) -> None:
        if self.orphaned is None:
            self.fail(ErrorCode.GONE, why)
        else:
            self.orphaned(self)

    def settle(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self.fail(reply.code, reply.text or f"the relay says: {reply.code.value}")
        elif not self.done():
            superseded = isinstance(reply, Done) and reply.superseded
            self.set_result(Fate.SUPERSEDED if superseded else Fate.TAKEN)


Waiting = Asking | Carrying
