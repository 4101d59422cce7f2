"""One way through the packets of a stop: what is next, when, and for how long it has failed.

A further try goes on behind the packets that the radio has taken. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq

from relay.link.messages import Arm, Packet
from relay.peripheral.limits import (
    PAUSES_S,
    RETRY_FIRST_S,
    RETRY_MOST_S,
    SECOND_ROUND_MOST_S,
    SECOND_ROUND_S,
)

RunStep = tuple[Packet, float]
"""A packet, and the pause (s) before it."""


def once(packets: Sequence[Packet]) -> list[RunStep]:
    """Return the steps that write each packet; together they pause for PAUSES_S at most."""
    steps: list[RunStep] = []
    left = PAUSES_S
    for packet in packets:
        pause = min(packet.after_ms / 1000, left)
        left -= pause
        steps.append((packet, pause))
    return steps


def armed_steps(arm: Arm) -> list[RunStep]:
    """Return the steps of an armed stop: every packet, then those again that nobody acknowledges,
    for one of them may be lost."""
    packets = arm.stop or ()
    steps = once(packets)
    pause = _second_pause(arm)
    for packet in packets:
        if not packet.response:
            steps.append((packet, pause))
            pause = 0.0
    return steps


def pauses_s(arm: Arm) -> float:
    """Return how long this armed stop pauses in sum (s), the radio's own time left out."""
    packets = arm.stop or ()
    second = _second_pause(arm) if any(not packet.response for packet in packets) else 0.0
    return sum(packet.after_ms / 1000 for packet in packets) + second


def same_stop(some: Sequence[Packet] | None, other: Sequence[Packet] | None) -> bool:
    """Whether these are the packets of that armed stop, running numbers and slots aside."""
    if not some or other is None or len(some) != len(other):
        return False
    if all(map(eq, some, other)):
        return True  # mostly; and quicker than to take them apart
    return [_compared(packet) for packet in some] == [_compared(packet) for packet in other]


def _compared(packet: Packet) -> tuple[object, ...]:
    return packet.handle, packet.response, packet.counter, _plain(packet)


def _plain(packet: Packet) -> bytes:
    counter = packet.counter
    if counter is None:
        return packet.data
    data = bytearray(packet.data)
    for place in (counter.at, counter.xor_at):
        if place is not None and place < len(data):
            data[place] = 0
    return bytes(data)


def _second_pause(arm: Arm) -> float:
    return min(max(arm.gap_ms / 1000, SECOND_ROUND_S), SECOND_ROUND_MOST_S)


class Run:
    """`due`: when the next packet may be written. `began`: when the first one was handed over
    (infinite: it was not), `mark`: what else had been by then. `over`: all of them were taken."""

    __slots__ = ("_failing_since", "_next", "_pause_s", "_steps", "began", "due", "mark")

    def __init__(self, steps: list[RunStep], now: float) -> None:
        self._steps = steps
        self._next = 0
        self._pause_s = RETRY_FIRST_S
        self._failing_since: float | None = None
        self.began = float("inf")
        self.mark = 0
        self.due = now + steps[0][1] if steps else now

    @property
    def over(self) -> bool:
        return self._next >= len(self._steps)

    @property
    def begun(self) -> bool:
        return self._next > 0

    @property
    def packet(self) -> Packet:
        return self._steps[self._next][0]

    def begin(self, now: float, mark: int) -> None:
        """A packet is handed over."""
        if now < self.began:
            self.began = now
            self.mark = mark

    def taken(self, now: float) -> None:
        """The radio took the packet."""
        self._next += 1
        self._pause_s = RETRY_FIRST_S
        self._failing_since = None
        self.due = now if self.over else now + self._steps[self._next][1]

    def failed(self, now: float, began: float) -> float:
        """It did not, in an attempt that `began` then; return for how long (s) this goes on."""
        if self._failing_since is None:
            self._failing_since = began
        self.due = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, RETRY_MOST_S)
        return now - self._failing_since

    def forget(self, packet: Packet) -> bool:
        """Something newer than a packet of these was handed over: leave out those that were not
        taken yet. True: one was left out."""
        left = self._steps[self._next :]
        kept = [step for step in left if not replaces(packet, step[0])]
        self._steps[self._next :] = kept
        return len(kept) < len(left)


def replaces(new: Packet, old: Packet) -> bool:
    """Whether they are of one slot; without keys a packet stands for its whole characteristic."""
    if new.handle == old.handle and not (new.keys and old.keys):
        return True
    return not set(new.keys).isdisjoint(old.keys)
