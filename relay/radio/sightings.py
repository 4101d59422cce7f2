"""Advertisements on their way to the hub: batched, deduplicated, smoothed. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from relay.hub_link.fitting import sayable, size
from relay.link.messages import Advertisement, Signal
from relay.radio.bounds import BATCH, BATCH_BYTES, BATCH_S, RSSI_WEIGHT, SAME_S, SIGHTINGS_MOST


@dataclass(slots=True)
class _Seen:
    advertisement: Advertisement
    rssi: float
    told_at: float


class SightingBatch:
    """`add` what the radio reports; `take` a batch when it is `due`.

    `left_out` counts what was no fit for the link: parts of advertisements, or whole ones.
    `signals`: how well each radio hears an address, where there are several.
    """

    __slots__ = ("_due", "_fresh", "_seen", "_signals", "left_out")

    def __init__(self, signals: Callable[[str], Mapping[str, int]] = lambda address: {}) -> None:
        self.left_out = 0
        self._signals = signals
        self._seen: dict[str, _Seen] = {}
        self._fresh: dict[str, None] = {}
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        return self._due

    def last(self, address: str) -> Advertisement | None:
        """The newest advertisement of this peripheral, if it was heard lately."""
        known = self._seen.get(address)
        return None if known is None else known.advertisement

    def add(self, advertisement: Advertisement, now: float) -> None:
        """Take note of `advertisement`; it is told if it is new, different, or a second old."""
        fitting, left_out = sayable(advertisement)
        self.left_out += left_out
        if fitting is None:
            return
        advertisement = fitting
        address = advertisement.address
        known = self._seen.pop(address, None)
        if known is None:
            known = _Seen(advertisement, advertisement.rssi, float("-inf"))
            if len(self._seen) >= SIGHTINGS_MOST:
                oldest = next(iter(self._seen))
                del self._seen[oldest]
                self._fresh.pop(oldest, None)
        elif advertisement.rssi:
            if known.rssi:
                known.rssi += (advertisement.rssi - known.rssi) * RSSI_WEIGHT
            else:
                known.rssi = advertisement.rssi
        same = _content(known.advertisement) == _content(advertisement)
        known.advertisement = advertisement
        self._seen[address] = known
        if same and now - known.told_at < SAME_S:
            return
        self._fresh[address] = None
        if self._due is None:
            self._due = now + BATCH_S

    def take(self, now: float) -> tuple[Advertisement, ...]:
        """Return the next batch, empty if there is none; more may be due at once."""
        batch: list[Advertisement] = []
        room = BATCH_BYTES
        for address in list(self._fresh)[:BATCH]:
            known = self._seen[address]
            radios = tuple(Signal(name, rssi) for name, rssi in self._signals(address).items())
            told = replace(known.advertisement, rssi=round(known.rssi), radios=radios)
            room -= size(told)
            if room < 0 and batch:
                break
            del self._fresh[address]
            known.told_at = now
            batch.append(told)
        self._due = now if self._fresh else None
        return tuple(batch)

    def clear(self) -> None:
        """A new hub, or a new scan, has not been told anything yet."""
        self._seen.clear()
        self._fresh.clear()
        self._due = None


def _content(advertisement: Advertisement) -> Advertisement:
    return replace(advertisement, rssi=0)
