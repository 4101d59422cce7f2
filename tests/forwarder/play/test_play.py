"""How long a play may go on, and in which phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.play.play import LEASE_S, LONGEST_S, PatternPlay, PlaySetting

RAMP = PlaySetting("ramp", strength=1.0)


def play(
    setting: PlaySetting = RAMP, *, for_s: float | None = None, stays: bool = False
) -> PatternPlay:
    return PatternPlay(setting, 100.0, for_s=for_s, stays=stays)


def test_it_goes_on_as_long_as_its_page_says_so() -> None:
    one = play()
    assert one.ends_at == 100 + LEASE_S
    one.renew(100.5)
    assert one.ends_at == 100.5 + LEASE_S


def test_a_time_ends_it_whatever_its_page_says() -> None:
    one = play(for_s=1)
    one.renew(100.8)
    assert one.ends_at == 101


def test_it_stays_for_a_time_that_is_bounded_and_never_without_one() -> None:
    assert play(for_s=60, stays=True).ends_at == 160
    assert play(for_s=1e9, stays=True).ends_at == 100 + LONGEST_S
    assert play(stays=True).ends_at == 100 + LEASE_S


def test_another_time_counts_from_when_it_is_given() -> None:
    one = play()
    one.give(100.5, for_s=60, stays=True)
    assert one.ends_at == 160.5
    one.give(131, for_s=1e9, stays=True)
    assert one.ends_at == 131 + LONGEST_S
    one.give(132, for_s=60, stays=False)
    assert one.ends_at == 100 + LEASE_S


def test_another_speed_or_strength_does_not_jump() -> None:
    one = play()
    assert one.at(101) == pytest.approx(0.25)
    one.change(replace(RAMP, speed=2.0), 101)
    assert one.at(101) == pytest.approx(0.25)
    assert one.at(101.5) == pytest.approx(0.5)
    one.change(replace(RAMP, speed=2.0, strength=0.5), 101.5)
    assert one.at(101.5) == pytest.approx(0.25)


def test_a_loop_that_is_being_drawn_goes_on_and_another_pattern_begins_anew() -> None:
    drawn = PlaySetting(points=(0.0, 1.0), turn_s=4.0, strength=1.0)
    one = play(drawn)
    assert one.at(101) == pytest.approx(0.5)
    one.change(replace(drawn, points=(0.0, 0.5)), 101)
    assert one.at(101) == pytest.approx(0.25)
    one.change(replace(drawn, points=(0.0, 0.5), turn_s=8.0), 101)
    assert one.at(101) == pytest.approx(0.25)
    one.change(RAMP, 101)
    assert one.at(101) == 0


def test_what_nobody_says_is_half_a_steady_level_over_the_whole_range() -> None:
    assert PlaySetting() == PlaySetting("steady", (), 4.0, 1.0, 0.5, False, 0.0, 1.0)
    assert not PatternPlay(RAMP, 100.0, for_s=60, stays=False).stays


def test_what_is_over_is_not_begun_again_by_a_word_that_comes_late() -> None:
    """As when the loop stood still: what came meanwhile may be looked at before the timer."""
    for for_s in (None, 5.0):
        play = PatternPlay(PlaySetting(), 0.0, for_s=for_s, stays=False)
        play.renew(LEASE_S)
        play.give(LEASE_S, for_s=60, stays=True)
        assert play.ends_at == LEASE_S
    play = PatternPlay(PlaySetting(), 0.0, for_s=5, stays=True)
    play.renew(4.9)
    play.give(4.9, for_s=5, stays=True)
    assert play.ends_at == 9.9
