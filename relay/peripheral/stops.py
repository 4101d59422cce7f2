"""Stops of the hub that wait for the radio, and a stop that is written once more. Sans-I/O.

Only in OPEN a hub says by packets how something is stopped, for only there it has seen each of our
own stops (`Gate.knows`); any other Stop is a wish that the relay fulfils with its armed stop. Those
of OPEN wait here:

* They overtake all outputs, and one another never: the last one said is the last one written.
* The same stop again, before the first one has begun, costs no write and is answered with it. One
  that has begun is not joined, for what was driven since then may stand behind its first packet;
  nor one with another behind it that shares a slot: packets of one motor may hold another's value.
* A stop of our own drops them all (`drop`), and answers them with its own outcome: it stops more
  than they do, and must not be followed by packets of one motor that hold a value of another's.
* They are bounded: a peer that says more stops than a radio can take gets an Error for the
  rest, and its toy is stopped by those before.

`Again` is a stop behind a write that was cut short, or behind ten seconds of rest: the cut one may
still arrive, so what counts as stopped is said once more behind it, with the gate open: each stop
that was said meanwhile, but what a newer value or stop has taken the place of. A Write says nothing
of slots, and takes no place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from relay.link.messages import Arm, Packet, Stop
from relay.peripheral.limits import QUEUE_MOST
from relay.peripheral.runs import Run, armed_steps, once, replaces, same_stop

_NEVER = float("inf")


class HubStop(Struct, eq=False):
    """A Stop, and every later one that is the same. `armed`: its packets are the armed stop's."""

    ids: list[int]
    message: Stop
    armed: bool
    run: Run


class Again(Struct, eq=False):
    """A stop that the relay writes by itself without closing the gate, from `since` on.

    `armed`: all of it is the armed stop. `rest`: everything is off after it.
    """

    run: Run
    since: float
    armed: bool
    rest: bool


class StopsAgain:
    """Those that wait for their time, the first one due first: no more than a radio takes in the
    STRAGGLER_S behind a write that was cut short, for each was written once already.

    `since`: when that may be written; infinite: there is none.
    """

    __slots__ = ("_waiting", "since")

    def __init__(self) -> None:
        self._waiting: deque[Again] = deque()
        self.since = _NEVER

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self) -> Again:
        return self._waiting[0]

    def add(self, message: Stop, since: float, *, armed: bool) -> None:
        """A Stop of the hub, behind the others."""
        run = Run(once(message.packets), since)
        self._waiting.append(Again(run, since, armed, message.rest))
        self.since = self._waiting[0].since

    def add_armed(self, arm: Arm, since: float) -> None:
        """The armed stop, which stands for all of them."""
        self._waiting = deque([Again(Run(armed_steps(arm), since), since, armed=True, rest=True)])
        self.since = since

    def disarm(self) -> None:
        """Another stop is armed: these are packets like others."""
        for again in self._waiting:
            again.armed = False

    def forget(self, packet: Packet, *, stops: bool, rest: bool) -> None:
        """Something newer is handed over: what it takes the place of is not written any more.
        `stops`: a stop of the hub, which the armed stop stops more than. `rest`: everything is off
        after it."""
        for again in self._waiting:
            if stops and again.armed:
                continue
            if again.run.forget(packet):
                again.armed = False
            if not again.armed:
                again.rest = rest

    def done(self) -> None:
        """The first one has been written, or must not be."""
        self._waiting.popleft()
        self.since = self._waiting[0].since if self._waiting else _NEVER

    def clear(self) -> None:
        self._waiting.clear()
        self.since = _NEVER


class HubStops:
    """First come, first written. The same stop that still waits to be written serves for both."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: deque[HubStop] = deque()

    def add(self, message: Stop, armed: bool, now: float) -> bool:
        """False: there is no place left for it."""
        for earlier in reversed(self.waiting):
            old = earlier.message
            same = (old.packets, old.all, old.rest) == (message.packets, message.all, message.rest)
            if same and not earlier.run.begun and len(earlier.ids) < QUEUE_MOST:
                earlier.ids.append(message.id)
                return True
            if any(replaces(new, packet) for new in message.packets for packet in old.packets):
                break  # it has the last word of a slot: not before that
        if len(self.waiting) >= QUEUE_MOST:
            return False
        run = Run(once(message.packets), now)
        self.waiting.append(HubStop([message.id], message, armed, run))
        return True

    def arm(self, stop: Sequence[Packet] | None) -> None:
        """Another stop is armed: those that are still to be written are compared with that one."""
        for each in self.waiting:
            each.armed = same_stop(each.message.packets, stop)

    def first(self) -> HubStop:
        return self.waiting[0]

    def done(self) -> None:
        """The first one has been written."""
        self.waiting.popleft()

    def holds(self, stop: HubStop) -> bool:
        return stop in self.waiting

    def drop(self) -> list[int]:
        """Forget all of them; return whom they belong to."""
        ids = [id for stop in self.waiting for id in stop.ids]
        self.waiting.clear()
        return ids
