"""What the bounds of the machine promise together; the numbers are those that docs tell people."""

from __future__ import annotations

from relay.peripheral import limits


def test_without_a_hub_it_is_off_within_a_second_and_at_rest_within_ten() -> None:
    assert limits.ACTIVE_S + limits.PATIENCE_S <= 1.0
    assert limits.ACTIVE_S == 0.9
    assert limits.IDLE_S == limits.BREAK_S == 10.0


def test_whatever_hangs_has_been_dealt_with_two_seconds_after_the_last_beat() -> None:
    assert limits.ACTIVE_S + limits.PATIENCE_S + limits.FAILING_S <= 2.0
    assert limits.PACKET_S == limits.FAILING_S == limits.PAUSES_S == limits.SILENCE_S == 1.0
    assert limits.FAILING_EMERGENCY_S == 3.0
    # BlueZ waits for 2 s before it lets a device go.
    assert 2.0 < limits.LET_GO_S <= 2.5


def test_a_program_that_ends_is_done_with_its_devices_within_two_seconds() -> None:
    assert limits.LAST_STOP_S + limits.LAST_LET_GO_S < 1.5
    assert limits.RETRY_MOST_S < limits.LAST_STOP_S


def test_tries_are_close_together_at_first_and_never_far_apart() -> None:
    assert 0 < limits.RETRY_FIRST_S <= limits.RETRY_MOST_S <= limits.STRAGGLER_S <= 0.5
    assert 0 < limits.SECOND_ROUND_S < limits.SECOND_ROUND_MOST_S <= 0.5
    assert limits.STALL_S == 0.25
