"""Which relay hears a toy best, and when a toy that would not open is tried again."""

from __future__ import annotations

import pytest

from forwarder.sources.relays.bounds import (
    RELAYS,
    RETRY_JITTER,
    RETRY_LIMIT_S,
    RETRY_S,
    SIGHTING_S,
    SIGHTINGS,
)
from forwarder.sources.relays.choosing.sightings import SightingTable
from relay.link.messages import Advertisement

UUID = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"


def heard(address: str = "AA", rssi: int = -50, **more: object) -> Advertisement:
    return Advertisement(address, rssi=rssi, **more)  # type: ignore[arg-type]  # the rest


def test_who_heard_it_long_ago_or_before_it_was_lost_hears_it_no_more() -> None:
    sightings = SightingTable()
    sightings.note("long ago", heard(rssi=-20), 0.0)
    sighting = sightings.note("now", heard(rssi=-80), SIGHTING_S + 1)
    assert [sighting.fresh(one, SIGHTING_S + 2) for one in ("long ago", "now", "other")] == [
        False, True, False,
    ]  # fmt: skip
    sighting.lost(SIGHTING_S + 2)
    assert not sighting.fresh("now", SIGHTING_S + 2)
    sightings.note("now", heard(rssi=-80), SIGHTING_S + 3)
    assert sighting.fresh("now", SIGHTING_S + 3)


def test_what_one_packet_said_is_not_forgotten_with_the_next() -> None:
    sightings = SightingTable()
    sightings.note("r", heard(name="LVS-Hush", manufacturer={620: b"\xff"}), 0)
    sighting = sightings.note("r", heard(rssi=-60, services=(UUID,)), 1)
    assert sighting.advertisement == Advertisement("AA", "LVS-Hush", -60, (UUID,), {620: b"\xff"})


def test_pauses_between_failures_grow_to_a_limit_and_end_with_a_new_chance() -> None:
    sightings = SightingTable(jitter=lambda: 0.0)
    sighting = sightings.note("r", heard(), 0)
    assert [sighting.failed("r", 0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert sighting.tries("r").not_before == 30
    for _ in range(10_000):
        sighting.failed("r", 0)
    sightings.forgive()
    assert sighting.tries("r").not_before == 0
    assert sighting.failed("r", 0) == 1


def test_toys_that_failed_together_do_not_come_back_together() -> None:
    numbers = iter((0.0, 1.0))
    sightings = SightingTable(jitter=lambda: next(numbers))
    first, second = (sightings.note("r", heard(address), 0) for address in ("A", "B"))
    assert first.failed("r", 0) < second.failed("r", 0) <= RETRY_S * (1 + RETRY_JITTER)


def test_failures_count_for_the_relay_that_failed_until_it_works_there() -> None:
    sighting = SightingTable(jitter=lambda: 0.0).note("near", heard(rssi=-40), 0)
    sighting.failed("near", 5, "it hung")
    sighting.failed("near", 7, "it hung again")
    tries = sighting.tries("near")
    assert (tries.failures, tries.not_before, tries.why) == (2, 9, "it hung again")
    assert (sighting.tries("far").failures, sighting.failures) == (0, 2)
    sighting.opened("near", 8)
    assert (sighting.tries("near").failures, sighting.last) == (0, "near")


@pytest.mark.parametrize("rssi", [127, 21, 100])
def test_a_level_that_no_radio_can_hear_is_unknown(rssi: int) -> None:
    sightings = SightingTable()
    sightings.note("liar", heard(rssi=rssi), 0)
    assert sightings.rssi("liar", "AA") is None


def test_a_chance_for_one_address_whatever_its_spelling_is_none_for_others() -> None:
    sightings = SightingTable()
    one = sightings.note("r", heard("aa:bb:cc:dd:ee:ff"), 0)
    other = sightings.note("r", heard("aa:bb:cc:dd:ee:00"), 0)
    one.leave_alone(0)
    other.leave_alone(0)
    sightings.forgive("AA:BB:CC:DD:EE:FF")
    assert (one.not_before, other.not_before) == (0, RETRY_LIMIT_S)


def test_a_flood_of_addresses_displaces_what_was_not_heard_for_longest() -> None:
    sightings = SightingTable()
    toy = sightings.note("r", heard("toy"), 0)
    for number in range(3 * SIGHTINGS):
        sightings.note("r", heard(f"beacon {number}"), 0)
        if number % 100 == 0:
            assert sightings.note("r", heard("toy"), 0) is toy
    assert len(sightings) == SIGHTINGS


def test_relays_with_ever_new_names_take_no_more_room_than_a_house() -> None:
    sightings = SightingTable(jitter=lambda: 0.0)
    for number in range(3 * RELAYS):
        sighting = sightings.note(f"local:{number}", heard(), 0)
        sighting.failed(f"local:{number}", 0)
        sightings.note("attic", heard(), 0)
    assert len(sighting.seen) == len(sighting.radios) == RELAYS
    assert len(sighting._tries) <= RELAYS
    assert sighting.fresh("attic", 0)


def test_the_strength_is_known_per_relay() -> None:
    sightings = SightingTable()
    sightings.note("near", heard(rssi=-40), 0)
    sightings.note("web", heard(rssi=0), 0)
    assert sightings.rssi("near", "AA") == -40
    assert sightings.rssi("web", "AA") is None
    assert sightings.rssi("other", "AA") is None
    assert sightings.rssi("near", "BB") is None
