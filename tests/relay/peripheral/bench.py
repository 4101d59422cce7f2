"""A machine with a toy in virtual time: what is handed to the radio is told in `wrote`."""

from __future__ import annotations

from relay.link.messages import (
    Arm,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    KeepAlive,
    Output,
    Packet,
    Stop,
    StopCause,
    Value,
)
from relay.peripheral.actions import (
    Cut,
    Dropped,
    MachineAction,
    Operate,
    Over,
    RadioRefused,
    Result,
    Say,
    ShortenDeadline,
    StopOutcome,
    Taken,
    What,
)
from relay.peripheral.gate import Lockout
from relay.peripheral.machine import Machine

OFF = Packet(1, b"off", response=True, keys=(1,))


def on(data: bytes = b"on", *keys: int) -> Packet:
    return Packet(1, data, keys=keys or (1,))


class Bench:
    """`takes_s`: how long the radio takes for an operation; None: for ever. `result`: how it ends.

    With `by_hand` operations end only when told to (`end`).
    """

    def __init__(self, *, max_run_s: float = 0, owes: bool = False, bound: bool = True) -> None:
        self.now = 100.0
        self.block = Lockout()
        self.machine = Machine(self.block, self.now, max_run_s=max_run_s, owes=owes)
        self.takes_s: float | None = 0.0
        self.result: Result = Taken()
        self.by_hand = False
        self.did: list[tuple[float, Operate]] = []
        self.said: list[FromRelay] = []
        self.told: list[StopOutcome] = []
        self.over: Over | None = None
        self._op: Operate | None = None
        self._ends_at = float("inf")
        self._cut_at = float("inf")
        self._id = 0
        if bound:
            self.do(self.machine.bind(self.now, 7, 0.9, 10))

    def id(self) -> int:
        self._id += 1
        return self._id

    # --- time and the radio --------------------------------------------------------------------

    def do(self, actions: list[MachineAction]) -> None:
        for action in actions:
            match action:
                case Operate():
                    assert self._op is None, "two operations at once"
                    self._op = action
                    self.did.append((self.now, action))
                    self._ends_at = (
                        float("inf") if self.takes_s is None else self.now + self.takes_s
                    )
                    self._cut_at = self.now + action.limit_s
                case ShortenDeadline(by):
                    self._cut_at = min(self._cut_at, by)
                case Say(message):
                    self.said.append(message)
                case StopOutcome():
                    self.told.append(action)
                case Over():
                    assert self.over is None, "over twice"
                    self.over, self._op = action, None
                case _:
                    pass

    def end(self, result: Result | None = None) -> None:
        """What is under way ends now."""
        op, self._op = self._op, None
        if op is None:
            return
        if isinstance(result, Dropped):
            self.did.pop()
        result = self.result if result is None else result
        if op.what is What.DISCONNECT and result is self.result:
            result = Taken()
        self.do(self.machine.finished(self.now, result))

    def forget(self) -> None:
        """What is under way ends without a word."""
        self._op = None

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(100_000):
            ends = float("inf")
            if self._op is not None:
                ends = self._cut_at if self.by_hand else min(self._ends_at, self._cut_at)
            due = min(ends, self.machine.deadline)
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            if ends <= self.machine.deadline:
                cut = self.by_hand or self._cut_at < self._ends_at
                self.end(Cut() if cut else None)
            else:
                self.do(self.machine.tick(self.now))
        raise AssertionError("the machine never rests")

    @property
    def wrote(self) -> list[bytes]:
        return [op.d if op.what is What.WRITE else op.what.encode() for _, op in self.did]

    # --- the hub -------------------------------------------------------------------------------

    def arm(
        self,
        *stop: Packet,
        gap_ms: int = 0,
        keepalive: KeepAlive | None = None,
        none: bool = False,
        silence: bool = False,
        seen: int | None = -1,
    ) -> int:
        id = self.id()
        packets = None if none else () if silence else stop or (OFF,)
        seen = self.machine.gate.n if seen == -1 else seen
        self.do(self.machine.arm(self.now, Arm(id, 7, packets, gap_ms, keepalive, seen)))
        return id

    def lease(self, seconds: float = 10) -> None:
        self.do(self.machine.lease(self.now, self.now + seconds))

    def open(
        self,
        *stop: Packet,
        gap_ms: int = 0,
        keepalive: KeepAlive | None = None,
        none: bool = False,
        silence: bool = False,
    ) -> None:
        self.arm(*stop, gap_ms=gap_ms, keepalive=keepalive, none=none, silence=silence)
        self.lease()
        self.said.clear()

    def output(self, *packets: Packet, rest: bool = False, moves_ms: int | None = None) -> int:
        id = self.id()
        message = Output(id, 7, packets, rest=rest, moves_ms=moves_ms)
        self.do(self.machine.output(self.now, message))
        return id

    def stop(
        self,
        *packets: Packet,
        all: bool = True,
        rest: bool | None = None,
        seen: int | None = -1,
    ) -> int:
        id = self.id()
        seen = self.machine.gate.n if seen == -1 else seen
        rest = all if rest is None else rest
        self.do(self.machine.stop(self.now, Stop(id, 7, packets or (OFF,), all, rest, seen)))
        return id

    def trigger_stop(self, cause: StopCause | None = StopCause.LINK) -> None:
        self.do(self.machine.trigger_stop(self.now, cause))

    def keep(self, seconds: float, *, every_s: float = 0.25) -> None:
        """Let time pass while the hub renews its lease."""
        until = self.now + seconds
        while self.now < until:
            self.lease()
            self.wait(min(every_s, until - self.now))

    def answer(self, id: int) -> FromRelay | None:
        answers = (m for m in self.said if isinstance(m, Done | Failed | Value))
        return next((m for m in answers if m.id == id), None)


def failing(text: str = "no") -> RadioRefused:
    return RadioRefused(ErrorCode.RADIO, text)
