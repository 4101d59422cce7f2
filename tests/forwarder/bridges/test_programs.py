"""Programs by the table: when they begin and end, and what holds in between."""

from __future__ import annotations

import pytest

from forwarder.bridges.bounds import PROGRAMS_MOST_PROGRAMS
from forwarder.bridges.programs import OutputProgram, Performance, ProgramStep
from forwarder.buttplug.messages import OutputType

V, W = (0, OutputType.VIBRATE), (1, OutputType.VIBRATE)
P = (2, OutputType.POSITION)


def level(
    slot: tuple[int, OutputType], share: float, *, until: float | None = None
) -> OutputProgram:
    return OutputProgram((ProgramStep(10, {slot: share}),), 0.0, until, "app")


def test_steps_follow_each_other_in_a_circle() -> None:
    toy = Performance(10)
    steps = (ProgramStep(1, {V: 1.0}), ProgramStep(2, {V: 0.5}))
    toy.start(OutputProgram(steps, 100.0, 107.0, "app"), alone=True)
    moments = [(at, toy.moment(at)) for at in (100, 101, 102.5, 103)]
    assert [(at, dict(moment.levels), moment.again) for at, moment in moments] == [
        (100, {V: 1.0}, 101.0),
        (101, {V: 0.5}, 103.0),
        (102.5, {V: 0.5}, 103.0),
        (103, {V: 1.0}, 104.0),
    ]
    assert toy.moment(106.5).again == 107.0
    assert not toy.moment(107.0).levels
    assert not toy


def test_functions_add_up_or_replace_each_other() -> None:
    toy = Performance(10)
    toy.start(level(V, 0.5), alone=True)
    toy.start(level(W, 0.3), alone=False)
    assert toy.moment(1).levels == {V: 0.5, W: 0.3}
    toy.start(level(W, 0.9), alone=True)
    assert toy.moment(1).levels == {W: 0.9}


def test_an_output_that_a_step_leaves_out_is_off_meanwhile_and_a_position_stays() -> None:
    toy = Performance(10)
    toy.start(
        OutputProgram((ProgramStep(1, {V: 1.0, P: 0.2}), ProgramStep(1, {W: 1.0})), 0, 9, "app"),
        alone=True,
    )
    assert toy.moment(1.5).levels == {V: 0.0, W: 1.0}
    assert toy.moment(0.5).levels == {V: 1.0, W: 0.0, P: 0.2}


def test_what_has_no_end_lasts_as_long_as_its_peer_is_heard() -> None:
    toy = Performance(10)
    toy.start(level(V, 1.0), alone=True)
    assert toy.moment(9.9).again == 10.0
    toy.heard("somebody else", 9.0)
    assert toy.moment(9.9).again == 10.0
    toy.heard("app", 9.9)
    assert toy.moment(19.8).levels == {V: 1.0}
    assert not toy.moment(19.91).levels


def test_many_functions_push_out_the_oldest() -> None:
    toy = Performance(10)
    for number in range(PROGRAMS_MOST_PROGRAMS + 3):
        toy.start(level((number, OutputType.VIBRATE), 1.0, until=5), alone=False)
    assert len(toy.moment(1).levels) == PROGRAMS_MOST_PROGRAMS


@pytest.mark.parametrize("now", [0.3, 0.1 + 0.2, 1e9 / 3, 2.7000000000000006])
def test_there_is_a_step_at_every_moment(now: float) -> None:
    program = OutputProgram(
        tuple(ProgramStep(0.1, {V: place / 9}) for place in range(9)), 0.0, None, "app"
    )
    step, began, ends = program.at(now)
    assert began <= now + 1e-6
    assert ends > now
    assert step in program.steps
