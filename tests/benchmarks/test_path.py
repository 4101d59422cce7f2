"""What one command costs is counted, not timed, so that a test can hold it."""

from __future__ import annotations

from tests.benchmarks import path


def test_a_command_costs_no_more_than_before_the_machine_and_the_bounds_of_the_doors() -> None:
    costs = path.measure()
    assert costs["OutputCmd"].calls <= 140
    assert costs["StopCmd"].calls <= 150
    assert len(costs["OutputCmd"].forms) <= 15
    assert max(cost.hand_offs for cost in costs.values()) <= 6


def test_the_same_is_counted_each_time() -> None:
    assert path.measure() == path.measure()


def test_the_forms_of_a_value_are_those_that_it_is_written_and_carried_in() -> None:
    forms = path.measure()["OutputCmd"].forms
    assert {"text", "OutputCmd", "Output", "Packet", "bytes of the packet"} <= forms
    assert "Failed" not in forms
