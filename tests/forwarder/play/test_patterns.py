"""Patterns as functions of time. What the pages have in JavaScript is held to the same vectors by
tests/web/remote_modules.test.mjs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.play.patterns import (
    LEAST_SPEED,
    MOST_SPEED,
    PATTERNS,
    level,
    loop,
    place,
    rescaled,
    steps,
)
from tests.forwarder.play.make_vectors import VECTORS, text

seconds = st.floats(0, 10_000)
speeds = st.floats(LEAST_SPEED, MOST_SPEED)
shares = st.floats(0, 1)
patterns = st.one_of(
    st.sampled_from(list(PATTERNS.values())),
    st.lists(shares, max_size=20).map(loop),
)


def test_the_vectors_are_current() -> None:
    """Else: python -m tests.forwarder.play.make_vectors"""
    assert VECTORS.read_text(encoding="utf-8") == text()


@given(patterns, seconds, speeds, shares)
def test_a_pattern_is_never_stronger_than_it_may_be(
    pattern: object, at: float, speed: float, strength: float
) -> None:
    assert 0 <= level(pattern, at, speed, strength) <= strength  # type: ignore[arg-type]


@given(seconds, speeds, speeds)
def test_another_speed_goes_on_where_it_is(at: float, before: float, after: float) -> None:
    ramp = PATTERNS["ramp"]
    there = level(ramp, rescaled(at, before, after), after)
    apart = abs(there - level(ramp, at, before))
    assert min(apart, 1 - apart) < 1e-6


@given(st.floats(-1, 1), st.integers(-200, 0), st.integers(1, 200))
def test_the_steps_of_a_level_are_in_its_range_and_a_little_is_not_off(
    part: float, low: int, high: int
) -> None:
    value = steps(part, low, high)
    assert low <= value <= high
    if part >= 0.005:
        assert value >= 1
    if abs(part) < 0.005:
        assert value == 0


@given(st.floats(0, 1), st.integers(0, 50), st.integers(51, 10_000))
def test_the_place_of_a_position_is_in_its_range(part: float, low: int, high: int) -> None:
    assert low <= place(part, low, high) <= high


def test_what_is_no_number_is_off() -> None:
    assert level(loop([float("nan"), float("inf")]), 0.5) == 0
