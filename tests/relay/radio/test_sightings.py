from __future__ import annotations

from itertools import pairwise

import pytest

from relay.hub_link.bounds import SERVICES
from relay.link.codec import decode_from_relay, encode
from relay.link.messages import Advertisement, Advertisements, Signal
from relay.radio.bounds import BATCH, BATCH_S, SAME_S, SIGHTINGS_MOST
from relay.radio.sightings import SightingBatch


def test_the_first_sighting_is_told_within_a_batch() -> None:
    sightings = SightingBatch()
    assert sightings.due is None
    sightings.add(Advertisement("A", "toy", -50), 1.0)
    assert sightings.due == 1.0 + BATCH_S
    sightings.add(Advertisement("B"), 1.05)
    assert sightings.due == 1.0 + BATCH_S
    assert [a.address for a in sightings.take(1.1)] == ["A", "B"]
    assert sightings.due is None


def test_the_same_content_is_told_once_a_second_and_news_at_once() -> None:
    sightings = SightingBatch()
    told = []
    for tick in range(100):
        now = tick / 20
        name = "old" if tick < 50 else "new"
        sightings.add(Advertisement("A", name, -50), now)
        if sightings.due is not None and sightings.due <= now:
            told += [(now, a.name) for a in sightings.take(now)]
    times = [now for now, name in told if name == "old"]
    assert len(times) in (2, 3)
    assert all(b - a >= SAME_S for a, b in pairwise(times))
    first_new = next(now for now, name in told if name == "new")
    assert first_new <= 2.5 + BATCH_S + 0.05


def test_signal_strength_is_smoothed_and_unknown_does_not_count() -> None:
    sightings = SightingBatch()
    for rssi in (-50, -90, 0, -50):
        sightings.add(Advertisement("A", rssi=rssi), 0.0)
    (told,) = sightings.take(1.0)
    assert -65 < told.rssi < -50


def test_a_batch_fits_a_frame_and_the_rest_follows_at_once() -> None:
    sightings = SightingBatch()
    for n in range(BATCH + 5):
        sightings.add(Advertisement(f"{n}"), 0.0)
    assert len(sightings.take(0.1)) == BATCH
    assert sightings.due == 0.1
    assert len(sightings.take(0.1)) == 5


@pytest.mark.parametrize("services", [1, 20, 124, 2000])
def test_whatever_neighbours_advertise_every_batch_fits_a_frame(services: int) -> None:
    sightings = SightingBatch()
    uuid = "0000fff0-0000-1000-8000-00805f9b34fb"
    makers = {company: bytes(512) for company in range(16)}
    name = "\N{OGHAM LETTER BEITH}" * 128
    for n in range(40):
        sightings.add(Advertisement(f"{n:064}", name, -50, (uuid,) * services, makers), 0.0)
    told = []
    while batch := sightings.take(0.1):
        frame = encode(Advertisements(batch))
        assert decode_from_relay(frame) == Advertisements(batch)
        told += [advertisement.address for advertisement in batch]
    assert len(told) == 40
    assert sightings.left_out == 40 * max(0, services - SERVICES)


@pytest.mark.parametrize(
    "odd",
    [
        Advertisement(""),
        Advertisement("A" * 65),
        Advertisement("A", "n" * 129),
        Advertisement("A", services=("fff0",)),
        Advertisement("A", manufacturer={76: bytes(513)}),
        Advertisement("A", manufacturer={-1: b""}),
    ],
    ids=repr,
)
def test_what_the_link_cannot_say_is_left_out_and_counted(odd: Advertisement) -> None:
    sightings = SightingBatch()
    sightings.add(odd, 0.0)
    batch = Advertisements(sightings.take(0.1))
    assert decode_from_relay(encode(batch)) == batch
    assert sightings.left_out == 1


def test_who_was_not_seen_for_longest_is_forgotten() -> None:
    sightings = SightingBatch()
    for n in range(SIGHTINGS_MOST + 1):
        sightings.add(Advertisement(f"{n}"), 0.0)
    told = []
    while batch := sightings.take(0.1):
        told += [a.address for a in batch]
    assert len(told) == SIGHTINGS_MOST
    assert "0" not in told


def test_a_new_hub_is_told_everything_again() -> None:
    sightings = SightingBatch()
    sightings.add(Advertisement("A"), 0.0)
    sightings.take(0.1)
    sightings.clear()
    sightings.add(Advertisement("A"), 0.2)
    assert len(sightings.take(0.3)) == 1


def test_of_several_radios_each_tells_how_well_it_hears() -> None:
    sightings = SightingBatch(lambda address: {"hci0": -50, "hci1": -70} if address == "A" else {})
    sightings.add(Advertisement("A", rssi=-50), 0.0)
    sightings.add(Advertisement("B", rssi=-60), 0.0)
    one, other = sightings.take(0.1)
    assert one.radios == (Signal("hci0", -50), Signal("hci1", -70))
    assert other.radios == ()
