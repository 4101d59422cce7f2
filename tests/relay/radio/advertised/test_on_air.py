"""What is on the air, when: values in, values out."""

from __future__ import annotations

import pytest

from relay.radio.advertised.on_air import OnAir, runs
from relay.radio.bounds import HOLD_S, STEP_S
from relay.supervision.bounds import SILENCE_S


def test_nothing_is_on_the_air_before_something_was_said() -> None:
    assert OnAir(0).turn(100) is None


def test_a_level_stays_for_as_long_as_the_relay_is_heard() -> None:
    air = OnAir(0)
    air.show(1, b"\x03")
    for tenth in range(100):
        air.heard(1 + tenth / 10)
        assert air.turn(1 + tenth / 10) == 3


def test_several_commands_have_their_turns() -> None:
    air = OnAir(0)
    air.show(0, b"\x31\x42")
    assert [air.turn(step * STEP_S) for step in range(4)] == [0x31, 0x42, 0x31, 0x42]


def test_a_stop_stays_for_its_time_and_then_there_is_silence() -> None:
    air = OnAir(0)
    air.show(0, b"\x03")
    air.show(1, b"\x00")
    turns = [air.turn(1 + step * STEP_S) for step in range(40)]
    assert turns[:20] == [0] * 20
    assert turns[21:] == [None] * 19
    assert not air.over


def test_each_command_of_a_stop_has_its_own_time() -> None:
    air = OnAir(0)
    air.show(0, b"\x00\x30\x40")
    turns = [air.turn(step * STEP_S) for step in range(100)]
    assert [turns.count(command) for command in (0, 0x30, 0x40)] == [20, 20, 20]


def test_one_that_is_not_heard_any_more_is_stopped_with_all_that_it_had_set_going() -> None:
    air = OnAir(0)
    air.show(0, b"\x31\x40")
    air.show(0.1, b"\x30\x42")
    air.heard(0.2)
    assert air.turn(0.2 + SILENCE_S - 0.01) in (0x30, 0x42)
    late = 0.2 + SILENCE_S
    assert [air.turn(late + step * STEP_S) for step in range(3)] == [0, 0x30, 0x40]


def test_what_was_stopped_and_is_silent_is_not_stopped_again() -> None:
    air = OnAir(0)
    air.show(0, b"\x03")
    air.show(1, b"\x00")
    assert air.turn(1 + HOLD_S) is None
    assert air.turn(100) is None
    air.ended(200)
    assert air.turn(200) is None
    assert air.over


@pytest.mark.parametrize("said", [b"\x03", b"\x32\x40"])
def test_the_end_of_the_relay_stops_what_runs_and_is_over_after_the_time_of_a_stop(
    said: bytes,
) -> None:
    air = OnAir(0)
    air.show(0, said)
    air.ended(0.3)
    air.show(0.4, b"\x03")  # what comes late sets nothing going
    told = []
    now = 0.3
    while not air.over:
        told.append(air.turn(now))
        now += STEP_S
    assert told[-1] is None
    assert not any(runs(bytes([command])) for command in told[:-1] if command is not None)
    assert told.count(0) >= 20


def test_the_end_does_not_cut_a_stop_short() -> None:
    air = OnAir(0)
    air.show(0, b"\x02")
    air.show(1, b"\x00")
    air.ended(1.1)
    assert air.turn(2.9) == 0
    assert not air.over


def test_a_stop_of_one_motor_leaves_the_other_owed() -> None:
    air = OnAir(0)
    air.show(0, b"\x31\x41")
    air.show(1, b"\x30")
    air.ended(1.2)
    assert {air.turn(1.2 + step * STEP_S) for step in range(3)} == {0, 0x30, 0x40}


def test_what_never_came_on_the_air_has_its_time_anew() -> None:
    air = OnAir(0)
    air.show(0, b"\x00")
    air.again(50)
    assert air.turn(50 + HOLD_S - 0.01) == 0
