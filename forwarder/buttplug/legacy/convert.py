"""Commands of spec v0..v3 → v4 commands; pure. A message converts as a whole or not at all.

Fractions become steps exactly as in the reference server: ceil for what has a resting value 0 and
for Position, truncation for timed positions, and no tolerance at the upper side (0.07 of 100 steps
is 8, because that is what ceil makes of the nearest double). Only the ends of a range have one:
what misses them by float noise is meant to be there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from forwarder.buttplug.legacy.features import Actuator, FeatureTable, Sensor
from forwarder.buttplug.legacy.messages import (
    BatteryLevelCmd,
    Command,
    FleshlightLaunchFW12Cmd,
    LinearCmd,
    RotateCmd,
    RSSILevelCmd,
    Scalar,
    ScalarCmd,
    SensorCmd,
    SensorReadCmd,
    SingleMotorVibrateCmd,
    Vector,
    VibrateCmd,
    VorzeA10CycloneCmd,
)
from forwarder.buttplug.messages import MAX_U32, InputType, OutputCmd, OutputType, OutputValue
from forwarder.buttplug.noise import NOISE, clamped
from forwarder.errors import OutOfRange, Unsupported

# Speed of a Fleshlight Launch by time, as measured by those who first drove it and kept ever
# since in FleshlightHelper (buttplug-js, -csharp) and fleshlight_launch_helper.rs: to go 90 % of
# the way in t ms takes the speed 250 * t**-1.05, where 1.0 is the highest. Solved for t here.
_LAUNCH_SCALE: Final = 250.0
_LAUNCH_EXPONENT: Final = -1.05
_LAUNCH_STROKE: Final = 0.9
_LAUNCH_TOP: Final = 99  # highest Position and Speed of the message


def steps_of(fraction: float, steps: int) -> int:
    """A fraction 0..1 of an output that rests at 0, in steps; more than nothing is at least 1."""
    return 0 if fraction < NOISE else math.ceil(fraction * steps)


def place_of(fraction: float, steps: int) -> int:
    """A fraction 0..1 of a Position output, in steps."""
    return math.ceil(fraction * steps)


def timed_place_of(fraction: float, steps: int) -> int:
    """A fraction 0..1 of a HwPositionWithDuration output, in steps."""
    return math.trunc(fraction * steps)


def launch_duration_ms(distance: float, speed: float) -> int:
    """Time for `distance` (0..1 of the way) at `speed` (0..1); 0 counts as the slowest speed."""
    speed = max(speed, 1 / _LAUNCH_TOP)
    full_stroke: float = (speed / _LAUNCH_SCALE) ** (1 / _LAUNCH_EXPONENT)
    return round(full_stroke * distance / _LAUNCH_STROKE)


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """The device of a command, as the client was shown it."""

    name: str
    table: FeatureTable
    launch_position: int = 0
    """Where the last FleshlightLaunchFW12Cmd of this client went, 0..99."""


@dataclass(frozen=True, slots=True)
class _ConvertedPart:
    actuator: Actuator
    value: OutputValue


def output_commands(message: Command, target: ShownDevice) -> tuple[OutputCmd, ...]:
    """The v4 form of a command to outputs, in order of feature index.

    Raises Unsupported or OutOfRange if any part of it does not fit the device.
    """
    # Sorting is stable: of two values for one output the later one stays the later one.
    parts = sorted(_parts(message, target), key=lambda part: part.actuator.feature_index)
    return tuple(
        OutputCmd(
            id=message.id,
            device_index=message.device_index,
            feature_index=part.actuator.feature_index,
            command={part.actuator.type: part.value},
        )
        for part in parts
    )


def _parts(message: Command, target: ShownDevice) -> list[_ConvertedPart]:
    table = target.table
    match message:
        case SingleMotorVibrateCmd(speed=speed):
            return [
                _step(item, steps_of(_fraction(target, item, speed), item.steps))
                for item in _all(target, table.vibrators, "vibrator")
            ]
        case VibrateCmd(speeds=speeds):
            return [
                _step(item, steps_of(_fraction(target, item, part.speed), item.steps))
                for part in speeds
                for item in _at(target, table.vibrators, part.index, "vibrator")
            ]
        case ScalarCmd(scalars=scalars):
            return [_scalar(target, part) for part in scalars]
        case RotateCmd(rotations=rotations):
            return [
                _turn(item, _fraction(target, item, part.speed), part.clockwise)
                for part in rotations
                for item in _at(target, table.rotators, part.index, "rotator with two directions")
            ]
        case LinearCmd(vectors=vectors):
            return [
                _timed(target, item, part)
                for part in vectors
                for item in _at(target, table.linears, part.index, "linear actuator")
            ]
        case VorzeA10CycloneCmd(speed=percent, clockwise=clockwise):
            speed = _in_range(target, "Speed", percent, 0, 100) / 100
            return [
                _turn(item, speed, clockwise)
                for item in _all(target, table.rotators, "rotator with two directions")
            ]
        case FleshlightLaunchFW12Cmd(position=position, speed=speed):
            for what, value in (("Position", position), ("Speed", speed)):
                _in_range(target, what, value, 0, _LAUNCH_TOP)
            distance = abs(position - target.launch_position) / _LAUNCH_TOP
            duration = launch_duration_ms(distance, speed / _LAUNCH_TOP)
            return [
                _move(item, position * item.steps // _LAUNCH_TOP, duration)
                for item in _all(target, table.linears, "linear actuator")
            ]
    raise AssertionError(f"no output command: {type(message).__name__}")


def _all(target: ShownDevice, actuators: tuple[Actuator, ...], what: str) -> tuple[Actuator, ...]:
    if not actuators:
        raise Unsupported(f"{target.name} has no {what}.")
    return actuators


def _at(
    target: ShownDevice, actuators: tuple[Actuator, ...], index: int, what: str
) -> tuple[Actuator, ...]:
    """The one at `index`, as a tuple."""
    if index >= len(_all(target, actuators, what)):
        raise Unsupported(f"{target.name} has no {what} with index {index}.")
    return (actuators[index],)


def _scalar(target: ShownDevice, part: Scalar) -> _ConvertedPart:
    (listed,) = _at(target, target.table.scalars, part.index, "scalar actuator")
    # The reference goes by the type that the client names; the feature need only have it too.
    for item in target.table.scalars:
        if (item.feature_index, item.type) == (listed.feature_index, part.actuator_type):
            break
    else:
        raise Unsupported(
            f"{target.name}: scalar actuator {part.index} is {listed.type}, "
            f"not {part.actuator_type}."
        )
    convert = place_of if item.type is OutputType.POSITION else steps_of
    return _step(item, convert(_fraction(target, item, part.scalar), item.steps))


def _fraction(target: ShownDevice, actuator: Actuator, value: float) -> float:
    return _in_range(target, actuator.type, value, 0, 1)


def _in_range(target: ShownDevice, what: str, value: float, low: float, high: float) -> float:
    """`value`, without float noise beyond its ends. Raises OutOfRange."""
    inside = clamped(value, low, high)
    if inside is None:
        raise OutOfRange(target.name, what, value, low, high)
    return inside


def _timed(target: ShownDevice, actuator: Actuator, part: Vector) -> _ConvertedPart:
    if part.duration < 0:
        _, high = actuator.duration_ms or (0, MAX_U32)
        raise OutOfRange(target.name, "Duration", part.duration, 0, high)
    place = timed_place_of(_fraction(target, actuator, part.position), actuator.steps)
    return _move(actuator, place, part.duration)


def _step(actuator: Actuator, value: int) -> _ConvertedPart:
    return _ConvertedPart(actuator, OutputValue(value=value))


def _turn(actuator: Actuator, speed: float, clockwise: bool) -> _ConvertedPart:
    steps = steps_of(speed, actuator.steps)
    return _step(actuator, steps if clockwise else -steps)


def _move(actuator: Actuator, value: int, duration_ms: int) -> _ConvertedPart:
    # Old versions do not show the limits of durations, so the client cannot have kept them.
    low, high = actuator.duration_ms or (0, MAX_U32)
    duration = min(max(duration_ms, low), high)
    return _ConvertedPart(actuator, OutputValue(value=value, duration=duration))


# --- inputs --------------------------------------------------------------------------------------


def sensor_of(message: Command, target: ShownDevice) -> Sensor:
    """The input that a command of v2 or v3 means. Raises Unsupported if there is none."""
    match message:
        case BatteryLevelCmd():
            return _sensor(target, target.table.readable, InputType.BATTERY, 0)
        case RSSILevelCmd():
            return _sensor(target, target.table.readable, InputType.RSSI, 0)
        case SensorReadCmd(sensor_type=kind, sensor_index=index):
            return _sensor(target, target.table.readable, kind, index)
        case SensorCmd(sensor_type=kind, sensor_index=index):
            return _sensor(target, target.table.subscribable, kind, index)
    raise AssertionError(f"no input command: {type(message).__name__}")


def _sensor(
    target: ShownDevice, sensors: tuple[Sensor, ...], kind: InputType, index: int
) -> Sensor:
    """The one at `index` if it is of that kind, else the first of that kind.

    The reference looks for the kind alone, so clients get away with a wrong index.
    """
    if index < len(sensors) and sensors[index].type is kind:
        return sensors[index]
    for sensor in sensors:
        if sensor.type is kind:
            return sensor
    raise Unsupported(f"{target.name} has no {kind} sensor that can do this.")
