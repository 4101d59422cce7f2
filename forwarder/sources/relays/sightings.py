"""Which relays hear which toys, how well, and how opening them went. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import random

from forwarder.definitions.user_files.user import canonical_address
from relay.link.messages import Advertisement

# A sighting older than this (s) says nothing about where the toy is now.
SIGHTING_S = 5.0
# Pause (s) after a failed opening: doubled each time up to the limit.
RETRY_S = 1.0
RETRY_LIMIT_S = 30.0
# And up to so much of it more, at random.
RETRY_JITTER = 0.25
# A failure counts like so much distance: two rooms.
FAILURE_DB = 15
# Toys on the table are heard at -30; whoever claims more gains nothing by it.
STRONGEST_DBM = -30
# Addresses remembered, the one not heard for longest is forgotten; a crowded flat has some hundred.
SIGHTINGS = 1024
# What radios that do not know the strength of a signal say; below everything that is heard.
_UNKNOWN_DBM = -127


@dataclass(slots=True)
class _Tries:
    """How one relay did with one address."""

    failures: int = 0
    not_before: float = 0.0


@dataclass(slots=True, eq=False)
class Sighting:
    """What is known of one address. `seen`: relay key → when, and how strong (dBm).

    Failures count for the relay that failed, so none can keep a toy from the others.
    """

    advertisement: Advertisement
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    not_before: float = 0.0
    jitter: Callable[[], float] = random
    _tries: dict[str, _Tries] = field(default_factory=dict)

    def by_strength(self, now: float) -> Iterator[str]:
        """The relays that hear it now and may try, the one that hears it best first."""
        fresh = [
            (self._worth(key, rssi), key)
            for key, (when, rssi) in self.seen.items()
            if now - when <= SIGHTING_S and self._of(key).not_before <= now
        ]
        fresh.sort(key=lambda one: one[0], reverse=True)
        return (key for _, key in fresh)

    def ready(self, now: float) -> bool:
        """Whether somebody may try to open it now."""
        return self.not_before <= now and next(self.by_strength(now), None) is not None

    @property
    def failures(self) -> int:
        """In a row, of all relays."""
        return sum(tries.failures for tries in self._tries.values())

    def _of(self, relay: str) -> _Tries:
        return self._tries.get(relay) or _Tries()

    def _worth(self, relay: str, rssi: int) -> float:
        return min(rssi, STRONGEST_DBM) - FAILURE_DB * self._of(relay).failures

    def failed(self, relay: str, now: float) -> float:
        """Opening it there failed; returns the seconds until that may be tried again."""
        tries = self._tries.setdefault(relay, _Tries())
        pause: float = min(RETRY_S * 2**tries.failures, RETRY_LIMIT_S)
        # Toys that failed together must not come back together, for ever in the same order.
        pause *= 1 + RETRY_JITTER * self.jitter()
        tries.failures = min(tries.failures + 1, 16)
        tries.not_before = now + pause
        return pause

    def opened(self, relay: str) -> None:
        """It could be opened there."""
        self._tries.pop(relay, None)

    def leave_alone(self, now: float) -> None:
        """It is not wanted: do not look at it again soon."""
        self.not_before = now + RETRY_LIMIT_S

    def forgive(self) -> None:
        """A new chance at its next sighting, for every relay."""
        self._tries.clear()
        self.not_before = 0.0


class Sightings:
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
        sighting.seen[relay] = now, _plausible(advertisement.rssi)
        return sighting

    def forgive(self, address: str | None = None) -> None:
        """A new chance for what failed before: this address, or all."""
        for known, sighting in self._sightings.items():
            if address is None or canonical_address(known) == canonical_address(address):
                sighting.forgive()

    def rssi(self, relay: str, address: str) -> int | None:
        """How well the relay heard the toy's last advertisement, in dBm; None if unknown."""
        sighting = self._sightings.get(address)
        _, rssi = (
            (0.0, _UNKNOWN_DBM)
            if sighting is None
            else sighting.seen.get(relay, (0.0, _UNKNOWN_DBM))
        )
        return rssi if rssi > _UNKNOWN_DBM else None


def _plausible(rssi: int) -> int:
    # Bluetooth core, vol 4 part E, 7.7.65.2: -127 to +20, and 127 for "not available".
    return rssi if rssi and rssi <= 20 else _UNKNOWN_DBM


def _merged(known: Advertisement, new: Advertisement) -> Advertisement:
    """Names and services come in separate packets on some radios: keep what was known."""
    return Advertisement(
        new.address,
        new.name or known.name,
        new.rssi,
        new.services or known.services,
        new.manufacturer or known.manufacturer,
    )
