"""How the hub learns a relay's clock: what jitter, drift and different ways do to it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from relay.link.bounds import CLOCK_DRIFT, CLOCK_SAMPLES, LEAD_MARGIN_S, LEAD_MOST_S
from relay.link.clock_offset import ClockOffset


def measured(
    delay: Callable[[], float],
    count: int = CLOCK_SAMPLES,
    *,
    every_s: float = 0.04,
    ahead_s: float = 1000.0,
    drift: float = 0.0,
) -> tuple[ClockOffset, float]:
    """A clock that was `ahead_s` of ours at 0 and goes wrong by `drift`; the error at the end."""
    clock = ClockOffset()
    now = 0.0
    for n in range(count):
        now = n * every_s
        heard = now + delay()
        clock.answered(now, heard + ahead_s + drift * heard, heard + delay())
    return clock, clock.theirs(now) - (now + ahead_s + drift * now)


def jitter(random: Random) -> Callable[[], float]:
    return lambda: random.uniform(0.005, 0.04)


def test_nothing_is_named_before_enough_was_measured() -> None:
    clock, _ = measured(lambda: 0.01, CLOCK_SAMPLES - 1)
    assert not clock.known
    assert clock.lead_s is None
    clock.answered(5.0, 1005.01, 5.02)
    assert clock.known
    assert clock.lead_s == pytest.approx(0.02 + LEAD_MARGIN_S)


def test_a_clock_is_found_through_five_to_forty_milliseconds_each_way() -> None:
    errors = []
    for seed in range(200):
        random = Random(seed)
        errors.append(abs(measured(jitter(random))[1]))
    errors.sort()
    assert errors[100] < 0.001
    assert errors[197] < 0.0025  # of two relays together: 5 ms


def test_clocks_that_drift_apart_are_followed() -> None:
    for drift in (CLOCK_DRIFT, -CLOCK_DRIFT):
        random = Random(3)
        for every_s in (0.25, 0.04):
            _, error = measured(jitter(random), 2000, every_s=every_s, drift=drift)
            assert abs(error) < 0.004


def test_what_nobody_can_see_is_half_of_what_the_two_ways_differ_by() -> None:
    ways = iter([0.03, 0.01] * CLOCK_SAMPLES)
    _, error = measured(lambda: next(ways))
    assert error == pytest.approx(0.01)


def test_values_leave_as_early_as_the_slowest_of_the_last_round_trips_asks_for() -> None:
    clock, _ = measured(lambda: 0.01)
    clock.answered(9.0, 1009.04, 9.08)
    assert clock.lead_s == pytest.approx(0.08 + LEAD_MARGIN_S)
    for n in range(16):
        clock.answered(10.0 + n, 1010.01 + n, 10.02 + n)
    assert clock.lead_s == pytest.approx(0.02 + LEAD_MARGIN_S)


def test_a_way_that_takes_longer_than_a_hand_would_bear_takes_no_times() -> None:
    clock, _ = measured(lambda: LEAD_MOST_S)
    assert clock.lead_s is None


@pytest.mark.parametrize("slept_s", [-1.5, 1.5])
def test_a_machine_that_slept_is_measured_anew(slept_s: float) -> None:
    """Its clock stood still meanwhile; what was measured before says nothing any more."""
    random = Random(5)
    clock, _ = measured(jitter(random))
    now = 10.0
    for n in range(CLOCK_SAMPLES):
        assert not (clock.known and n), n
        now += 0.04
        heard = now + random.uniform(0.005, 0.04)
        clock.answered(now, heard + 1000.0 + slept_s, heard + random.uniform(0.005, 0.04))
    assert clock.known
    assert abs(clock.theirs(now) - (now + 1000.0 + slept_s)) < 0.005
