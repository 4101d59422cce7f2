"""XInput as its documentation describes it: a level holds until it is changed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from relay.radio.blocking import BlockingDeviceError
from relay.radio.gamepad.windows import XInputPads


class Library:
    """What XInput keeps for its four places."""

    def __init__(self) -> None:
        self.levels: dict[int, tuple[int, int]] = {1: (0, 0)}
        self.battery = (2, 2)

    def XInputGetState(self, place: int, state: object) -> int:
        return 0 if place in self.levels else 1167

    def XInputSetState(self, place: int, vibration: Any) -> int:
        if place not in self.levels:
            return 1167
        self.levels[place] = (vibration._obj.low, vibration._obj.high)
        return 0

    def XInputGetBatteryInformation(self, place: int, kind: int, told: Any) -> int:
        told._obj.kind, told._obj.level = self.battery
        return 0


def test_the_left_motor_is_the_slow_one_and_ends_by_itself() -> None:
    library = Library()
    (found,) = XInputPads(library).find()
    assert (found.place, found.name) == ("1", "XInput pad 2")
    pad = XInputPads(library).open(found)
    pad.rumble(1000, 2000, 5000)
    assert library.levels[1] == (1000, 2000)
    pad.rumble(3000, 0, 50)
    deadline = time.monotonic() + 5
    while library.levels[1] != (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert library.levels[1] == (0, 0)
    pad.rumble(1000, 2000, 5000)
    pad.close()
    assert library.levels[1] == (0, 0)


def test_battery_and_loss() -> None:
    library = Library()
    pads = XInputPads(library)
    pad = pads.open(pads.find()[0])
    assert pad.battery() == 66
    library.battery = (1, 3)  # on its cable
    assert pad.battery() is None
    library.levels.clear()
    assert pads.find() == []
    with pytest.raises(BlockingDeviceError) as caught:
        pad.rumble(1, 1, 100)
    assert caught.value.gone
    pad.close()
