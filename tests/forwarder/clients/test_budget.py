from __future__ import annotations

import pytest

from forwarder.clients.budget import Budget, Sayings, again


def test_a_budget_lets_a_burst_pass_and_then_its_rate() -> None:
    budget = Budget(rate=10, burst=5, now=100)
    assert [budget.spend(1, 100) for _ in range(5)] == [0] * 5
    assert budget.spend(1, 100) == pytest.approx(0.1)
    assert budget.spend(1, 100.2) == 0
    assert budget.left(1000) == 5


def test_however_long_it_rests_a_budget_holds_no_more_than_its_burst() -> None:
    budget = Budget(rate=10, burst=5, now=0)
    assert budget.spend(6, 1e9) == pytest.approx(0.1)


def test_a_kind_is_said_once_in_a_while_with_how_often_it_was_kept_back() -> None:
    sayings = Sayings(every_s=60)
    assert sayings.say("a", 0) == 0
    assert [sayings.say("a", now) for now in (1, 2, 59)] == [None] * 3
    assert sayings.say("b", 59) == 0
    assert sayings.say("a", 60) == 3
    assert (again(0), again(3)) == ("", " (3 more of these since)")


def test_kinds_are_bounded() -> None:
    sayings = Sayings(most=10)
    for number in range(1000):
        assert sayings.say(number, 0) == 0
    assert sayings.say(999, 1) is None
    assert sayings.say(0, 1) == 0
