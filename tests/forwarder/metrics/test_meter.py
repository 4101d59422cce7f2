"""What is counted, of outputs that go every way they can."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import Denied, HardwareError
from forwarder.metrics.meter import BUCKETS_S, LatencyBuckets, Meter
from relay.link.messages import ErrorCode


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def ended(meter: Meter, clock: Clock, with_: Fate | Exception | None) -> None:
    """One output that ends so, 30 ms after it was handed on; None: it is cancelled."""
    outcome = Outcome()
    meter.handed(0, outcome, clock.now)
    clock.now += 0.03
    if isinstance(with_, Fate):
        outcome.set_result(with_)
    elif with_ is None:
        outcome.cancel()
    else:
        outcome.set_exception(with_)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("fate", "result"),
    [
        (Fate.TAKEN, "taken"),
        (Fate.SUPERSEDED, "coalesced"),
        (HardwareError(ErrorCode.CONGESTED, "full"), "dropped"),
        (HardwareError(ErrorCode.GONE, "gone"), "failed"),
        (None, "failed"),
    ],
)
async def test_each_output_counts_once_by_what_became_of_it(
    clock: Clock, fate: Fate | Exception | None, result: str
) -> None:
    meter = Meter(clock)
    await ended(meter, clock, fate)
    assert dict(meter.outputs) == {result: 1}
    assert sum(meter.hops["command"].counts) == (1 if result == "taken" else 0)


async def test_what_was_taken_is_told_by_hop(clock: Clock) -> None:
    meter = Meter(clock, lambda index: 0.008)
    await ended(meter, clock, Fate.TAKEN)
    sums = {hop: round(taken.sum_s, 4) for hop, taken in meter.hops.items()}
    assert sums == {"hub": 0.0, "link": 0.008, "radio": 0.022, "command": 0.03}


def test_what_is_the_same_or_refused_at_once_is_counted_as_such(clock: Clock) -> None:
    meter = Meter(clock)
    meter.handed(0, None, clock.now)
    meter.refused(Denied("no"))
    meter.refused(HardwareError(ErrorCode.CONGESTED, "full"))
    assert dict(meter.outputs) == {"coalesced": 1, "refused": 1, "dropped": 1}


def test_stops_are_counted_by_cause_and_names_are_no_causes(clock: Clock) -> None:
    meter = Meter(clock, causes={"the wearer paused": "pause"})
    for reason in ("the wearer paused", "the link to Bob's phone broke", "Bob's limits changed"):
        meter.stopped(reason)
    assert dict(meter.stops) == {"pause": 1, "link": 1, "other": 1}


def test_a_time_counts_in_the_first_bucket_that_holds_it() -> None:
    taken = LatencyBuckets()
    for seconds in (BUCKETS_S[0], BUCKETS_S[0] + 1e-6, 99.0):
        taken.add(seconds)
    assert taken.counts == [1, 1, *[0] * (len(BUCKETS_S) - 2), 1]
