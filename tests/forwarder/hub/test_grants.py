"""What a grant leaves of a device's ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from forwarder.buttplug.messages import OutputType
from forwarder.errors import Denied
from forwarder.hub.device import Device
from forwarder.hub.grants import check, reduced, steps
from tests.doubles.driver import NORA, device

ROTATE = OutputType.ROTATE


class Upto:
    """A grant for everything, up to a share of it."""

    name = "guest"
    refusal: str | None = None

    def __init__(self, level: float) -> None:
        self.level = level

    def sees(self, device: Device) -> bool:
        return True

    def allows(self, device: Device, kind: OutputType) -> bool:
        return True

    def ceiling(self, device: Device, kind: OutputType) -> float:
        return self.level


@given(value=st.integers(-25, 25), level=st.floats(0, 1))
def test_a_ceiling_holds_in_both_directions(value: int, level: float) -> None:
    toy, grant = device(), Upto(level)
    shown = reduced(toy.info(), lambda kind: level).device_features.get(1)
    low, high = (0, 0) if shown is None or not shown.output else shown.output[ROTATE].value
    if low <= value <= high:
        check(grant, "Guest", toy, 1, ROTATE, value)
    else:
        with pytest.raises(Denied, match=f"up to {high}"):
            check(grant, "Guest", toy, 1, ROTATE, value)


def test_what_is_not_allowed_is_denied_whatever_its_value() -> None:
    class OnlyVibrate(Upto):
        def allows(self, device: Device, kind: OutputType) -> bool:
            return kind is OutputType.VIBRATE

    grant = OnlyVibrate(1.0)
    for value in (0, 5, -5):
        with pytest.raises(Denied, match="may not use Rotate"):
            check(grant, "Guest", device(), 1, ROTATE, value)
    check(grant, "Guest", device(), 0, OutputType.VIBRATE, 5)


@pytest.mark.parametrize("value", [-11, -20, 11])
def test_a_guest_never_passes_a_ceiling_backwards(value: int) -> None:
    with pytest.raises(Denied, match="up to 10"):
        check(Upto(0.5), "Guest", device(), 1, ROTATE, value)
    check(Upto(0.5), "Guest", device(), 1, ROTATE, max(-10, min(10, value)))


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


def test_a_grant_that_refuses_everything_says_why() -> None:
    grant = Upto(1.0)
    grant.refusal = "only while the person is here"
    with pytest.raises(Denied, match="only while the person is here"):
        check(grant, "Guest", device(), 0, OutputType.VIBRATE, 0)


@pytest.mark.parametrize(
    ("end", "level", "left"),
    [(100, 0.07, 7), (-20, 0.5, -10), (-1, 1.0, -1), (0, 1.0, 0), (1, 1, 1)],
)
def test_an_end_of_a_range_keeps_its_sign(end: int, level: float, left: int) -> None:
    assert steps(end, level) == left
