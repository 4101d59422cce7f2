"""Which relay hears a toy best, and when a toy that would not open is tried again."""

from __future__ import annotations

import pytest

from forwarder.sources.relays.sightings import (
    RETRY_JITTER,
    RETRY_LIMIT_S,
    RETRY_S,
    SIGHTING_S,
    SIGHTINGS,
    Sightings,
)
from relay.link.messages import Advertisement

UUID = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"


def heard(address: str = "AA", rssi: int = -50, **more: object) -> Advertisement:
    return Advertisement(address, rssi=rssi, **more)  # type: ignore[arg-type]  # the rest


def test_who_hears_it_best_comes_first_and_who_heard_it_long_ago_not_at_all() -> None:
    sightings = Sightings()
    sightings.note("long ago", heard(rssi=-20), 0.0)
    sightings.note("far", heard(rssi=-80), SIGHTING_S + 1)
    sightings.note("unknown", heard(rssi=0), SIGHTING_S + 1)
    sighting = sightings.note("near", heard(rssi=-40), SIGHTING_S + 1)
    assert list(sighting.by_strength(SIGHTING_S + 2)) == ["near", "far", "unknown"]


def test_what_one_packet_said_is_not_forgotten_with_the_next() -> None:
    sightings = Sightings()
    sightings.note("r", heard(name="LVS-Hush", manufacturer={620: b"\xff"}), 0)
    sighting = sightings.note("r", heard(rssi=-60, services=(UUID,)), 1)
    assert sighting.advertisement == Advertisement("AA", "LVS-Hush", -60, (UUID,), {620: b"\xff"})


def test_pauses_between_failures_grow_to_a_limit_and_end_with_a_new_chance() -> None:
    sightings = Sightings(jitter=lambda: 0.0)
    sighting = sightings.note("r", heard(), 0)
    assert [sighting.failed("r", 0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert not sighting.ready(3)
    for _ in range(10_000):
        sighting.failed("r", 0)
    sightings.forgive()
    assert sighting.ready(3)
    assert sighting.failed("r", 0) == 1


def test_toys_that_failed_together_do_not_come_back_together() -> None:
    numbers = iter((0.0, 1.0))
    sightings = Sightings(jitter=lambda: next(numbers))
    first, second = (sightings.note("r", heard(address), 0) for address in ("A", "B"))
    assert first.failed("r", 0) < second.failed("r", 0) <= RETRY_S * (1 + RETRY_JITTER)


def test_a_relay_that_fails_is_passed_over_and_no_other() -> None:
    sighting = Sightings().note("near", heard(rssi=-40), 0)
    sighting.seen["far"] = (0, -90)
    sighting.failed("near", 0)
    assert list(sighting.by_strength(0)) == ["far"]
    # Later it may try again; it lost two rooms of distance by it.
    assert list(sighting.by_strength(2)) == ["near", "far"]
    sighting.failed("near", 2)
    sighting.failed("near", 2)
    sighting.seen = {"near": (9, -40), "far": (9, -80)}
    assert list(sighting.by_strength(9)) == ["far", "near"]
    sighting.opened("near")
    assert list(sighting.by_strength(9)) == ["near", "far"]


@pytest.mark.parametrize("rssi", [127, 21, 100])
def test_nobody_hears_a_toy_better_than_radios_can(rssi: int) -> None:
    sightings = Sightings()
    sightings.note("liar", heard(rssi=rssi), 0)
    sighting = sightings.note("honest", heard(rssi=-80), 0)
    assert next(sighting.by_strength(0)) == "honest"
    assert sightings.rssi("liar", "AA") is None


def test_a_chance_for_one_address_whatever_its_spelling_is_none_for_others() -> None:
    sightings = Sightings()
    one = sightings.note("r", heard("aa:bb:cc:dd:ee:ff"), 0)
    other = sightings.note("r", heard("aa:bb:cc:dd:ee:00"), 0)
    one.leave_alone(0)
    other.leave_alone(0)
    sightings.forgive("AA:BB:CC:DD:EE:FF")
    assert (one.not_before, other.not_before) == (0, RETRY_LIMIT_S)


def test_a_flood_of_addresses_displaces_what_was_not_heard_for_longest() -> None:
    sightings = Sightings()
    toy = sightings.note("r", heard("toy"), 0)
    for number in range(3 * SIGHTINGS):
        sightings.note("r", heard(f"beacon {number}"), 0)
        if number % 100 == 0:
            assert sightings.note("r", heard("toy"), 0) is toy
    assert len(sightings) == SIGHTINGS


def test_the_strength_is_known_per_relay() -> None:
    sightings = Sightings()
    sightings.note("near", heard(rssi=-40), 0)
    sightings.note("web", heard(rssi=0), 0)
    assert sightings.rssi("near", "AA") == -40
    assert sightings.rssi("web", "AA") is None
    assert sightings.rssi("other", "AA") is None
    assert sightings.rssi("near", "BB") is None
