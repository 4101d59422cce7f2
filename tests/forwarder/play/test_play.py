"""How long a play may go on, and in which phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.clients.bounds import ANSWER_S, LEASE_S
from forwarder.play.play import LONGEST_S, PatternPlay, PlaySetting, Renewal

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


# --- a way that is slow ---------------------------------------------------------------------------


def test_words_of_a_way_that_becomes_slow_hold_from_when_they_were_said() -> None:
    """Not one after the other: each is sent in its time, and is on its way for longer and longer,
    up to three seconds. So one arrives each third of a second, long after its page was closed."""
    one = PatternPlay(RAMP, 100.0, for_s=None, stays=False, begun_ms=0.0)
    sent, heard = 0.25, 0.0
    while (arrived := 100 + sent + min(3.0, sent / 3)) < one.ends_at:
        one.renew(arrived, Renewal(at=sent * 1000, heard=heard))
        assert one.ends_at <= 100 + sent + LEASE_S + 0.01
        sent, heard = sent + 0.25, sent * 1000
    assert arrived < 104


def test_words_that_know_of_no_recent_answer_do_not_hold_it_however_even_their_way() -> None:
    one = PatternPlay(RAMP, 100.0, for_s=60, stays=True)
    for number in range(10):  # each 3 s old, as is the answer that it knows of
        heard = None if number < 10 - 1 else 0.0
        one.renew(103 + number / 4, Renewal(at=number * 250, heard=heard))
    one.give(105.3, for_s=60, stays=False)
    for number in range(10, 30):
        one.renew(103 + number / 4, Renewal(at=number * 250, heard=(number - 12) * 250))
    assert one.ends_at == pytest.approx(105.0 + LEASE_S)


def test_a_word_that_names_the_answer_to_the_beginning_renews_until_that_is_old() -> None:
    for after, ends in ((0.8, 100.8 + LEASE_S), (0.2, 100.2 + LEASE_S)):
        one = PatternPlay(RAMP, 100.0, for_s=None, stays=False, begun_ms=5000)
        one.renew(100 + after, Renewal(at=5000 + after * 1000, heard=5000))
        assert one.ends_at == pytest.approx(ends)
    for heard, holds in ((5000, False), (5800, True)):
        one = PatternPlay(RAMP, 100.0, for_s=None, stays=False, begun_ms=5000)
        one.renew(100.8, Renewal(at=5800, heard=5000))
        at = 100 + ANSWER_S
        one.renew(at, Renewal(at=5000 + ANSWER_S * 1000, heard=heard))
        assert (one.ends_at == pytest.approx(at + LEASE_S)) is holds


def test_a_word_without_names_counts_until_one_had_them() -> None:
    one = play()
    one.renew(100.5)
    assert one.ends_at == 100.5 + LEASE_S
    one.renew(100.6, Renewal(at=0, heard=None))
    one.renew(101.0)
    assert one.ends_at == 100.6 + LEASE_S


def test_a_page_that_takes_over_one_that_stays_is_measured_by_its_own_clock() -> None:
    one = PatternPlay(RAMP, 100.0, for_s=60, stays=True, begun_ms=7e6)
    one.renew(110, Renewal(at=300, heard=None))
    one.give(110, for_s=60, stays=False)
    assert one.ends_at == 110 + LEASE_S
    one.renew(110.3, Renewal(at=600, heard=300))
    assert one.ends_at == pytest.approx(110.3 + LEASE_S)
