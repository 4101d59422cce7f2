"""Everything that relays hear, each with the reason why it is not connected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from forwarder.sources.relays.choosing.choice import RelayVerdict
from forwarder.sources.relays.choosing.seen import NotHere, why_not_here
from forwarder.sources.relays.choosing.sightings import Sighting
from forwarder.sources.relays.finder import Finder
from forwarder.sources.relays.relay import Relay, hardware_of


class HeardToy(NamedTuple):
    """`address`: as its relays report it. `verdicts`: every relay about it, the best first."""

    address: str
    sighting: Sighting
    why: NotHere
    verdicts: tuple[RelayVerdict, ...]


class HeardToys:
    """The one not heard for longest first."""

    def __init__(self, relays: Mapping[str, Relay], finder: Finder) -> None:
        self._relays = relays
        self._finder = finder

    def listen(self, for_s: float) -> None:
        """Have all relays listen for a while, and connect nothing for that."""
        self._finder.listen(for_s)

    @property
    def listening(self) -> bool:
        """Whether relays listen now, for whomever."""
        return self._finder.scanning

    def __iter__(self) -> Iterator[HeardToy]:
        here = {
            hardware_of(opened).address: (opened.device.index, relay.name)
            for relay in self._relays.values()
            for opened in relay.devices.values()
        }
        for address, sighting in self._finder.sightings:
            facts = replace(self._finder.seen(address, sighting), here=here.get(address))
            verdicts = self._finder.verdicts(address, sighting)
            yield HeardToy(address, sighting, why_not_here(facts, verdicts), verdicts)
