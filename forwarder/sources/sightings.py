"""Which relays hear which toys, how well, and how opening them went. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from forwarder.definitions.user import canonical_address
from relay.link.messages import Advertisement

# A sighting older than this (s) says nothing about where the toy is now.
SIGHTING_S = 5.0
# Pause (s) after a failed opening: doubled each time up to the limit.
RETRY_S = 1.0
RETRY_LIMIT_S = 30.0
# Addresses remembered, the one not heard for longest is forgotten; a crowded flat has some hundred.
SIGHTINGS = 1024
# What radios that do not know the strength of a signal say; below everything that is heard.
_UNKNOWN_DBM = -127


@dataclass(slots=True, eq=False)
class Sighting:
    """What is known of one address. `seen`: relay key → when, and how strong (dBm).

    `failures`: openings that failed, one after the other.
    """

    advertisement: Advertisement
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    not_before: float = 0.0
    failures: int = 0

    def by_strength(self, now: float) -> Iterator[str]:
        """The relays that hear it now, the one that hears it best first."""
        fresh = [(rssi, key) for key, (when, rssi) in self.seen.items() if now - when <= SIGHTING_S]
        fresh.sort(key=lambda one: one[0], reverse=True)
        return (key for _, key in fresh)

    def failed(self, now: float) -> float:
        """Opening it failed; returns the seconds until it may be tried again."""
        pause: float = min(RETRY_S * 2**self.failures, RETRY_LIMIT_S)
        self.failures = min(self.failures + 1, 16)
        self.not_before = now + pause
        return pause

    def leave_alone(self, now: float) -> None:
        """It is not wanted: do not look at it again soon."""
        self.not_before = now + RETRY_LIMIT_S

    def forgive(self) -> None:
        """A new chance at its next sighting."""
        self.failures, self.not_before = 0, 0.0


class Sightings:
    """All of them, by address."""

    def __init__(self) -> None:
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
            sighting = Sighting(advertisement)
        # Behind the others: the first is the one that was not heard for longest.
        self._sightings[address] = sighting
        sighting.advertisement = _merged(sighting.advertisement, advertisement)
        sighting.seen[relay] = now, advertisement.rssi or _UNKNOWN_DBM
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


def _merged(known: Advertisement, new: Advertisement) -> Advertisement:
    """Names and services come in separate packets on some radios: keep what was known."""
    return Advertisement(
        new.address,
        new.name or known.name,
        new.rssi,
        new.services or known.services,
        new.manufacturer or known.manufacturer,
    )
