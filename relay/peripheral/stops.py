"""Stops of the hub that wait for the radio, and a stop that is written once more. Sans-I/O.

Only in OPEN a hub says by packets how something is stopped, for only there it has seen each of our
own stops (`Gate.knows`); any other Stop is a wish that the relay fulfils with its armed stop. Those
of OPEN wait here:

* They overtake all outputs, and one another never: the last one said is the last one written.
* The same stop again, before the first one has begun, costs no write and is answered with it. One
  that has begun is not joined, for what was driven since then may stand behind its first packet.
* A stop of our own drops them all (`drop`), and answers them with its own outcome: it stops more
  than they do, and must not be followed by packets of one motor that hold a value of another's.
* They are bounded: a peer that says more stops than a radio can take gets an Error for the
  rest, and its toy is stopped by those before.

`Again` is a stop behind a write that was cut short, or behind ten seconds of rest: the cut one may
still arrive, so what counts as stopped is said once more behind it, with the gate open.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from relay.link.messages import Stop
from relay.peripheral.limits import QUEUE_MOST
from relay.peripheral.runs import Run, once


@dataclass(slots=True, eq=False)
class HubStop:
    """A Stop, and every later one that is the same. `armed`: its packets are the armed stop's."""

    ids: list[int]
    message: Stop
    armed: bool
    run: Run


@dataclass(slots=True, eq=False)
class Again:
    """A stop that the relay writes by itself without closing the gate, from `since` on.

    `armed`: all of it is the armed stop. `rest`: everything is off after it.
    """

    run: Run
    since: float
    armed: bool
    rest: bool


class HubStops:
    """First come, first written. The same stop that still waits to be written serves for both."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: deque[HubStop] = deque()

    def add(self, message: Stop, armed: bool, now: float) -> bool:
        """False: there is no place left for it."""
        for earlier in self.waiting:
            old = earlier.message
            same = (old.packets, old.all, old.rest) == (message.packets, message.all, message.rest)
            if same and not earlier.run.begun and len(earlier.ids) < QUEUE_MOST:
                earlier.ids.append(message.id)
                return True
        if len(self.waiting) >= QUEUE_MOST:
            return False
        run = Run(once(message.packets), now)
        self.waiting.append(HubStop([message.id], message, armed, run))
        return True

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
