"""Values that wait for their time, in front of the slots: the relay's end of moving together.

A value with a time comes ahead of it, so that toys at several relays do what they do at once
however long each link takes. What waits here has been handed to nobody: it makes nothing "on" or
"off", holds no lease and begins no run. It was let in while the gate was OPEN, and is looked at
once more, by the same rules, when its time has come. Sans-I/O.

| Event                                          | A value that comes      | A value that waits   |
|------------------------------------------------|-------------------------|----------------------|
| it has no packets, and is no word of rest      | Done                    | –                    |
| its time is more than AHEAD_S away, not off    | Failed `refused`        | –                    |
| its time is ahead                              | waits                   | waits                |
| its time has come, LATE_S ago at most          | goes on without a time  | goes on              |
| it is later than that, and off                 | goes on without a time  | goes on              |
| it is later than that, and not off             | Failed `late`           | Failed `late`        |
| TIMED_MOST packets would wait, not off         | Failed `congested`      | waits                |
| either of the two, and off                     | goes on without a time  | waits                |
| a newer value of a slot of it, due no later    | –                       | Done, superseded     |
| a newer value of a slot of it, due later       | –                       | waits                |
| everything at rest without packets, no later   | –                       | Done, superseded     |
| a Stop of everything, or of a slot of it       | –                       | Done, superseded     |
| a Stop of something else                       | –                       | waits                |
| the same, and it names no slot, not off        | –                       | Failed `gate`        |
| a strike, the end of the link, of the device   | Failed                  | Failed `gate`, `gone`|
| its time has come behind a gate that is shut   | –                       | Failed `gate`        |

A Stop has no time: it overtakes everything, and leaves nothing here that could be of its slots.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from relay.link.messages import Output
from relay.peripheral.limits import LATE_S, TIMED_MOST

_NEVER = float("inf")


class _Due(Struct, eq=False):
    at: float
    message: Output
    keys: frozenset[int]
    size: int


@dataclass(slots=True)
class TimedValues:
    """`due`: when the first one's time comes; infinite: nothing waits."""

    due: float = _NEVER
    _waiting: list[_Due] = field(default_factory=list)
    _size: int = 0

    def fits(self, message: Output) -> bool:
        """Whether there is a place for it, beside all that waits."""
        return self._size + _size(message) <= TIMED_MOST

    def add(self, message: Output, at: float) -> None:
        """Let it wait until `at`, behind what is due by then."""
        if not message.rest:
            self.unrest()
        due = _Due(at, message, _keys(message), _size(message))
        insort(self._waiting, due, key=lambda each: each.at)
        self._size += due.size
        self.due = self._waiting[0].at
        if message.rest:
            due.message = replace(message, rest=False)
            self.rest_last()  # itself, or what is due behind it

    def unrest(self) -> None:
        """Something that is on was said meanwhile: with what waits, not everything is off."""
        for each in self._waiting:
            if each.message.rest:
                each.message = replace(each.message, rest=False)

    def rest_last(self) -> bool:
        """A word that everything is off came ahead of what waits: it holds with the last of it.
        False: nothing waits."""
        if self._waiting:
            last = self._waiting[-1]
            last.message = replace(last.message, rest=True)
        return bool(self._waiting)

    def supersede(self, message: Output, at: float) -> list[int]:
        """A newer value counts from `at` on: return the ids of those whose place it takes."""
        if not self._waiting:
            return []
        everything = message.rest and not message.packets
        keys = _keys(message)
        gone = [
            each for each in self._waiting if each.at >= at and (everything or each.keys & keys)
        ]
        return self._take(gone)

    def stop(self, keys: Collection[int], *, everything: bool) -> tuple[list[int], list[int]]:
        """Return the ids of what the Stop takes the place of, and of what it ends though nobody
        knows whether it is of its slots. All else is somebody's value like any that is queued."""
        superseded = [e for e in self._waiting if everything or not e.keys.isdisjoint(keys)]
        gone = self._take(superseded)
        return gone, self._take([e for e in self._waiting if not (e.keys or e.message.off)])

    def drop(self) -> list[int]:
        """Nothing waits any more; return whom it belonged to."""
        return self._take(list(self._waiting)) if self._waiting else []

    def take(self) -> Output:
        """Return the one that is due first; only while one waits."""
        message = self._waiting[0].message
        self._take(self._waiting[:1])
        return message

    def _take(self, entries: list[_Due]) -> list[int]:
        for each in entries:
            self._waiting.remove(each)
            self._size -= each.size
        self.due = self._waiting[0].at if self._waiting else _NEVER
        return [each.message.id for each in entries]


def is_late(message: Output, at: float, now: float) -> bool:
    """Whether it is not carried out any more. Off is never late."""
    return now - at > LATE_S and not message.off


def _keys(message: Output) -> frozenset[int]:
    return frozenset(key for packet in message.packets for key in packet.keys)


def _size(message: Output) -> int:
    return max(1, len(message.packets))
