from __future__ import annotations

import itertools

from relay.debts.bounds import (
    DEBTS_LOOK_S,
    DEBTS_MOST,
    FULL_S,
    LATER_EVERY_S,
    LATER_LOOK_S,
    LEFT_LOOK_S,
    PAUSE_S,
)
from relay.debts.debts import DebtTable
from relay.debts.record import Record
from relay.link.messages import Debt


class Told:
    def __init__(self) -> None:
        self.times = 0
        self.table = DebtTable(self.note)

    def note(self) -> None:
        self.times += 1


def looks(table: DebtTable, address: str, seconds: float) -> list[tuple[float, float]]:
    """Look whenever it is due, always in vain; return when, and for how long."""
    now = 0.0
    found: list[tuple[float, float]] = []
    while True:
        owed = table.get(address)
        assert owed is not None
        now = max(now, owed.due(now))
        if now >= seconds:
            return found
        found.append((now, owed.look_s(now)))
        now += owed.look_s(now)
        owed.tried(now)


def test_a_lost_toy_is_looked_for_two_minutes_all_the_time_and_then_five_of_thirty_seconds() -> (
    None
):
    table = Told().table
    table.add(Record("AA"), 0.0)
    found = looks(table, "AA", 1000.0)
    early = [each for each in found if each[0] < FULL_S]
    assert sum(took for _, took in early) >= FULL_S - len(early) * PAUSE_S
    assert {took for _, took in early} == {DEBTS_LOOK_S}
    late = [each for each in found if each[0] >= FULL_S + LATER_EVERY_S]
    assert {took for _, took in late} == {LATER_LOOK_S}
    gaps = {b[0] - a[0] for a, b in itertools.pairwise(late)}
    assert gaps == {LATER_EVERY_S}
    assert len(late) > 25, "it is never given up"


def test_who_presses_stop_has_it_looked_for_at_once_and_all_the_time_again() -> None:
    table = Told().table
    owed = table.add(Record("AA"), 0.0)
    assert owed is not None
    owed.tried(500.0)
    assert owed.due(501.0) > 501.0
    table.urge(501.0)
    assert owed.due(501.0) == 501.0
    assert owed.look_s(501.0) == DEBTS_LOOK_S


def test_one_that_is_heard_is_tried_at_once_but_not_without_a_pause() -> None:
    owed = Told().table.add(Record("AA"), 0.0)
    assert owed is not None
    owed.tried(500.0)
    owed.heard(500.0 + PAUSE_S / 2)
    assert owed.due(500.5) > 500.5
    owed.heard(500.0 + PAUSE_S)
    assert owed.due(501.0) == 501.0


def test_people_are_told_of_what_may_run_and_of_nothing_else() -> None:
    told = Told()
    told.table.add(Record("AA", "Hush"), 100.0, lost_s=30.0)
    told.table.add(Record("BB"), 100.0, certain=False)
    assert told.times == 1
    assert told.table.items(110.0) == (Debt("AA", "Hush", 40),)
    other = told.table.get("BB")
    assert other is not None
    assert other.look_s(100.0) == LEFT_LOOK_S
    told.table.remove("BB")
    told.table.remove("nobody")
    assert told.times == 1
    told.table.remove("AA")
    assert told.times == 2
    assert told.table.items(110.0) == ()


def test_there_is_a_bound_but_no_debt_is_thrown_out_for_another() -> None:
    table = Told().table
    for n in range(DEBTS_MOST):
        assert table.add(Record(f"{n}"), 0.0) is not None
    assert table.add(Record("one too many"), 0.0) is None
    assert table.add(Record("3", "again"), 0.0) is not None
    assert len(table.items(0.0)) == DEBTS_MOST
