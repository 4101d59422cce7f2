from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.buttplug.legacy.convert import launch_duration_ms
from forwarder.buttplug.messages import OutputCmd, OutputType
from forwarder.buttplug.noise import NOISE, clamped, milliseconds, whole
from tests.forwarder.buttplug.devices import device, nora, output
from tests.forwarder.buttplug.harness import Served

LINEAR = OutputType.HW_POSITION_WITH_DURATION
DEVICES = {0: nora(), 1: device(1, "Stroker", [output(0, LINEAR, high=100)])}


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        (0.5, 0.5),
        (-2.8e-17, 0),
        (1.0000000000000002, 1),
        (-1e-6, 0),
        (1.000001, 1),
        (-1.1e-6, None),
        (1.0000011, None),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_only_what_misses_an_end_by_noise_is_brought_to_it(
    value: float, inside: float | None
) -> None:
    assert clamped(value, 0, 1) == inside


@given(st.floats(), st.integers(-100, 0), st.integers(0, 100))
def test_what_is_clamped_is_inside_and_next_to_what_was_given(
    value: float, low: int, high: int
) -> None:
    inside = clamped(value, low, high)
    if inside is None:
        assert not low <= value <= high
    else:
        assert low <= inside <= high
        assert abs(inside - value) <= NOISE * 1.01


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (-2.8e-17, 0),
        (19.9999999, 20),
        (0.1 + 0.7 + 0.2, 1),
        (1.5, 1.5),
        (math.inf, math.inf),
        (1e300, 1e300),
        ("5", "5"),
        (True, True),
        (None, None),
    ],
)
def test_a_number_of_steps_is_whole_but_for_noise(value: object, meant: object) -> None:
    assert (whole(value), type(whole(value))) == (meant, type(meant))


@pytest.mark.parametrize(
    ("value", "meant"),
    [(16.7, 17), (33.3333, 33), (0.2, 0), (-0.2, 0), (500, 500), (math.inf, math.inf), ("5", "5")],
)
def test_milliseconds_are_rounded(value: object, meant: object) -> None:
    assert milliseconds(value) == meant


# --- as clients of every version send it ----------------------------------------------------------

TINY, FULL = -2.8e-17, 1.0000000000000002


def vibrate(value: float) -> dict[int, tuple[str, dict[str, object]]]:
    """ "Vibrate" at this fraction, in each version's words."""
    speeds = {"DeviceIndex": 0, "Speeds": [{"Index": 0, "Speed": value}]}
    kind = {"Index": 0, "Scalar": value, "ActuatorType": "Vibrate"}
    return {
        0: ("SingleMotorVibrateCmd", {"DeviceIndex": 0, "Speed": value}),
        1: ("VibrateCmd", speeds),
        2: ("VibrateCmd", speeds),
        3: ("ScalarCmd", {"DeviceIndex": 0, "Scalars": [kind]}),
        4: (
            "OutputCmd",
            {
                "DeviceIndex": 0,
                "FeatureIndex": 0,
                "Command": {"Vibrate": {"Value": value * 20}},
            },
        ),
    }


def taken(served: Served) -> list[tuple[str, object, object]]:
    """Output, value and duration of what reached the hub."""
    found: list[tuple[str, object, object]] = []
    for command in served.took():
        assert isinstance(command, OutputCmd)
        ((kind, value),) = command.command.items()
        found.append((kind.value, value.value, value.duration or None))
    return found


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(("value", "steps"), [(TINY, 0), (-1e-8, 0), (FULL, 20), (1 + 1e-8, 20)])
def test_a_fade_ends_at_its_end_in_every_version(version: int, value: float, steps: int) -> None:
    served = Served(version, DEVICES)
    name, fields = vibrate(value)[version]
    assert served.ask(name, Id=7, **fields) == [("Ok", {"Id": 7})]
    assert taken(served) == [("Vibrate", steps, None)]


@pytest.mark.parametrize("version", range(4))
@pytest.mark.parametrize("value", [-0.01, 1.5, 1e300])
def test_what_is_outside_is_said_in_words_of_the_device(version: int, value: float) -> None:
    served = Served(version, DEVICES)
    name, fields = vibrate(value)[version]
    ((_, error),) = served.ask(name, Id=7, **fields)
    assert error["ErrorCode"] == 4
    assert error["ErrorMessage"] == f"Lovense Nora: Vibrate {value:g} is outside 0..1."
    assert taken(served) == []


ROTATE = {"DeviceIndex": 0, "Rotations": [{"Index": 0, "Speed": TINY, "Clockwise": False}]}
CYCLONE = {"DeviceIndex": 0, "Clockwise": True}
LAUNCH = {"DeviceIndex": 1, "Position": 99, "Speed": 50}


@pytest.mark.parametrize(
    ("version", "name", "fields", "reached"),
    [
        (1, "RotateCmd", ROTATE, ("Rotate", 0, None)),
        (3, "RotateCmd", ROTATE, ("Rotate", 0, None)),
        (0, "VorzeA10CycloneCmd", CYCLONE | {"Speed": 100.00000001}, ("Rotate", 20, None)),
        (0, "VorzeA10CycloneCmd", CYCLONE | {"Speed": TINY}, ("Rotate", 0, None)),
        (
            1,
            "FleshlightLaunchFW12Cmd",
            LAUNCH | {"Position": 98.99999999},
            ("HwPositionWithDuration", 100, launch_duration_ms(1, 50 / 99)),
        ),
    ],
)
def test_noise_in_other_messages(
    version: int, name: str, fields: dict[str, object], reached: tuple[str, int, int | None]
) -> None:
    served = Served(version, DEVICES)
    assert served.ask(name, Id=7, **fields) == [("Ok", {"Id": 7})]
    assert taken(served) == [reached]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_move_takes_fractional_milliseconds_and_noisy_places(version: int) -> None:
    served = Served(version, DEVICES)
    vector = {"Index": 0, "Duration": 16.7, "Position": FULL}
    reply = served.ask("LinearCmd", Id=7, DeviceIndex=1, Vectors=[vector])
    assert reply == [("Ok", {"Id": 7})]
    assert taken(served) == [("HwPositionWithDuration", 100, 17)]


def test_a_move_of_v4_takes_fractional_milliseconds() -> None:
    served = Served(4, DEVICES)
    move = {"HwPositionWithDuration": {"Value": 99.9999999, "Duration": 16.7}}
    reply = served.ask("OutputCmd", Id=7, DeviceIndex=1, FeatureIndex=0, Command=move)
    assert reply == [("Ok", {"Id": 7})]
    assert taken(served) == [("HwPositionWithDuration", 100, 17)]


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        (
            "LinearCmd",
            {"DeviceIndex": 1, "Vectors": [{"Index": 0, "Duration": -5, "Position": 0.5}]},
            "Stroker: Duration -5 is outside 0..5000.",
        ),
        (
            "LinearCmd",
            {"DeviceIndex": 1, "Vectors": [{"Index": 0, "Duration": 5, "Position": 1.5}]},
            "Stroker: HwPositionWithDuration 1.5 is outside 0..1.",
        ),
        (
            "RotateCmd",
            {"DeviceIndex": 0, "Rotations": [{"Index": 0, "Speed": -1, "Clockwise": True}]},
            "Lovense Nora: Rotate -1 is outside 0..1.",
        ),
        (
            "VorzeA10CycloneCmd",
            CYCLONE | {"Speed": 120},
            "Lovense Nora: Speed 120 is outside 0..100.",
        ),
        (
            "FleshlightLaunchFW12Cmd",
            LAUNCH | {"Position": 100},
            "Stroker: Position 100 is outside 0..99.",
        ),
        ("FleshlightLaunchFW12Cmd", LAUNCH | {"Speed": -1}, "Stroker: Speed -1 is outside 0..99."),
    ],
)
def test_every_old_range_is_refused_in_its_own_units(
    name: str, fields: dict[str, object], text: str
) -> None:
    served = Served(1, DEVICES)
    ((_, error),) = served.ask(name, Id=7, **fields)
    assert (error["ErrorCode"], error["ErrorMessage"]) == (4, text)
    assert taken(served) == []


@given(version=st.integers(0, 4), value=st.floats(-3e-6, 3e-6) | st.floats(1 - 3e-6, 1 + 3e-6))
def test_near_an_end_a_value_is_the_end_or_refused(version: int, value: float) -> None:
    served = Served(version, DEVICES)
    name, fields = vibrate(value)[version]
    ((reply, _),) = served.say(json.dumps([{name: {"Id": 7} | fields}]))
    if reply == "Ok":
        ((_, steps, _),) = taken(served)
        assert steps in (0, 1, 20)
    else:
        assert taken(served) == []
        # v4 counts in steps: there a part of one is nothing at all.
        assert version == 4 or not -NOISE <= value <= 1 + NOISE
