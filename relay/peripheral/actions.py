"""What the machine asks its driver to do, and how the driver says what came of it.

Actions are performed in their order. At most one operation is under way: after an `Operate` the
machine asks for the next only when it was told `finished`.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum

from msgspec import Struct

from relay.link.messages import ErrorCode, FromRelay, StopCause


class What(StrEnum):
    WRITE = "write"
    READ = "read"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    DISCONNECT = "disconnect"


class Operate(Struct, frozen=True):
    """Begin this on the radio and give it `limit_s`; cut short, it is `finished` with CUT.

    `stops`: it is written to stop something, for whoever counts.
    """

    what: What
    limit_s: float
    h: int = 0
    d: bytes = b""
    r: bool = False
    stops: bool = False


class ShortenDeadline(Struct, frozen=True):
    """A stop waits: what is under way is cut short at `by`, unless its own limit comes first.

    `drop`: if it has not begun yet, it must not any more, and is `finished` with DROPPED.
    """

    by: float
    drop: bool


class Say(Struct, frozen=True):
    """Tell the hub."""

    message: FromRelay


class KeepRecord(Struct, frozen=True):
    """Whether it may run has changed, or (`armed`) how to stop it without us; before it matters."""

    may_run: bool
    armed: bool = False


class Note(Struct, frozen=True):
    """For the person here: `stopped` or `stop failed`, and why it was stopped (None: asked to)."""

    event: str
    cause: StopCause | None
    text: str = ""


class StopOutcome(Struct, frozen=True):
    """Whoever waits with `token` gets the outcome of the armed stop; `code` None: it was taken."""

    token: Hashable
    code: ErrorCode | None = None
    text: str = ""


class Over(Struct, frozen=True):
    """The peripheral is gone. `owes`: it may run, and takes its stop when it is back."""

    reason: str
    owes: bool


MachineAction = Operate | ShortenDeadline | Say | KeepRecord | Note | StopOutcome | Over


class Taken(Struct, frozen=True):
    """The radio did it; `value` is what was read."""

    value: bytes = b""


class RadioRefused(Struct, frozen=True):
    """The radio said no."""

    code: ErrorCode
    text: str


class Cut(Struct, frozen=True):
    """It took too long, and nobody knows whether the radio will still carry it out."""


class Dropped(Struct, frozen=True):
    """It never began."""


Result = Taken | RadioRefused | Cut | Dropped
