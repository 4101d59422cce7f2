"""Of few relays all are judged; of many those that hear the toy or are meant to have it."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.sources.relays.choosing.candidates import MOST, OTHERS, candidates
from forwarder.sources.relays.choosing.pins import How, Pins
from forwarder.sources.relays.choosing.sightings import Sighting
from relay.link.messages import Advertisement


@dataclass(frozen=True)
class Post:
    name: str


def _relays(count: int) -> dict[str, Post]:
    return {str(number): Post(f"relay {number}") for number in range(count)}


def _sighting(*heard_by: str, last: str | None = None) -> Sighting:
    sighting = Sighting(Advertisement("A1"), last=last)
    sighting.seen = dict.fromkeys(heard_by, (1.0, -50))
    return sighting


def test_few_are_judged_all() -> None:
    relays = _relays(MOST)
    assert dict(candidates(relays, _sighting("7"), Pins())) == relays


def test_of_many_those_that_matter_and_some_others() -> None:
    relays = _relays(1000)
    pins = Pins([("A1", "RELAY 904", How.PREFER)])
    pins.adopt({"A1": {"905": How.NEVER, "gone": How.NEVER}})
    chosen = dict(candidates(relays, _sighting("900", "901", last="902"), pins, "903"))
    assert {"900", "901", "902", "903", "904", "905"} <= set(chosen)
    assert len(chosen) == 6 + OTHERS


def test_all_that_hear_it_are_judged() -> None:
    heard = [str(number) for number in range(500, 500 + MOST)]
    assert set(heard) <= set(dict(candidates(_relays(1000), _sighting(*heard), Pins(), "3")))
