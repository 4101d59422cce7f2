"""What was written last to one peripheral: its keep-alive and running numbers. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable

from relay.link.messages import KeepAlive, Packet

# Slots, and running numbers, that are remembered: the richest device has about a dozen. The bound
# is for hubs that make them up; the oldest one is forgotten.
MOST = 64


class Written:
    """Remembers the last packet of each slot, and the running numbers of each characteristic."""

    __slots__ = ("_last", "_last_at", "_numbers", "_running")

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], Packet] = {}
        self._last_at = float("-inf")
        self._numbers: dict[tuple[int, int], int] = {}
        self._running = False

    def number(self, packet: Packet) -> bytes:
        """Return the bytes to write, its running number being the next one. They count as written.

        The first packet of a characteristic keeps the number that it came with.
        """
        counter = packet.counter
        if counter is None or counter.at >= len(packet.d):
            return packet.d
        place = (packet.h, counter.at)
        data = bytearray(packet.d)
        old = data[counter.at]
        new = (self._numbers[place] + 1) & 0xFF if place in self._numbers else old
        if place not in self._numbers and len(self._numbers) >= MOST:
            del self._numbers[next(iter(self._numbers))]
        self._numbers[place] = data[counter.at] = new
        if counter.xor_at is not None and counter.xor_at < len(data):
            data[counter.xor_at] ^= old ^ new
        return bytes(data)

    def preview(self, packets: Iterable[Packet]) -> tuple[bytes, ...]:
        """Return what `number` would for each of `packets` in turn; nothing counts as written."""
        ahead = Written()
        ahead._numbers = dict(self._numbers)
        return tuple(map(ahead.number, packets))

    def note(self, packet: Packet, now: float) -> None:
        """`packet` was written. Without keys it is the last one of its characteristic."""
        for key in packet.k or (-1,):
            self._last.pop((packet.h, key), None)
            self._last[packet.h, key] = packet
        while len(self._last) > MOST:
            del self._last[next(iter(self._last))]
        self._last_at = now
        self._running = not packet.rest

    def stopped(self, packets: Iterable[Packet], now: float) -> None:
        """Everything was stopped with these packets: nothing older may ever be repeated."""
        self._last.clear()
        for packet in packets:
            self.note(packet, now)
        self._running = False

    def armed(self, now: float) -> None:
        """A keep-alive counts from here."""
        self._last_at = max(self._last_at, now)

    def due(self, keepalive: KeepAlive) -> float | None:
        """When the next repetition is due; None if there is nothing to repeat."""
        if keepalive.only_running and not self._running:
            return None
        if keepalive.packet is None and not self._last:
            return None
        return self._last_at + keepalive.every_ms / 1000

    def repetition(self, keepalive: KeepAlive, now: float) -> tuple[Packet, ...]:
        """Return what is to be repeated; the next repetition is due one interval from now."""
        self._last_at = now
        if keepalive.packet is not None:
            return (keepalive.packet,)
        return tuple({id(packet): packet for packet in self._last.values()}.values())
