"""The score of a radio: the theory in its module, over all numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.radio.bounds import (
    CONNECTING_DB,
    CONNECTS_COUNTED,
    FORGET_S,
    KEPT_DB,
    LAST_SLOT_DB,
    NOISE_DB,
    SCORE_HANGS_S,
)
from relay.radio.score import UNKNOWN_DBM, WEAK_DBM, score

levels = st.integers(WEAK_DBM, -30)
noise = st.integers(-NOISE_DB, NOISE_DB)
connects = st.lists(st.floats(0, SCORE_HANGS_S), max_size=12)
places = st.none() | st.integers(1, 16)


def test_the_radio_that_had_it_outweighs_all_that_chance_can_pretend() -> None:
    assert KEPT_DB >= 2 * NOISE_DB + CONNECTING_DB * CONNECTS_COUNTED + LAST_SLOT_DB


@given(levels, noise, noise, connects, places, places)
def test_noise_and_load_alone_never_move_a_toy(
    level: int, here: int, there: int, busy: list[float], free: int | None, other: int | None
) -> None:
    had = score(max(WEAK_DBM, level + here), connects_s=busy, free=free, kept=True)
    rival = score(level + there, free=other)
    assert had.rank > rival.rank or had.total == rival.total


@given(levels, levels, connects)
def test_nobody_waits_behind_a_connect_that_hangs(near: int, far: int, busy: list[float]) -> None:
    hung = score(near, connects_s=[*busy, SCORE_HANGS_S + 0.1], kept=True, preferred=True)
    assert score(far, failures=9).rank > hung.rank


def test_what_a_person_prefers_comes_first_however_far_it_is() -> None:
    assert score(-95, preferred=True).rank > score(-30, kept=True).rank


def test_a_radio_that_hardly_hears_it_any_more_does_not_keep_it() -> None:
    assert score(-97, kept=True).rank < score(-70).rank
    assert score(0, kept=True).kept == KEPT_DB, "it never says how well it hears"


def test_failures_count_like_rooms_and_are_forgotten() -> None:
    assert score(-40, failures=2).total == -70
    assert score(-40, failures=2, failed_s=FORGET_S / 2).total == -55
    assert score(-40, failures=2, failed_s=2 * FORGET_S).total == -40
    assert score(-40, failures=99).total == score(-40, failures=4).total


def test_the_nearer_a_radio_is_to_full_the_less_it_is_wanted() -> None:
    totals = [score(-50, free=free).total for free in (None, 12, 3, 2, 1)]
    assert totals == sorted(totals, reverse=True)


@pytest.mark.parametrize("rssi", [0, 21, 127, -128])
def test_a_level_that_cannot_be_is_unknown(rssi: int) -> None:
    assert score(rssi).signal == UNKNOWN_DBM


def test_nobody_gains_by_claiming_to_be_inside_the_toy() -> None:
    assert score(20).total == score(-30).total


def test_it_is_told_in_its_parts() -> None:
    told = str(score(-55, failures=1, connects_s=[0.5], free=1, kept=True))
    assert told == "-48 = signal -55, failures -15, connecting -2, slots -6, kept +30"
    assert str(score(0, preferred=True)) == "-127 = signal unknown, preferred"
