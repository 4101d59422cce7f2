"""Those who wait for the reply to a request, and what becomes of them when none comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from forwarder.devices.driver import Fate
from forwarder.devices.driver import Outcome as Carried
from forwarder.errors import HardwareError, NoPlace
from relay.link.messages import Done, ErrorCode, Failed, Reply

ReplyFuture = asyncio.Future[Reply]
Orphaned = Callable[[Carried], None]
"""Takes an outcome that the end of the link leaves open, and sees to it that it is settled."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody waits for a reply as such. `until`: the deadline."""

    outcome: ReplyFuture
    until: float
    peripheral: int | None

    def fail(self, code: ErrorCode, text: str) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(HardwareError(code, text))
            # Whoever needs the outcome awaits it; nobody has to.
            self.outcome.exception()

    def link_ended(self, why: str) -> None:
        self.fail(ErrorCode.GONE, why)

    def settle(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            text = reply.text or f"the relay says: {reply.code.value}"
            if reply.full and not self.outcome.done():
                self.outcome.set_exception(NoPlace(reply.code, text))
                self.outcome.exception()
            self.fail(reply.code, text)
        elif not self.outcome.done():  # else whoever waited was cancelled
            self.outcome.set_result(reply)


@dataclass(frozen=True, slots=True)
class Carrying:
    """Somebody waits for what becomes of a command."""

    outcome: Carried
    until: float
    peripheral: int | None
    orphaned: Orphaned | None

    def fail(self, code: ErrorCode, text: str) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(HardwareError(code, text))
            self.outcome.exception()

    def link_ended(self, why: str) -> None:
        if self.orphaned is None:
            self.fail(ErrorCode.GONE, why)
        else:
            self.orphaned(self.outcome)

    def settle(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self.fail(reply.code, reply.text or f"the relay says: {reply.code.value}")
        elif not self.outcome.done():
            superseded = isinstance(reply, Done) and reply.superseded
            self.outcome.set_result(Fate.SUPERSEDED if superseded else Fate.TAKEN)


Waiting = Asking | Carrying
