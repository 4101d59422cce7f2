"""Values of parameters: what counts, for how long, and what ends it."""

from __future__ import annotations

import pytest

from forwarder.bridges.bounds import MOST_VALUES
from forwarder.bridges.osc.parameters import PREFIX, Parameters, Rule

HOLD_S = 5.0
TOUCH = "OGB/Orf/mouth/TouchOthers"
GATE = "OGB/Orf/mouth/TouchOthersClose"


def heard(known: Parameters, name: str, value: object, now: float = 0.0) -> bool:
    return known.heard(PREFIX + name, [value], now)


@pytest.mark.parametrize(
    ("value", "level"), [(0.5, 0.5), (1, 1.0), (True, 1.0), (False, 0.0), (7, 1.0), (-3.0, 0.0)]
)
def test_any_type_that_is_a_number_is_a_level(value: object, level: float) -> None:
    known = Parameters([Rule(("Mine",))], HOLD_S)
    assert heard(known, "Mine", value)
    assert known.levels(1.0) == (level,)


@pytest.mark.parametrize("value", ["1", b"1", None, float("nan"), float("inf")])
def test_what_is_no_level_is_not_heard(value: object) -> None:
    known = Parameters([Rule(("Mine",))], HOLD_S)
    assert not heard(known, "Mine", value)
    assert not known.heard(PREFIX + "Mine", [1, 2], 0)
    assert not known.heard("/chatbox/input", [1.0], 0)
    assert known.levels(1.0) == (0.0,)


def test_a_value_holds_for_its_time_and_each_repeat_holds_it_anew() -> None:
    known = Parameters([Rule(("Mine",))], HOLD_S)
    heard(known, "Mine", 0.4, 0.0)
    heard(known, "Mine", 0.6, 3.0)
    assert known.until() == 8.0
    assert known.levels(7.99) == (0.6,)
    assert known.levels(8.0) == (0.0,)
    assert known.until() is None


def test_a_rule_takes_the_highest_scales_it_and_has_a_dead_zone() -> None:
    known = Parameters([Rule(("a/*",), 2.0, 0.2), Rule(("b",))], HOLD_S)
    heard(known, "a/x", 0.1)
    heard(known, "a/y", 0.4)
    heard(known, "b", 0.3)
    assert known.levels(1.0) == pytest.approx((0.5, 0.3))
    heard(known, "a/y", 1.0)
    assert known.levels(1.0) == (1.0, 0.3)


def test_a_touch_counts_while_the_hand_is_close_where_the_avatar_says_so() -> None:
    known = Parameters([Rule()], HOLD_S)
    heard(known, TOUCH, 0.8)
    assert known.levels(1.0) == (0.8,)
    assert heard(known, GATE, False)
    assert known.levels(1.0) == (0.0,)
    heard(known, GATE, True)
    assert known.levels(1.0) == (0.8,)


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/avatar/change", ["avtr_1"]),
        (PREFIX + "AFK", [True]),
        (PREFIX + "VRCPleasure/StopAll", [1]),
    ],
)
def test_what_ends_everything_ends_it(address: str, arguments: list[object]) -> None:
    known = Parameters([Rule()], HOLD_S)
    heard(known, TOUCH, 0.8)
    assert known.heard(address, arguments, 1.0)
    assert known.levels(1.0) == (0.0,)


def test_what_does_not_end_it_does_not() -> None:
    known = Parameters([Rule()], HOLD_S)
    heard(known, TOUCH, 0.8)
    assert not heard(known, "AFK", False)
    assert not heard(known, "VRCPleasure/StopAll", 0)
    assert known.levels(1.0) == (0.8,)


def test_a_flood_of_names_fills_no_memory() -> None:
    known = Parameters([Rule(("*",))], HOLD_S)
    for number in range(MOST_VALUES + 10):
        heard(known, f"n{number}", 1.0)
    assert len(known._values) == MOST_VALUES
