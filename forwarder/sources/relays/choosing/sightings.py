"""Which relays hear which toys, how well, and how opening them went. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import random

from forwarder.definitions.user_files.user import canonical_address
from forwarder.sources.relays.bounds import (
    RELAYS,
    RETRY_JITTER,
    RETRY_LIMIT_S,
    RETRY_S,
    SIGHTING_S,
    SIGHTINGS,
)
from relay.link.messages import Advertisement, Signal
from relay.radio.score import UNKNOWN_DBM, plausible


@dataclass(slots=True)
class Tries:
    """How one relay did with one address: failures in a row, the last one at `failed_at`, `why`;
    `elsewhere`: something else had it connected."""

    failures: int = 0
    not_before: float = 0.0
    failed_at: float = 0.0
    why: str = ""
    elsewhere: bool = False


@dataclass(slots=True, eq=False)
class Sighting:
    """What is known of one address. `seen`: relay key → when, and how strong (dBm).

    `last`: the relay that had it last, from `opened_at` on. `radios`: relay key → each of its
    radios, as told last. Failures count for the relay that failed, so none can keep a toy from the
    others.
    """

    advertisement: Advertisement
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    radios: dict[str, tuple[Signal, ...]] = field(default_factory=dict)
    last: str | None = None
    opened_at: float = float("-inf")
    not_before: float = 0.0
    jitter: Callable[[], float] = random
    _lost_at: float = float("-inf")
    _tries: dict[str, Tries] = field(default_factory=dict)

    def fresh(self, relay: str, now: float) -> bool:
        """Whether the relay heard it lately, and since it was connected last."""
        when, _ = self.seen.get(relay, (float("-inf"), 0))
        return when >= self._lost_at and now - when <= SIGHTING_S

    def level(self, relay: str) -> int:
        """How strong (dBm) the relay heard it last."""
        return self.seen.get(relay, (0.0, UNKNOWN_DBM))[1]

    def tries(self, relay: str) -> Tries:
        return self._tries.get(relay) or Tries()

    @property
    def failures(self) -> int:
        """In a row, of all relays."""
        return sum(tries.failures for tries in self._tries.values())

    def failed(self, relay: str, now: float, why: str = "", *, elsewhere: bool = False) -> float:
        """Opening it there failed; returns the seconds until that may be tried again."""
        tries = self._tries.setdefault(relay, Tries())
        pause: float = min(RETRY_S * 2**tries.failures, RETRY_LIMIT_S)
        # Toys that failed together must not come back together, for ever in the same order.
        pause *= 1 + RETRY_JITTER * self.jitter()
        tries.failures = min(tries.failures + 1, 16)
        tries.not_before = now + pause
        tries.failed_at, tries.why, tries.elsewhere = now, why, elsewhere
        return pause

    def opened(self, relay: str, now: float) -> None:
        """It could be opened there."""
        self.last, self.opened_at = relay, now
        self._tries.pop(relay, None)

    def lost(self, now: float) -> None:
        """It is not connected any more: who heard it before that says nothing."""
        self._lost_at = now

    def forget(self, relay: str) -> None:
        """Whatever this relay has said and done."""
        for known in (self.seen, self.radios, self._tries):
            known.pop(relay, None)

    def leave_alone(self, now: float) -> None:
        """It is not wanted: do not look at it again soon."""
        self.not_before = now + RETRY_LIMIT_S

    def forgive(self) -> None:
        """A new chance at its next sighting, for every relay."""
        self._tries.clear()
        self.not_before = 0.0


class SightingTable:
    """All of them, by address. `jitter`: a number from 0 to 1, another one each time."""

    def __init__(self, jitter: Callable[[], float] = random) -> None:
        self._jitter = jitter
        self._sightings: dict[str, Sighting] = {}

    def __len__(self) -> int:
        return len(self._sightings)

    def note(self, relay: str, advertisement: Advertisement, now: float) -> Sighting:
        """The relay with this key has heard `advertisement`."""
        address = advertisement.address
        sighting = self._sightings.pop(address, None)
        if sighting is None:
            if len(self._sightings) >= SIGHTINGS:
                del self._sightings[next(iter(self._sightings))]
            sighting = Sighting(advertisement, jitter=self._jitter)
        # Behind the others: the first is the one that was not heard for longest.
        self._sightings[address] = sighting
        sighting.advertisement = _merged(sighting.advertisement, advertisement)
        sighting.seen.pop(relay, None)
        sighting.seen[relay] = now, plausible(advertisement.rssi)
        sighting.radios[relay] = advertisement.radios
        if len(sighting.seen) > RELAYS:
            sighting.forget(next(iter(sighting.seen)))
        return sighting

    def get(self, address: str) -> Sighting | None:
        return self._sightings.get(address)

    def __iter__(self) -> Iterator[tuple[str, Sighting]]:
        """Address and sighting, the one not heard for longest first."""
        return iter(tuple(self._sightings.items()))

    def forgive(self, address: str | None = None) -> None:
        """A new chance for what failed before: this address, or all."""
        for known, sighting in self._sightings.items():
            if address is None or canonical_address(known) == canonical_address(address):
                sighting.forgive()

    def rssi(self, relay: str, address: str) -> int | None:
        """How well the relay heard the toy's last advertisement, in dBm; None if unknown."""
        sighting = self._sightings.get(address)
        rssi = UNKNOWN_DBM if sighting is None else sighting.level(relay)
        return rssi if rssi > UNKNOWN_DBM else None


def _merged(known: Advertisement, new: Advertisement) -> Advertisement:
    """Names and services come in separate packets on some radios: keep what was known."""
    return Advertisement(
        new.address,
        new.name or known.name,
        new.rssi,
        new.services or known.services,
        new.manufacturer or known.manufacturer,
    )
