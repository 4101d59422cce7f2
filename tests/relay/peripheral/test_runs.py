"""Stops as packets: whether two are the same, when each packet is due, who waits for which."""

from __future__ import annotations

import pytest

from relay.link.messages import Counter, Packet, Stop
from relay.peripheral.limits import PAUSES_S, QUEUE_MOST, RETRY_FIRST_S, RETRY_MOST_S
from relay.peripheral.runs import Run, once, same_stop
from relay.peripheral.stops import HubStops

ONE = Packet(1, b"\x00off", response=True, keys=(1,), counter=Counter(0))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Packet(1, b"\x09off", response=True, keys=(2,), counter=Counter(0)), True),
        (Packet(2, b"\x00off", response=True, keys=(1,), counter=Counter(0)), False),
        (Packet(1, b"\x00on!", response=True, keys=(1,), counter=Counter(0)), False),
        (Packet(1, b"\x00off", response=False, keys=(1,), counter=Counter(0)), False),
        (Packet(1, b"\x00off", response=True, keys=(1,), counter=Counter(0, 3)), False),
        (Packet(1, b"\x00off", response=True, keys=(1,)), False),
    ],
)
def test_a_stop_is_the_same_if_all_but_running_numbers_and_slots_is(
    other: Packet, same: bool
) -> None:
    assert same_stop([other], [ONE]) is same


@pytest.mark.parametrize("counter", [Counter(3), Counter(0, xor_at=3)])
def test_a_running_number_outside_of_its_packet_is_none(counter: Counter) -> None:
    packet = Packet(1, b"off", keys=(1,), counter=counter)
    assert same_stop([packet], [Packet(1, b"off", keys=(2,), counter=counter)])


def test_a_stop_of_two_packets_is_the_same_only_if_both_are() -> None:
    other = Packet(1, b"\x00on!", response=True, keys=(1,), counter=Counter(0))
    assert not same_stop([ONE, other], [ONE, ONE])
    assert not same_stop([other, ONE], [ONE, ONE])
    assert same_stop([ONE, other], [ONE, other])


def test_a_stop_without_packets_is_no_stop_that_another_could_be() -> None:
    assert not same_stop((), ())
    assert not same_stop(None, None)
    assert not same_stop((ONE,), None)
    assert not same_stop((ONE, ONE), (ONE,))


def test_the_pauses_of_a_stop_end_when_their_sum_is_used_up() -> None:
    packets = [Packet(1, bytes([n]), after_ms=ms) for n, ms in enumerate((0, 700, 700, 700))]
    pauses = [pause for _, pause in once(packets)]
    assert pauses == pytest.approx([0, 0.7, PAUSES_S - 0.7, 0])


def test_what_fails_is_tried_again_after_pauses_that_double_up_to_their_bound() -> None:
    run = Run(once([ONE, ONE]), 0.0)
    pauses = []
    for _ in range(6):
        run.begin(0.0, 0)
        assert run.failed(0.0, 0.0) == 0.0
        pauses.append(run.due)
    assert pauses == [RETRY_FIRST_S, 0.1, 0.2, 0.4, RETRY_MOST_S, RETRY_MOST_S]
    run.taken(1.0)
    run.failed(2.0, 1.5)
    assert run.due == 2.0 + RETRY_FIRST_S
    assert run.failed(3.0, 2.5) == 1.5, "since the first attempt that failed"


def test_the_same_stop_is_merged_until_it_is_begun_and_no_more_than_may_wait() -> None:
    stops = HubStops()
    packets = (ONE, ONE)
    for id in range(QUEUE_MOST):
        assert stops.add(Stop(id, 1, packets), armed=True, now=0.0)
    assert len(stops.waiting) == 1
    assert stops.add(Stop(QUEUE_MOST, 1, packets), armed=True, now=0.0)
    assert len(stops.waiting) == 2
    stops.done()
    assert stops.first().ids == [QUEUE_MOST]
    stops.first().run.taken(0.0)
    stops.add(Stop(999, 1, packets), armed=True, now=0.0)
    assert len(stops.waiting) == 2, "half of that one is written already"
    assert stops.drop() == [QUEUE_MOST, 999]
    assert len(stops.waiting) == 0
