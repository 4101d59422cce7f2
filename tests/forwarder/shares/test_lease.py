from __future__ import annotations

import pytest

from forwarder.shares.bounds import LEASE_S
from forwarder.shares.lease import GuestLease


def test_it_holds_for_less_than_a_second_after_the_last_word() -> None:
    lease = GuestLease()
    assert not lease.holds(0.0)
    for beat in range(5):
        lease.renew(beat * 300, 10 + beat * 0.3)
    assert lease.holds(10 + 1.2 + LEASE_S - 0.001)
    assert not lease.holds(10 + 1.2 + LEASE_S)


def test_a_late_word_renews_by_what_is_left_of_it() -> None:
    lease = GuestLease()
    lease.renew(0, 10.0)
    lease.renew(300, 10.8)  # half a second late
    assert lease.ends == pytest.approx(10.3 + LEASE_S, abs=0.001)  # clocks may drift


def test_what_comes_in_a_burst_after_a_loss_renews_nothing_but_its_newest() -> None:
    lease = GuestLease()
    lease.renew(0, 10.0)
    for sent in (300, 600, 900, 1200):
        lease.renew(sent, 15.0)
        assert not lease.holds(15.0)
    lease.renew(5000, 15.0)
    assert lease.holds(15.0)
    assert not lease.hopeless(17.0)


def test_rest_ends_it_at_once() -> None:
    lease = GuestLease()
    lease.renew(0, 10.0)
    lease.rest()
    assert not lease.holds(10.0)


def test_a_clock_that_stood_still_needs_a_new_connection() -> None:
    lease = GuestLease()
    lease.renew(0, 10.0)
    lease.renew(300, 70.3)
    assert not lease.hopeless(70.3)
    lease.renew(2300, 72.3)
    assert not lease.holds(72.3)
    assert lease.hopeless(72.3)
