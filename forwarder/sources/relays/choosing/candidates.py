"""Which relays are judged about a toy: all, as long as a person could read that. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Protocol, TypeVar

from forwarder.sources.relays.bounds import RELAYS
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.choosing.sightings import Sighting


class Named(Protocol):
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Named)

# As many as a sighting remembers. With a thousand relays those that never heard a toy are no news
# about it, and judging them all for each of five thousand toys takes minutes.
MOST: Final = RELAYS
# Of those that never heard it, in a house of more than that: so that it is waited for others.
OTHERS: Final = 3


def candidates(
    relays: Mapping[str, R], sighting: Sighting, pins: Pins, keeper: str | None = None
) -> Iterator[tuple[str, R]]:
    """Key and relay. Where there are more than MOST: those that have heard the toy, that a person
    has decided about or that is its `keeper`, and a few others."""
    if len(relays) <= MOST:
        yield from relays.items()
        return
    address = sighting.advertisement.address
    names = pins.by_name(address)
    named = (
        [key for key, relay in relays.items() if relay.name.casefold() in names] if names else ()
    )
    keys = dict.fromkeys((*sighting.seen, sighting.last, keeper, *pins.by_key(address), *named))
    chosen = {key: relays[key] for key in keys if key is not None and key in relays}
    chosen |= islice(relays.items(), OTHERS)
    yield from chosen.items()
