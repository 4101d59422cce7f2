from __future__ import annotations

import pytest

from forwarder.clients.bounds import ANSWER_S, ANSWERS_MOST, LEASE_S
from forwarder.clients.page_lease import PageLease


def test_it_holds_for_less_than_a_second_after_the_last_word() -> None:
    lease = PageLease()
    assert not lease.holds(0.0)
    for beat in range(5):
        lease.renew(beat * 300, 10 + beat * 0.3)
    assert lease.holds(10 + 1.2 + LEASE_S - 0.001)
    assert not lease.holds(10 + 1.2 + LEASE_S)


def test_a_late_word_renews_by_what_is_left_of_it() -> None:
    lease = PageLease()
    lease.renew(0, 10.0)
    lease.renew(300, 10.8)  # half a second late
    assert lease.ends == pytest.approx(10.3 + LEASE_S, abs=0.001)  # clocks may drift


def test_what_comes_in_a_burst_after_a_loss_renews_nothing_but_its_newest() -> None:
    lease = PageLease()
    lease.renew(0, 10.0)
    for sent in (300, 600, 900, 1200):
        lease.renew(sent, 15.0)
        assert not lease.holds(15.0)
    lease.renew(5000, 15.0)
    assert lease.holds(15.0)
    assert not lease.hopeless(17.0)


def test_rest_ends_it_at_once() -> None:
    lease = PageLease()
    lease.renew(0, 10.0)
    lease.rest()
    assert not lease.holds(10.0)


def test_a_clock_that_stood_still_needs_a_new_connection() -> None:
    lease = PageLease()
    lease.renew(0, 10.0)
    lease.renew(300, 70.3)
    assert not lease.hopeless(70.3)
    lease.renew(2300, 72.3)
    assert not lease.holds(72.3)
    assert lease.hopeless(72.3)


def test_a_word_that_knows_of_no_recent_answer_renews_nothing() -> None:
    lease = PageLease()
    lease.renew(0, 10.0, None)
    lease.renew(300, 10.3, None)
    assert lease.holds(10.3)
    # The guest heard the answer to the first one, and said so in time.
    lease.renew(600, 10.0 + ANSWER_S - 0.01, 0)
    assert not lease.slow
    lease.rest()
    # And here too late: as late as all that came before, so the clocks tell nothing.
    lease.renew(900, 10.0 + ANSWER_S, 0)
    assert lease.slow
    assert not lease.holds(10.0 + ANSWER_S)
    # What was answered in between is recent again.
    lease.renew(1200, 11.8, 900)
    assert lease.holds(11.8)


def test_who_has_heard_no_answer_yet_has_so_long_to_hear_one() -> None:
    lease = PageLease()
    lease.renew(0, 10.0, None)
    lease.renew(1400, 11.4, None)
    assert lease.holds(11.4)
    lease.rest()
    lease.renew(1500, 10.0 + ANSWER_S, None)
    assert not lease.holds(10.0 + ANSWER_S)


def test_an_answer_that_was_never_given_is_none_and_those_that_are_kept_are_bounded() -> None:
    lease = PageLease()
    lease.renew(0, 10.0, 77)
    assert not lease.holds(10.0)
    for number in range(1, ANSWERS_MOST + 2):
        lease.renew(number, 10.0 + number / 1000, number - 1)
    assert lease.holds(10.1)
    lease.rest()
    lease.renew(500, 10.2, 1)  # forgotten
    assert not lease.holds(10.2)


def test_a_page_of_an_older_release_is_judged_by_its_lateness_alone() -> None:
    lease = PageLease()
    lease.renew(0, 10.0)
    lease.renew(9000, 19.0)
    assert lease.holds(19.0)
