"""What a simulated toy can be told to do badly. Decisions only; the radio carries them out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from relay.link.messages import ErrorCode


class FaultPoint(StrEnum):
    """What happens between a radio and a toy; the words of a trace."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    WRITE = "write"
    WRITE_NO_RESPONSE = "write_no_response"
    READ = "read"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    NOTIFY = "notify"


WRITES = frozenset({FaultPoint.WRITE, FaultPoint.WRITE_NO_RESPONSE})
CALLS = frozenset(FaultPoint) - {FaultPoint.NOTIFY}


@dataclass(frozen=True, slots=True)
class Fault:
    """How one operation goes wrong.

    `applied`: it took effect all the same, and only the answer was lost. `silent`: it took no
    effect, and the radio says that it did.
    """

    code: ErrorCode = ErrorCode.RADIO
    text: str = "the simulated radio failed on purpose"
    applied: bool = False
    silent: bool = False


@dataclass(slots=True)
class _Rule:
    fault: Fault
    ops: frozenset[FaultPoint]
    left: int | None
    rate: float
    random: Random

    def fires(self, op: FaultPoint) -> bool:
        if op not in self.ops or self.left == 0:
            return False
        if self.rate < 1 and self.random.random() >= self.rate:
            return False
        if self.left is not None:
            self.left -= 1
        return True


@dataclass(slots=True)
class Faults:
    """Faults of one toy; everything may be changed at any time, from the event loop's thread.

    `latency_s` is how long each operation takes, `latency_of` overrides it for some.
    """

    latency_s: float = 0.0
    latency_of: dict[FaultPoint, float] = field(default_factory=dict)
    _rules: list[_Rule] = field(default_factory=list)
    _stalled: frozenset[FaultPoint] = frozenset()
    _on_resume: list[Callable[[], None]] = field(default_factory=list)

    def fail(
        self,
        times: int | None = 1,
        *,
        ops: Collection[FaultPoint] = WRITES,
        rate: float = 1.0,
        seed: int = 0,
        fault: Fault | None = None,
    ) -> None:
        """The next `times` (None: all) of `ops` fail; with `rate` below 1 each by that chance."""
        rule = _Rule(fault or Fault(), frozenset(ops), times, rate, Random(seed))
        self._rules.append(rule)

    def refuse_connections(self, times: int | None = None) -> None:
        """Connecting fails as with a toy that belongs to another phone."""
        refusal = Fault(ErrorCode.REFUSED, "the simulated toy refuses to connect")
        self.fail(times, ops={FaultPoint.CONNECT}, fault=refusal)

    def stall(self, ops: Collection[FaultPoint] = CALLS) -> None:
        """`ops` begin and never end, until `heal`, or until the link is lost."""
        self._stalled = frozenset(ops)

    def heal(self) -> None:
        """Forget every fault; what was stalled goes on."""
        self.latency_s = 0.0
        self.latency_of.clear()
        self._rules.clear()
        self._stalled = frozenset()
        resume, self._on_resume = self._on_resume, []
        for call in resume:
            call()

    def draw(self, op: FaultPoint) -> Fault | None:
        """Decide how this operation goes; counts it."""
        rule = next((rule for rule in self._rules if rule.fires(op)), None)
        return rule.fault if rule else None

    def duration_s(self, op: FaultPoint) -> float | None:
        """How long this operation takes; None: it stalls."""
        return None if op in self._stalled else self.latency_of.get(op, self.latency_s)

    def calm(self, op: FaultPoint) -> bool:
        """Whether this operation goes well, and takes no time."""
        return not self._rules and self.duration_s(op) == 0

    def when_healed(self, call: Callable[[], None]) -> None:
        self._on_resume.append(call)
