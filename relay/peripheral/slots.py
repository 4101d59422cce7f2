"""What waits to be written to one peripheral, and in which order. Sans-I/O.

Rules: entries leave in the order in which they came. Packets of one Output stay together and in
order; a newer Output takes away queued packets that share a key with one of its own, and steps
into the place of the first Output that it emptied, so that a flood of one slot starves no other.
The word that everything is off holds with the last of what waits when it comes, wherever it stands
in the row, and no more once something that is on was said behind it.
Reads, writes and subscriptions are barriers: nothing steps in ahead of them. A packet that is
delayed (`after_ms`) lets others pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from relay.link.messages import Output, Packet, Read, Subscribe, Unsubscribe, Write
from relay.peripheral.limits import MERGE_S, QUEUE_MOST


class Congested(Exception):
    """The queue of this peripheral is full."""


class Group(Struct, eq=False):
    """The packets of one Output (`id` None: of the keep-alive) that are still to be written.

    `rest`, `moves_ms`: the Output's. `armed`: these are packets of the armed stop. `window_ends`:
    until then it waits to be merged. `superseded`: something newer took from it; `struck`: a stop
    of the relay's own did. `began`: when its first packet was handed over, `mark`: what else had
    been by then.
    """

    id: int | None
    packets: deque[Packet]
    ready_at: float
    rest: bool = False
    moves_ms: int | None = None
    armed: bool = False
    window_ends: float = 0.0
    superseded: bool = False
    struck: bool = False
    began: float = float("inf")
    mark: int = 0


class QueuedRequest(Struct, eq=False):
    """A request that is carried out alone, in order; an Output here has no packets."""

    message: Write | Read | Subscribe | Unsubscribe | Output
    ready_at: float = 0.0


Entry = Group | QueuedRequest


@dataclass(slots=True)
class Slots:
    """`gap_s`: least time between two writes, from start to start. `size`: what waits, in packets.

    Whoever takes an entry tells `finished` before taking the next one.
    """

    gap_s: float = 0.0
    size: int = 0
    _entries: deque[Entry] = field(default_factory=deque)
    _clear_at: float = 0.0
    _taken: Entry | None = None

    def output(self, message: Output, now: float) -> list[int]:
        """Queue the packets of an Output; return the ids of those that it leaves nothing of.

        Raises Congested, and then has changed nothing.
        """
        packets = message.packets
        if not self._entries:
            return self._first(message, now)
        keys = frozenset(key for packet in packets for key in packet.keys)
        going = sum(1 for group in self._groups() for p in group.packets if keys & set(p.keys))
        if self.size - going + len(packets) > QUEUE_MOST:
            raise Congested
        group = Group(
            message.id,
            deque(packets),
            now + packets[0].after_ms / 1000,
            message.rest,
            message.moves_ms,
        )
        gone, place = self._supersede(keys, now)
        if not message.rest:
            self.unrest()
        if place is None:
            self._entries.append(group)
        else:
            group.window_ends = place.window_ends
            self._entries[self._entries.index(place)] = group
            if message.rest:
                group.rest = False
                self.rest_last()
        group.ready_at = max(group.ready_at, group.window_ends)
        self.size += len(packets)
        self._entries = deque(e for e in self._entries if isinstance(e, QueuedRequest) or e.packets)
        return [g.id for g in gone if g.id is not None]

    def _first(self, message: Output, now: float) -> list[int]:
        """Nothing waits, so that there is nothing to compare with."""
        packets = message.packets
        ready_at = now + packets[0].after_ms / 1000
        group = Group(message.id, deque(packets), ready_at, message.rest, message.moves_ms)
        if message.merge and self._taken is None and now >= self._clear_at:
            group.window_ends = now + MERGE_S
            group.ready_at = max(ready_at, group.window_ends)
        self._entries.append(group)
        self.size += len(packets)
        return []

    def unrest(self) -> None:
        """Something that is on was said meanwhile: with what waits, not everything is off."""
        for group in self._groups():
            if group.id is not None and group.packets:
                group.rest = False

    def rest_last(self) -> bool:
        """A word that everything is off comes ahead of what waits: it holds with the last of it.
        False: no value waits."""
        for entry in reversed(self._entries):
            if isinstance(entry, Group) and entry.id is not None and entry.packets:
                entry.rest = True
                return True
        return False

    @property
    def hold_value(self) -> bool:
        """Whether a value waits."""
        return any(
            bool(e.packets) and e.id is not None
            if isinstance(e, Group)
            else isinstance(e.message, Write)
            for e in self._entries
        )

    def request(self, message: Write | Read | Subscribe | Unsubscribe | Output) -> None:
        """Queue a request behind everything. Raises Congested."""
        if self.size >= QUEUE_MOST:
            raise Congested
        self._entries.append(QueuedRequest(message))
        self.size += 1

    def repeat(self, group: Group) -> None:
        """Queue a keep-alive: any newer value of the same slot takes its place."""
        self._entries.append(group)
        self.size += len(group.packets)

    def drop_keys(self, keys: Collection[int], now: float) -> list[int]:
        """Take away queued packets of these slots; return the Outputs that nothing is left of."""
        gone, _ = self._supersede(frozenset(keys), now)
        self._entries = deque(e for e in self._entries if isinstance(e, QueuedRequest) or e.packets)
        return [g.id for g in gone if g.id is not None]

    def drop_outputs(self) -> list[int]:
        """Take away the packets of every Output; return the ids of those that wait."""
        gone = []
        for group in self._groups():
            self.size -= len(group.packets)
            group.superseded |= bool(group.packets)
            group.packets.clear()
            if group is not self._taken and group.id is not None:
                gone.append(group.id)
        self._entries = deque(e for e in self._entries if isinstance(e, QueuedRequest))
        return gone

    def drop_repeats(self) -> None:
        """Take away what a keep-alive has queued; what is being written of it stops nothing."""
        for group in self._groups():
            if group.id is None:
                group.armed = False
                self.size -= len(group.packets)
                group.packets.clear()
        self._entries = deque(e for e in self._entries if isinstance(e, QueuedRequest) or e.packets)

    def drop_writes(self, *, struck: bool = False) -> tuple[list[int], list[int]]:
        """Take away everything that writes; return ids of Outputs and of Writes. Reads stay."""
        outputs: list[int] = []
        writes: list[int] = []
        kept: deque[Entry] = deque()
        for entry in self._entries:
            if isinstance(entry, Group):
                left = bool(entry.packets)
                self.size -= len(entry.packets)
                entry.packets.clear()
                if entry is self._taken:
                    entry.superseded |= left
                    entry.struck = struck and left
                elif entry.id is not None:
                    outputs.append(entry.id)
            elif isinstance(entry.message, (Write, Output)):
                self.size -= 1
                (writes if isinstance(entry.message, Write) else outputs).append(entry.message.id)
            else:
                kept.append(entry)
        self._entries = kept
        return outputs, writes

    def drop_all(self) -> list[int]:
        """Take away everything that is queued; return every id that is still to be answered."""
        outputs, writes = self.drop_writes()
        rest = [e.message.id for e in self._entries if isinstance(e, QueuedRequest)]
        self._entries.clear()
        self.size = 0
        return [*outputs, *writes, *rest]

    def take(self, now: float) -> tuple[Group, Packet] | QueuedRequest | None:
        """Return what is to be carried out now, if anything is."""
        if not self._entries:
            return None
        for entry in self._entries:
            if entry.ready_at > now:
                continue
            if now < self._clear_at and _writes(entry):
                return None
            self._taken = entry
            self.size -= 1
            if isinstance(entry, QueuedRequest):
                self._entries.remove(entry)
                return entry
            return entry, entry.packets.popleft()
        return None

    def put_back(self) -> None:
        """The request that was taken has not begun after all: it is the first one again."""
        entry, self._taken = self._taken, None
        if isinstance(entry, QueuedRequest):
            self._entries.appendleft(entry)
            self.size += 1

    def wrote(self, now: float) -> None:
        """A write, of whatever kind, is starting: the gap counts from here."""
        self._clear_at = now + self.gap_s

    def finished(self, now: float, *, failed: bool = False) -> bool:
        """What was taken is over; True if nothing is left of its command, so that it is answered.

        A command one of whose packets failed is not continued.
        """
        entry, self._taken = self._taken, None
        if not isinstance(entry, Group):
            return True
        if entry.packets and not failed:
            entry.ready_at = now + entry.packets[0].after_ms / 1000
            return False
        self.size -= len(entry.packets)
        if entry in self._entries:
            self._entries.remove(entry)
        return True

    @property
    def due(self) -> float:
        """When to ask `take` again after it had nothing; infinite: when something comes in."""
        if not self._entries:
            return float("inf")
        first = min(entry.ready_at for entry in self._entries)
        return max(first, self._clear_at)

    def _groups(self) -> Iterable[Group]:
        return (entry for entry in self._entries if isinstance(entry, Group))

    def _supersede(self, keys: frozenset[int], now: float) -> tuple[list[Group], Group | None]:
        """Take queued packets of these slots away, leaving empty groups in their places.

        Returns the groups to be answered, and the first place that something newer may step into.
        """
        gone: list[Group] = []
        place: Group | None = None
        for entry in self._entries:
            if isinstance(entry, QueuedRequest):
                place = None
                continue
            kept = deque(p for p in entry.packets if not keys & set(p.keys))
            if len(kept) == len(entry.packets):
                continue
            self.size -= len(entry.packets) - len(kept)
            if kept and kept[0] is not entry.packets[0]:
                entry.ready_at = now + kept[0].after_ms / 1000
            entry.packets = kept
            entry.superseded = True
            if kept:
                continue
            place = place or entry
            if entry is not self._taken:
                gone.append(entry)
        return gone, place


def _writes(entry: Entry) -> bool:
    return isinstance(entry, Group) or isinstance(entry.message, Write)
