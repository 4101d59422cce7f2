"""What devices do for requests: their own outputs, or what stands in for them."""

from __future__ import annotations

import pytest

from forwarder.bridges.bounds import FASTEST_S, LEAST_STEP_S, SLOWEST_S
from forwarder.bridges.lovense import plans
from forwarder.bridges.lovense.commands import (
    FunctionCommand,
    Misunderstood,
    PatternCommand,
    Play,
    Preset,
)
from forwarder.buttplug.messages import OutputType
from tests.doubles.remote_toys import remote_device

SPRAY, HEAT, LED = OutputType.SPRAY, OutputType.TEMPERATURE, OutputType.LED
VIBRATE, ROTATE, OSCILLATE, CONSTRICT, POSITION, TIMED = (
    OutputType.VIBRATE, OutputType.ROTATE, OutputType.OSCILLATE, OutputType.CONSTRICT,
    OutputType.POSITION, OutputType.HW_POSITION_WITH_DURATION,
)  # fmt: skip


def function(**levels: float) -> FunctionCommand:
    return FunctionCommand((), levels, None, 5.0, None, None, alone=True)


@pytest.mark.parametrize(
    ("outputs", "action", "driven"),
    [
        ((VIBRATE,), "Vibrate", {(0, VIBRATE)}),
        ((VIBRATE, VIBRATE), "Vibrate", {(0, VIBRATE), (1, VIBRATE)}),
        ((VIBRATE, VIBRATE), "Vibrate2", {(1, VIBRATE)}),
        ((VIBRATE, ROTATE), "All", {(0, VIBRATE), (1, ROTATE)}),
        ((SPRAY, VIBRATE, HEAT, LED), "All", {(1, VIBRATE)}),
        ((OSCILLATE,), "Vibrate", {(0, OSCILLATE)}),
        ((ROTATE,), "Vibrate1", {(0, ROTATE)}),
        ((CONSTRICT,), "Pump", {(0, CONSTRICT)}),
        ((OSCILLATE, POSITION), "Thrusting", {(0, OSCILLATE)}),
    ],
)
def test_an_action_means_the_best_of_what_is_there(
    outputs: tuple[OutputType, ...], action: str, driven: set[tuple[int, OutputType]]
) -> None:
    (step,) = plans.function(remote_device(*outputs), function(**{action: 0.5}))
    assert dict(step.levels) == dict.fromkeys(driven, 0.5)


def test_a_stroker_goes_to_and_fro_faster_at_a_higher_level_within_its_stroke() -> None:
    device = remote_device(TIMED)
    slow = plans.function(device, function(Vibrate=0.05))
    fast = plans.function(device, function(Vibrate=1.0))
    assert [list(step.levels.values()) for step in fast] == [[0.0], [1.0]]
    assert fast[0].seconds == pytest.approx(FASTEST_S)
    assert fast[0].seconds < slow[0].seconds < SLOWEST_S
    short = plans.function(
        device, FunctionCommand((), {"Thrusting": 0.5}, (0.2, 0.6), 5.0, None, None, alone=True)
    )
    assert [list(step.levels.values()) for step in short] == [[0.2], [0.6]]


def test_what_a_device_lacks_is_refused_in_words_unless_something_is_left() -> None:
    device = remote_device(VIBRATE, name="Lovense Hush")
    with pytest.raises(Misunderstood, match="Lovense Hush has no Pump") as error:
        plans.function(device, function(Pump=1.0))
    assert error.value.code == 403
    (step,) = plans.function(device, function(Pump=1.0, Vibrate=0.5))
    assert dict(step.levels) == {(0, VIBRATE): 0.5}
    with pytest.raises(Misunderstood, match="A toy has no"):
        plans.function(remote_device(), function(All=1.0))


def test_a_loop_runs_and_pauses() -> None:
    device = remote_device(VIBRATE)
    steps = plans.function(
        device, FunctionCommand((), {"Vibrate": 1.0}, None, None, 3.0, 2.0, alone=True)
    )
    assert [(step.seconds, dict(step.levels)) for step in steps] == [
        (3.0, {(0, VIBRATE): 1.0}), (2.0, {(0, VIBRATE): 0.0}),
    ]  # fmt: skip


def test_patterns_and_presets_are_curves_of_what_is_named() -> None:
    device = remote_device(VIBRATE, ROTATE)
    both = plans.pattern(device, PatternCommand((), (), (1.0, 0.0), 0.5, 5.0))
    assert [dict(step.levels) for step in both] == [
        {(0, VIBRATE): 1.0, (1, ROTATE): 1.0}, {(0, VIBRATE): 0.0, (1, ROTATE): 0.0},
    ]  # fmt: skip
    one = plans.pattern(device, PatternCommand((), ("Rotate", "Stroke"), (1.0,), 0.5, 5.0))
    assert [set(step.levels) for step in one] == [{(1, ROTATE)}]
    for name in ("pulse", "wave", "fireworks", "earthquake"):
        steps = plans.preset(device, Preset((), name, None))
        levels = [step.levels[(0, VIBRATE)] for step in steps]
        assert max(levels) == 1.0
        assert all(0 <= level <= 1 for level in levels)
        assert all(step.seconds >= LEAST_STEP_S for step in steps)


def test_a_recorded_movement_is_played_from_where_it_is_wanted() -> None:
    actions = ((0.0, 0.0), (1.0, 1.0), (1.01, 0.9), (2.0, 0.0))
    steps = plans.played(remote_device(TIMED), actions, Play((), None, 0.0, 0.5, None, alone=True))
    assert [(round(step.seconds, 3), *step.levels.values()) for step in steps] == [
        (0.5,), (1.0, 1.0), (1.0, 0.0),
    ]  # fmt: skip
    later = plans.played(remote_device(VIBRATE), actions, Play((), None, 1.0, 0, None, alone=True))
    assert [(step.seconds, *step.levels.values()) for step in later] == [(1.0, 0.0)]
    with pytest.raises(Misunderstood, match="nothing of the pattern"):
        plans.played(remote_device(TIMED), actions, Play((), None, 9.0, 0.0, None, alone=True))
