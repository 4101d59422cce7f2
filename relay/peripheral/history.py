"""What was written last to one peripheral: what a keep-alive repeats, running numbers, and how long
it may go on moving by itself. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from relay.link.messages import KeepAlive, Packet
from relay.peripheral.limits import HISTORY_MOST


class PastWrite(Struct, frozen=True):
    """A packet that the radio took. `rest`: the message it came with said that everything is off.
    `moves_ms`: how long it moves something at most, None: until something else is said."""

    packet: Packet
    rest: bool = False
    moves_ms: int | None = None


def longest_ms(written: Sequence[PastWrite]) -> int | None:
    """Return how long these move something at most; None: until something else is said."""
    known = [each.moves_ms for each in written if each.moves_ms is not None]
    return max(known) if len(known) == len(written) else None


class History:
    """`last_at`: when something was written last. `running`: a value was taken, and nobody has said
    since that everything is off. `endless`, `moves_until`: whether, or until when, something moves
    by itself though nothing more is written."""

    __slots__ = ("_last", "_moves_ms", "_numbers", "endless", "last_at", "moves_until", "running")

    def __init__(self, now: float) -> None:
        self._last: dict[tuple[int, int], PastWrite] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._moves_ms: int | None = None
        self.last_at = now
        self.running = False
        self.endless = False
        self.moves_until = now

    # --- running numbers -----------------------------------------------------------------------

    def number(self, packet: Packet) -> bytes:
        """Return the bytes to write, its running number being the next one. They count as written.

        The first packet of a characteristic keeps the number that it came with.
        """
        counter = packet.counter
        if counter is None or counter.at >= len(packet.data):
            return packet.data
        place = (packet.handle, counter.at)
        data = bytearray(packet.data)
        old = data[counter.at]
        new = (self._numbers[place] + 1) & 0xFF if place in self._numbers else old
        if place not in self._numbers and len(self._numbers) >= HISTORY_MOST:
            del self._numbers[next(iter(self._numbers))]
        self._numbers[place] = data[counter.at] = new
        if counter.xor_at is not None and counter.xor_at < len(data):
            data[counter.xor_at] ^= old ^ new
        return bytes(data)

    def preview(self, packets: Iterable[Packet]) -> tuple[bytes, ...]:
        """Return what `number` would for each of `packets` in turn; nothing counts as written."""
        ahead = History(0.0)
        ahead._numbers = dict(self._numbers)
        return tuple(map(ahead.number, packets))

    # --- what was written ----------------------------------------------------------------------

    def handed(self, now: float, moves_ms: int | None) -> None:
        """Something that may move the device is handed over."""
        if moves_ms is None:
            self.endless = True
        else:
            self.moves_until = max(self.moves_until, now + moves_ms / 1000)

    def taken(self, written: PastWrite) -> None:
        """The radio took it. A packet without keys is the last one of its characteristic."""
        packet = written.packet
        for key in packet.keys or (-1,):
            self._last.pop((packet.handle, key), None)
            self._last[packet.handle, key] = written
        while len(self._last) > HISTORY_MOST:
            del self._last[next(iter(self._last))]
        self.running = not written.rest
        if self.running:
            self._moves_ms = written.moves_ms

    def rests(self) -> None:
        """Everything is off, says the hub: no value that ran before is ever repeated."""
        self.running = False
        self._last = {slot: each for slot, each in self._last.items() if each.rest}

    def clear(self) -> None:
        """A stop takes the place of everything: nothing older is ever repeated."""
        self.running = False
        self._last.clear()

    def settled(self, now: float) -> None:
        """It was stopped, and moves no more."""
        self.endless = False
        self.moves_until = now

    @property
    def any(self) -> bool:
        """Whether there is something to repeat."""
        return bool(self._last)

    # --- repeating -----------------------------------------------------------------------------

    def repetition(self, keepalive: KeepAlive, now: float, *, open: bool) -> list[PastWrite] | None:
        """Return what a keep-alive repeats, the newest of each slot; None: the armed stop.

        `open`: values may pass. The next one is due an interval from now.
        """
        self.last_at = now
        if open and self.running and keepalive.packet is not None:
            # What keeps a run going moves it for as long as what went before.
            return [PastWrite(keepalive.packet, moves_ms=self._moves_ms)]
        if not open or not self._last:
            return None
        return list({id(each): each for each in self._last.values()}.values())
