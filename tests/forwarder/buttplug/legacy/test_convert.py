from __future__ import annotations

import math

import pytest

from forwarder.buttplug.legacy.convert import (
    ShownDevice,
    launch_duration_ms,
    output_commands,
    place_of,
    sensor_of,
    steps_of,
    timed_place_of,
)
from forwarder.buttplug.legacy.features import feature_table
from forwarder.buttplug.legacy.messages import (
    BatteryLevelCmd,
    Command,
    FleshlightLaunchFW12Cmd,
    LinearCmd,
    RotateCmd,
    Rotation,
    RSSILevelCmd,
    Scalar,
    ScalarCmd,
    SensorReadCmd,
    SensorSubscribeCmd,
    SingleMotorVibrateCmd,
    Speed,
    Vector,
    VibrateCmd,
    VorzeA10CycloneCmd,
)
from forwarder.buttplug.messages import DeviceFeature, InputType, OutputType
from forwarder.errors import OutOfRange, Unsupported
from tests.forwarder.buttplug.devices import SUBSCRIBE, device, output, sensor

VIBRATE, ROTATE, POSITION = OutputType.VIBRATE, OutputType.ROTATE, OutputType.POSITION
LINEAR, CONSTRICT = OutputType.HW_POSITION_WITH_DURATION, OutputType.CONSTRICT


def target(*features: DeviceFeature, launch_position: int = 0) -> ShownDevice:
    return ShownDevice("Toy", feature_table(device(0, "Toy", features)), launch_position)


Converted = tuple[int, str, int] | tuple[int, str, int, int]


def converted(message: Command, to: ShownDevice) -> list[Converted]:
    """(feature, type, value[, duration]) of each command."""
    found: list[Converted] = []
    for command in output_commands(message, to):
        assert (command.id, command.device_index) == (message.id, message.device_index)
        ((kind, value),) = command.command.items()
        if isinstance(value.duration, int):
            found.append((command.feature_index, kind.value, value.value, value.duration))
        else:
            found.append((command.feature_index, kind.value, value.value))
    return found


def vibrate(*speeds: tuple[int, float]) -> VibrateCmd:
    parts = tuple(Speed(index=index, speed=speed) for index, speed in speeds)
    return VibrateCmd(id=1, device_index=0, speeds=parts)


def scalar(*scalars: tuple[int, float, OutputType]) -> ScalarCmd:
    parts = tuple(Scalar(index=i, scalar=x, actuator_type=kind) for i, x, kind in scalars)
    return ScalarCmd(id=1, device_index=0, scalars=parts)


def rotate(*turns: tuple[int, float, bool]) -> RotateCmd:
    parts = tuple(Rotation(index=i, speed=x, clockwise=c) for i, x, c in turns)
    return RotateCmd(id=1, device_index=0, rotations=parts)


def linear(*moves: tuple[int, int, float]) -> LinearCmd:
    parts = tuple(Vector(index=i, duration=ms, position=x) for i, ms, x in moves)
    return LinearCmd(id=1, device_index=0, vectors=parts)


# --- rounding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fraction", "steps", "resting", "position", "timed"),
    [
        (0.0, 20, 0, 0, 0),
        (9.9e-7, 20, 0, 1, 0),
        (1e-6, 20, 1, 1, 0),
        (0.05, 20, 1, 1, 1),
        (0.0501, 20, 2, 2, 1),
        (0.5, 20, 10, 10, 10),
        (0.5, 1, 1, 1, 0),
        (0.07, 100, 8, 8, 7),  # 0.07 * 100 is a little more than 7 in doubles
        (0.29, 100, 29, 29, 28),  # and 0.29 * 100 a little less than 29
        (0.999, 20, 20, 20, 19),
        (1.0, 20, 20, 20, 20),
        (1.0, 99, 99, 99, 99),
    ],
)
def test_fractions_round_as_in_the_reference(
    fraction: float, steps: int, resting: int, position: int, timed: int
) -> None:
    assert steps_of(fraction, steps) == resting
    assert place_of(fraction, steps) == position
    assert timed_place_of(fraction, steps) == timed


# --- outputs -------------------------------------------------------------------------------------


def test_single_motor_drives_every_vibrator() -> None:
    to = target(output(0, VIBRATE), output(1, ROTATE), output(2, VIBRATE, high=10))
    message = SingleMotorVibrateCmd(id=1, device_index=0, speed=0.5)
    assert converted(message, to) == [(0, "Vibrate", 10), (2, "Vibrate", 5)]


def test_vibrate_index_counts_vibrators_only_and_commands_come_in_feature_order() -> None:
    to = target(output(0, ROTATE), output(3, VIBRATE), output(5, VIBRATE))
    message = vibrate((1, 1.0), (0, 0.1))
    assert converted(message, to) == [(3, "Vibrate", 2), (5, "Vibrate", 20)]


def test_of_two_values_for_one_motor_the_later_one_comes_last() -> None:
    to = target(output(0, VIBRATE))
    assert converted(vibrate((0, 1.0), (0, 0.0)), to) == [(0, "Vibrate", 20), (0, "Vibrate", 0)]


def test_scalar_drives_the_type_that_the_client_names() -> None:
    to = target(output(0, VIBRATE, CONSTRICT), output(1, POSITION, high=99))
    assert converted(scalar((0, 0.5, CONSTRICT)), to) == [(0, "Constrict", 10)]
    assert converted(scalar((0, 0.5, VIBRATE)), to) == [(0, "Vibrate", 10)]
    assert converted(scalar((2, 0.01, POSITION)), to) == [(1, "Position", 1)]


def test_scalar_position_has_no_resting_value() -> None:
    assert converted(scalar((0, 1e-9, POSITION)), target(output(0, POSITION))) == [
        (0, "Position", 1)
    ]


def test_direction_becomes_the_sign() -> None:
    to = target(output(0, ROTATE), output(1, ROTATE, low=-20), output(2, ROTATE, low=-5, high=5))
    message = rotate((0, 0.31, True), (1, 0.31, False))
    assert converted(message, to) == [(1, "Rotate", 7), (2, "Rotate", -2)]


def test_linear_goes_to_its_own_feature_within_the_durations_limits() -> None:
    to = target(output(1, LINEAR, high=100), output(4, LINEAR, high=10))
    message = linear((1, 500, 0.99), (0, 99_999, 0.25))
    assert converted(message, to) == [
        (1, "HwPositionWithDuration", 25, 5000),
        (4, "HwPositionWithDuration", 9, 500),
    ]


def test_linear_without_vectors_is_no_command() -> None:
    assert converted(linear(), target()) == []


@pytest.mark.parametrize(
    ("message", "to"),
    [
        (SingleMotorVibrateCmd(id=1, device_index=0, speed=0), target(output(0, ROTATE))),
        (vibrate((0, 0.5)), target()),
        (vibrate((1, 0.5)), target(output(0, VIBRATE))),
        (vibrate((0, 0.5), (1, 0.5)), target(output(0, VIBRATE))),
        (vibrate((4294967295, 0.5)), target(output(0, VIBRATE))),
        (scalar((0, 0.5, VIBRATE)), target()),
        (scalar((1, 0.5, VIBRATE)), target(output(0, VIBRATE))),
        (scalar((0, 0.5, CONSTRICT)), target(output(0, VIBRATE))),
        (scalar((0, 0.5, LINEAR)), target(output(0, VIBRATE, LINEAR))),
        (rotate((0, 0.5, True)), target(output(0, ROTATE))),
        (rotate((1, 0.5, True)), target(output(0, ROTATE, low=-20))),
        (linear((0, 9, 0.5)), target(output(0, POSITION))),
        (linear((1, 9, 0.5)), target(output(0, LINEAR))),
        (
            VorzeA10CycloneCmd(id=1, device_index=0, speed=5, clockwise=True),
            target(output(0, ROTATE)),
        ),
        (FleshlightLaunchFW12Cmd(id=1, device_index=0, speed=5, position=5), target()),
    ],
)
def test_what_the_device_cannot_do_is_refused_as_a_whole(message: Command, to: ShownDevice) -> None:
    with pytest.raises(Unsupported, match="Toy"):
        output_commands(message, to)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf, -math.inf])
def test_scalar_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(OutOfRange, match="Toy: Vibrate"):
        output_commands(scalar((0, value, VIBRATE)), target(output(0, VIBRATE)))


# --- one vendor's messages -----------------------------------------------------------------------


@pytest.mark.parametrize(("clockwise", "value"), [(True, 10), (False, -10)])
def test_vorze_turns_every_rotator(clockwise: bool, value: int) -> None:
    to = target(output(0, ROTATE, low=-20), output(1, ROTATE, low=-100, high=100))
    message = VorzeA10CycloneCmd(id=1, device_index=0, speed=50, clockwise=clockwise)
    assert converted(message, to) == [(0, "Rotate", value), (1, "Rotate", 5 * value)]


def _launch_speed(distance: float, duration_ms: float) -> float:
    """The other direction, as the drivers of such toys compute it; speed in 0..1."""
    speed: float = 250.0 * (duration_ms * 90 / (distance * 100)) ** -1.05
    return speed


@pytest.mark.parametrize("speed", [5, 20, 50, 80, 99])
@pytest.mark.parametrize("distance", [10, 50, 99])
def test_launch_speed_survives_the_way_through_a_duration(speed: int, distance: int) -> None:
    duration = launch_duration_ms(distance / 99, speed / 99)
    assert _launch_speed(distance / 99, duration) * 99 == pytest.approx(speed, rel=0.03)  # whole ms


def test_launch_at_speed_0_is_slow_not_endless() -> None:
    assert launch_duration_ms(1.0, 0.0) == launch_duration_ms(1.0, 1 / 99) < 30_000


def test_launch_moves_from_where_it_was() -> None:
    to = target(output(0, LINEAR, high=99), launch_position=10)
    message = FleshlightLaunchFW12Cmd(id=1, device_index=0, speed=50, position=60)
    ((feature, kind, position, duration),) = converted(message, to)  # type: ignore[misc]
    assert (feature, kind, position) == (0, "HwPositionWithDuration", 60)
    assert duration == launch_duration_ms(50 / 99, 50 / 99)


# --- inputs --------------------------------------------------------------------------------------

SENSORS = target(
    sensor(1),
    sensor(2, InputType.PRESSURE, SUBSCRIBE),
    sensor(3),
    sensor(4, InputType.PRESSURE, SUBSCRIBE),
)


def test_v2_battery_is_the_first_one() -> None:
    assert sensor_of(BatteryLevelCmd(id=1, device_index=0), SENSORS).feature_index == 1


@pytest.mark.parametrize(("index", "feature"), [(0, 1), (1, 3), (7, 1)])
def test_sensor_index_counts_if_it_fits(index: int, feature: int) -> None:
    message = SensorReadCmd(id=1, device_index=0, sensor_index=index, sensor_type=InputType.BATTERY)
    assert sensor_of(message, SENSORS).feature_index == feature


@pytest.mark.parametrize(("index", "feature"), [(0, 2), (1, 4)])
def test_subscribing_has_indexes_of_its_own(index: int, feature: int) -> None:
    message = SensorSubscribeCmd(
        id=1, device_index=0, sensor_index=index, sensor_type=InputType.PRESSURE
    )
    assert sensor_of(message, SENSORS).feature_index == feature


@pytest.mark.parametrize(
    "message",
    [
        RSSILevelCmd(id=1, device_index=0),
        SensorReadCmd(id=1, device_index=0, sensor_index=0, sensor_type=InputType.PRESSURE),
        SensorSubscribeCmd(id=1, device_index=0, sensor_index=0, sensor_type=InputType.BATTERY),
    ],
)
def test_sensor_that_is_not_there_is_refused(message: Command) -> None:
    with pytest.raises(Unsupported, match="Toy"):
        sensor_of(message, SENSORS)
