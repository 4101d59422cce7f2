from __future__ import annotations

import pytest

from relay.link.messages import StopCause
from relay.peripheral.gate import Gate, GateEvent, GateState, Lockout
from relay.peripheral.limits import ACTIVE_S, BREAK_S, IDLE_S, STALL_S
from relay.peripheral.machine import Machine


def opened(now: float = 0.0, ends_at: float = 100.0, **about: float) -> Gate:
    gate = Gate(Lockout(), **about)
    gate.take(GateEvent.ARM)
    gate.lease(now, ends_at)
    assert gate.state is GateState.OPEN
    return gate


def test_a_fresh_gate_is_shut_and_has_nothing_to_wait_for() -> None:
    gate = Gate(Lockout())
    assert (gate.state, gate.cause, gate.n, gate.settled) == (GateState.SHUT, None, 0, False)
    assert gate.deadline == float("inf")
    assert gate.lapsed(1000.0) is None
    machine = Machine(Lockout(), 5.0)
    assert machine.deadline == float("inf")
    assert (machine.over, machine.leaving, machine.may_run) == (None, False, False)
    assert machine.p == 0


def test_without_a_hub_leases_have_the_relays_own_bounds() -> None:
    gate = opened()
    assert gate.deadline == IDLE_S
    gate.handed(0.0, rest=False, moves=True)
    assert gate.deadline == ACTIVE_S


@pytest.mark.parametrize("ends_at", [4.9, 5.0])
def test_a_lease_that_is_over_as_it_comes_opens_nothing(ends_at: float) -> None:
    gate = Gate(Lockout())
    gate.take(GateEvent.ARM)
    gate.lease(5.0, ends_at)
    assert gate.state is GateState.ARMED


def test_while_the_wearers_switch_is_set_no_lease_counts_and_no_hub_knows_better() -> None:
    """Also before the strike that comes with it."""
    block = Lockout()
    gate = Gate(block)
    gate.take(GateEvent.ARM)
    block.cause = StopCause.PAUSE
    gate.lease(0.0, 5.0)
    assert gate.state is GateState.ARMED
    block.cause = None
    gate.lease(0.0, 5.0)
    assert gate.knows(0)
    block.cause = StopCause.PAUSE
    assert not gate.knows(0)


def test_the_word_of_rest_is_doubted_when_its_time_is_over_and_only_in_open() -> None:
    gate = opened()
    gate.handed(0.0, rest=False, moves=True)
    gate.rested(1.0, waits=False)
    assert not gate.doubts(0.9 + BREAK_S)
    assert gate.doubts(1.0 + BREAK_S)
    gate.trigger_stop(None)
    assert not gate.doubts(1.0 + BREAK_S)


def test_without_a_limit_of_the_wearer_there_is_no_longest_run() -> None:
    assert Gate(Lockout()).max_run_s == 0


def test_what_moves_at_rest_begins_no_rest_that_nobody_has_said() -> None:
    gate = opened()
    gate.handed(0.0, rest=False, moves=True)
    gate.handed(1.0, rest=True, moves=True)
    assert not gate.doubts(1.0 + BREAK_S)


def test_a_value_behind_the_word_of_rest_takes_it_back() -> None:
    gate = opened()
    gate.handed(0.0, rest=False, moves=True)
    gate.rested(1.0, waits=False)
    gate.handed(2.0, rest=False, moves=True)
    assert not gate.doubts(1.0 + BREAK_S)


@pytest.mark.parametrize(("late_s", "stalled"), [(0.0, False), (STALL_S, True)])
def test_a_lapse_that_is_noticed_late_means_that_the_loop_stood_still(
    late_s: float, stalled: bool
) -> None:
    gate = opened(ends_at=5.0)
    assert gate.lapsed(4.9) is None
    assert gate.lapsed(5.0 + late_s) is (StopCause.STALL if stalled else StopCause.LEASE)


def test_where_run_and_lease_end_together_it_is_the_run_that_was_too_long() -> None:
    gate = opened(ends_at=0.5, max_run_s=0.5)
    gate.handed(0.0, rest=False, moves=True)
    assert gate.lapsed(0.5) is StopCause.RUN_TIME


def test_an_event_that_a_state_does_not_know_changes_nothing_and_says_so() -> None:
    gate = Gate(Lockout())
    for event in (GateEvent.LEASE, GateEvent.TAKEN):
        assert not gate.take(event)
        assert gate.state is GateState.SHUT
    assert gate.take(GateEvent.ARM)
