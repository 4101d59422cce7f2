"""What the machine says, and to whom. Sans-I/O."""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Hashable, Sequence

from relay.link.messages import (
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    StopCause,
    Stopped,
)
from relay.peripheral.actions import MachineAction, RadioRefused, Say, StopOutcome
from relay.peripheral.limits import QUEUE_MOST, TEXT_MOST


class Voice:
    """`link`: counts the links that it belonged to, `bound`: whether there is one now, whose hub
    calls it `p`. `_joined`, `_tokens`: who waits for the outcome of the armed stop."""

    def __init__(self, tally: Tally[str] | None) -> None:
        self.tally: Tally[str] = Tally() if tally is None else tally
        self.p = 0
        self.bound = False
        self.link = 0
        self._out: deque[MachineAction] = deque()
        self._joined: list[int] = []
        self._tokens: list[Hashable] = []
        self._farewells: list[int] = []

    def _say(self, message: FromRelay) -> None:
        if self.bound:
            self._out.append(Say(message))

    def _fail(self, id: int, code: ErrorCode, text: str) -> None:
        self._say(Failed(id, code, text[:TEXT_MOST]))

    def _superseded(self, ids: Sequence[int]) -> None:
        self.tally["superseded"] += len(ids)
        for id in ids:
            self._say(Done(id, superseded=True))

    def _congested(self, id: int) -> None:
        self.tally["congested"] += 1
        text = f"{QUEUE_MOST} writes already wait for this device"
        self._fail(id, ErrorCode.CONGESTED, text)

    def _not_stopped(self, cause: StopCause | None, text: str, n: int) -> None:
        cause = cause or StopCause.RADIO
        self._say(Stopped(self.p, cause, ok=False, text=text[:TEXT_MOST], number=n))

    def _tell(self, error: RadioRefused | None) -> None:
        """The armed stop was taken (None), or was not: answer who waits for that."""
        joined, self._joined = self._joined, []
        for id in joined:
            if error is None:
                self._say(Done(id))
            else:
                self._fail(id, error.code, error.text)
        tokens, self._tokens = self._tokens, []
        for token in tokens:
            if error is None:
                self._out.append(StopOutcome(token))
            else:
                self._out.append(StopOutcome(token, error.code, error.text[:TEXT_MOST]))

    def _part(self, reason: str, *, leaving: bool) -> None:
        """It is gone: whoever asked for that is answered, else the hub hears of it."""
        for id in self._farewells:
            self._say(Done(id))
        if not leaving:
            self._say(Disconnected(self.p, reason[:TEXT_MOST]))
