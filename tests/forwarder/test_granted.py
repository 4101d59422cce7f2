"""What a grant leaves of a device's ranges."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from forwarder.buttplug.messages import OutputType
from forwarder.granted import reduced, steps
from tests.doubles.driver import NORA, device


def test_ranges_are_cut_on_both_sides_of_zero() -> None:
    features = reduced(device().info(), lambda kind: 0.5).device_features
    assert features[0].output[OutputType.VIBRATE].value == (0, 10)  # type: ignore[index]
    assert features[1].output[OutputType.ROTATE].value == (-10, 10)  # type: ignore[index]


def test_what_is_not_allowed_is_not_there_and_inputs_stay() -> None:
    left = reduced(device().info(), lambda kind: 1.0 if kind is OutputType.ROTATE else 0.0)
    assert sorted(left.device_features) == [1, 2, 3]
    assert left.device_features[2].output is UNSET


def test_without_a_ceiling_nothing_changes() -> None:
    info = device(definition=NORA).info()
    assert reduced(info, lambda kind: 1.0) == info


@pytest.mark.parametrize(
    ("end", "level", "left"), [(100, 0.07, 7), (100, 0.29, 29), (-20, 0.5, -10), (3, 0.3, 0)]
)
def test_a_percentage_leaves_what_a_person_expects(end: int, level: float, left: int) -> None:
    assert steps(end, level) == left
