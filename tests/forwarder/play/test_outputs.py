"""What a pattern plays on, and what each output is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.errors import (
    UnknownDevice,
    UnknownFeature,
    Unsupported,
)
from forwarder.play.outputs import FIRST_STROKE_S, STROKE_S, OutputChoice
from forwarder.play.patterns import PATTERNS
from forwarder.play.play import TICK_S, PlaySetting
from forwarder.sources.virtual.source import GroupRule
from tests.forwarder.play.house import MOVE, RAMP, STEADY, PlayHouse, live, renewed

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
