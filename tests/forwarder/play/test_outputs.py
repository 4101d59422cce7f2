"""What a pattern plays on, and what each output is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.errors import (
    MessageError,
    UnknownDevice,
    UnknownFeature,
    Unsupported,
)
from forwarder.play.outputs import (
    FIRST_STROKE_S,
    MOST_OUTPUTS,
    STROKE_S,
    OutputChoice,
    PlayedOutput,
    chosen_outputs,
)
from forwarder.play.patterns import PATTERNS
from forwarder.play.play import TICK_S, PlaySetting
from forwarder.sources.virtual.source import GroupRule
from tests.doubles.driver import STROKER, device
from tests.forwarder.play.house import MOVE, RAMP, STEADY, VIBRATE, PlayHouse, live, renewed

# --- what it plays on -----------------------------------------------------------------------------


def test_without_a_choice_it_plays_on_every_level_there_is_and_moves_no_stroker() -> None:
    async def scene(house: PlayHouse) -> None:
        state = house.start()
        assert state.outputs == ((0, 0), (0, 1), (1, 0), (1, 1))
        assert house.calls(0) == [("output", 0, "Vibrate", 10, 0), ("output", 1, "Rotate", 10, 0)]
        assert house.calls(2) == []

    live(scene, GroupRule("All"))


def test_a_choice_is_a_device_a_feature_or_a_kind() -> None:
    async def scene(house: PlayHouse) -> None:
        assert house.start(STEADY, OutputChoice(1)).outputs == ((1, 0), (1, 1))
        assert house.start(STEADY, OutputChoice(1, feature=1)).outputs == ((1, 1),)
        assert house.start(STEADY, OutputChoice(2, kind=MOVE)).outputs == ((2, 0),)
        for choice, error in (
            (OutputChoice(9), UnknownDevice),
            (OutputChoice(1, feature=9), UnknownFeature),
            (OutputChoice(2), Unsupported),
            (OutputChoice(1, kind=MOVE), Unsupported),
        ):
            with pytest.raises(error):
                house.start(STEADY, choice)

    live(scene)


def test_backwards_is_for_what_has_two_directions() -> None:
    async def scene(house: PlayHouse) -> None:
        house.start(PlaySetting("steady", strength=0.5, backwards=True), OutputChoice(0))
        assert house.calls(0) == [("output", 0, "Vibrate", 10, 0), ("output", 1, "Rotate", -10, 0)]

    live(scene)


def test_a_pattern_is_told_ten_times_a_second_and_only_what_is_new() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(RAMP, OutputChoice(0, 0)).id
        await renewed(house, id, 3.6)
        values = house.values(0)
        assert values == [*range(len(values))]
        assert len(values) in (18, 19)

    live(scene)


# --- strokes --------------------------------------------------------------------------------------


def strokes(house: PlayHouse) -> list[tuple[int, int]]:
    moves = [call for call in house.calls(2) if call[0] == "output"]
    return [
        (call[3], call[4])
        for call in moves
        if isinstance(call[3], int) and isinstance(call[4], int)
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([*PATTERNS]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.25, 4),
    st.floats(0, 1),
)
def test_no_stroke_leaves_its_range_or_is_faster_than_a_toy_bears(
    pattern: str, low: float, high: float, speed: float, strength: float
) -> None:
    async def scene(house: PlayHouse) -> None:
        setting = PlaySetting(pattern, speed=speed, strength=strength, low=low, high=high)
        house.start(setting, OutputChoice(2, kind=MOVE), for_s=6, stays=True)
        await asyncio.sleep(5.9)
        first, *rest = strokes(house)
        bottom, top = sorted((low, high))
        at = first[0]
        assert first[1] == FIRST_STROKE_S * 1000
        for value, took_ms in rest:
            assert abs(value - at) <= 100 * TICK_S / STROKE_S + 1
            assert took_ms == TICK_S * 1000
            at = value
        for value, _ in (first, *rest):
            assert 100 * bottom - 0.51 <= value <= 100 * top + 0.51

    live(scene)


# --- one output, call by call ---------------------------------------------------------------------


def told(output: PlayedOutput, level: float, now: float, setting: PlaySetting = STEADY) -> object:
    """What it is told: value and duration; None: nothing."""
    command = output.command(setting, level, now)
    if command is None:
        return None
    [value] = command.command.values()
    return value.value, value.duration


def test_a_level_is_told_once_and_again_when_it_was_not_carried_out() -> None:
    output = PlayedOutput(device(), 0, VIBRATE)
    assert told(output, 0.5, 0.0) == (10, UNSET)
    assert told(output, 0.51, 0.1) is None
    output.forget()
    assert told(output, 0.5, 0.2) == (10, UNSET)
    assert told(output, 0.0, 0.3) == (0, UNSET)


def test_a_first_stroke_is_left_in_peace_until_it_is_there() -> None:
    output = PlayedOutput(device(definition=STROKER), 0, MOVE)
    assert told(output, 0.5, 0.0) == (50, 500)
    assert told(output, 1.0, 0.4) is None
    # In tenths of a second, and no more than two fifths of the range in each.
    assert told(output, 1.0, 0.5) == (90, 100)
    assert told(output, 1.0, 0.52) is None
    assert told(output, 1.0, 0.6) == (100, 100)
    assert told(output, 0.0, 0.7) == (60, 100)


def test_a_range_of_strokes_may_be_said_either_way_round() -> None:
    for low, high in ((0.2, 0.6), (0.6, 0.2)):
        setting = PlaySetting("steady", low=low, high=high)
        output = PlayedOutput(device(definition=STROKER), 0, MOVE)
        assert told(output, 0.0, 0.0, setting) == (20, 500)
        assert told(output, 1.0, 0.5, setting) == (60, 100)


def test_an_output_that_was_taken_away_is_told_nothing() -> None:
    toy = device()
    output = PlayedOutput(toy, 0, VIBRATE)
    toy.replace_features(())
    assert told(output, 0.5, 0.0) is None


def test_outputs_are_bounded_and_each_counts_once() -> None:
    definition = Definition(
        "lovense",
        "A",
        "Many",
        tuple(FeatureSpec(n, outputs={VIBRATE: OutputSpec(0, 20)}) for n in range(MOST_OUTPUTS)),
    )
    toy = device(definition=definition)
    toy.index = 0
    twice = [OutputChoice(0), OutputChoice(0, 3)]
    assert len(chosen_outputs({0: toy}, twice, ())) == MOST_OUTPUTS
    other = device(address="A2")
    other.index = 1
    with pytest.raises(MessageError, match="256 outputs at most"):
        chosen_outputs({0: toy, 1: other}, [*twice, OutputChoice(1, 0)], ())


def test_what_is_not_there_is_named() -> None:
    toy = device()
    toy.index = 0
    with pytest.raises(Unsupported, match="has no HwPositionWithDuration there"):
        chosen_outputs({0: toy}, [OutputChoice(0, kind=MOVE)], ())
    with pytest.raises(Unsupported, match="has no level that a pattern could play there"):
        chosen_outputs({0: toy}, [OutputChoice(0, feature=2)], ())
