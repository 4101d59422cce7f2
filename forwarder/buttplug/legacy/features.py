"""The one table of what a device can do, in the order that gives old versions their indexes.

Both the lists that a client sees and the commands that it sends go through this table, so an
index always means what the list said. It is built from what v4 shows, hence without outputs that
the user disabled; outputs that have no step to offer are left out, as StepCount must be 1 or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET, UnsetType

from forwarder.buttplug.legacy.messages import (
    ActuatorV3,
    DeviceMessagesV1,
    DeviceMessagesV2,
    DeviceMessagesV3,
    DeviceV0,
    DeviceV1,
    DeviceV2,
    DeviceV3,
    Empty,
    FeaturesV1,
    FeaturesV2,
    OldDevice,
    SensorV3,
)
from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    InputCommand,
    InputType,
    OutputRange,
    OutputType,
)

# Within one feature, ScalarCmd lists its outputs in this order.
SCALARS: Final = (
    OutputType.CONSTRICT,
    OutputType.TEMPERATURE,
    OutputType.LED,
    OutputType.OSCILLATE,
    OutputType.POSITION,
    OutputType.ROTATE,
    OutputType.SPRAY,
    OutputType.VIBRATE,
)
_TOP_BYTE: Final = 255  # the schema lets SensorReading carry bytes only


@dataclass(frozen=True, slots=True)
class Actuator:
    """One output. `steps`: its highest step; `duration_ms`: lowest and highest, if it takes one."""

    feature_index: int
    type: OutputType
    description: str
    steps: int
    duration_ms: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Sensor:
    """One input. `low`, `high`: of the values that the device gives."""

    feature_index: int
    type: InputType
    description: str
    low: int
    high: int

    @property
    def fits_bytes(self) -> bool:
        return 0 <= self.low <= self.high <= _TOP_BYTE

    @property
    def range_v3(self) -> tuple[int, int]:
        return (self.low, self.high) if self.fits_bytes else (0, _TOP_BYTE)

    def data_v3(self, value: int) -> int:
        """`value` as the advertised range has it: bytes as they are, anything else scaled."""
        if self.fits_bytes:
            return min(max(value, 0), _TOP_BYTE)
        return round(self.fraction(value) * _TOP_BYTE)

    def fraction(self, value: int) -> float:
        """Where `value` stands between low and high, 0..1."""
        width = max(self.high - self.low, 1)
        return min(max((value - self.low) / width, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Position in a list = index on the wire."""

    scalars: tuple[Actuator, ...]
    vibrators: tuple[Actuator, ...]
    rotators: tuple[Actuator, ...]
    linears: tuple[Actuator, ...]
    readable: tuple[Sensor, ...]
    subscribable: tuple[Sensor, ...]


def feature_table(device: DeviceInfo) -> FeatureTable:
    scalars: list[Actuator] = []
    rotators: list[Actuator] = []
    linears: list[Actuator] = []
    readable: list[Sensor] = []
    subscribable: list[Sensor] = []
    for _, feature in sorted(device.device_features.items()):
        outputs = {} if feature.output is UNSET else feature.output
        for type in SCALARS:
            if (actuator := _actuator(feature, type, outputs.get(type))) is not None:
                scalars.append(actuator)
                if type is OutputType.ROTATE and outputs[type].value[0] < 0:
                    rotators.append(actuator)
        timed = OutputType.HW_POSITION_WITH_DURATION
        if (actuator := _actuator(feature, timed, outputs.get(timed))) is not None:
            linears.append(actuator)
        inputs = {} if feature.input is UNSET else feature.input
        for kind, shown in inputs.items():
            low, high = shown.value[0] if shown.value else (0, _TOP_BYTE)
            sensor = Sensor(feature.feature_index, kind, feature.feature_description, low, high)
            if InputCommand.READ in shown.command:
                readable.append(sensor)
            if InputCommand.SUBSCRIBE in shown.command:
                subscribable.append(sensor)
    return FeatureTable(
        scalars=tuple(scalars),
        vibrators=tuple(item for item in scalars if item.type is OutputType.VIBRATE),
        rotators=tuple(rotators),
        linears=tuple(linears),
        readable=tuple(readable),
        subscribable=tuple(subscribable),
    )


def _actuator(
    feature: DeviceFeature, type: OutputType, range: OutputRange | None
) -> Actuator | None:
    if range is None or range.value[1] < 1:
        return None
    duration = None if range.duration is UNSET else range.duration
    index, description = feature.feature_index, feature.feature_description
    return Actuator(index, type, description, range.value[1], duration)


# --- device descriptions -------------------------------------------------------------------------


def describe(device: DeviceInfo, table: FeatureTable, version: int) -> OldDevice:
    """The entry of a DeviceList in spec `version`, 0..3."""
    index, name = device.device_index, device.device_name
    if version == 0:
        return DeviceV0(device_index=index, device_name=name, device_messages=_names_v0(table))
    if version == 1:
        return DeviceV1(device_index=index, device_name=name, device_messages=_messages_v1(table))
    if version == 2:
        return DeviceV2(device_index=index, device_name=name, device_messages=_messages_v2(table))
    return DeviceV3(
        device_index=index,
        device_name=name,
        device_messages=_messages_v3(table),
        device_message_timing_gap=device.device_message_timing_gap,
        device_display_name=device.device_display_name,
    )


def _messages_v3(table: FeatureTable) -> DeviceMessagesV3:
    return DeviceMessagesV3(
        scalar_cmd=_actuators_v3(table.scalars),
        rotate_cmd=_actuators_v3(table.rotators),
        linear_cmd=_actuators_v3(table.linears),
        sensor_read_cmd=_sensors_v3(table.readable),
        sensor_subscribe_cmd=_sensors_v3(table.subscribable),
        stop_device_cmd=Empty(),
    )


def _actuators_v3(actuators: tuple[Actuator, ...]) -> tuple[ActuatorV3, ...]:
    return tuple(
        ActuatorV3(
            feature_descriptor=item.description,
            actuator_type="Position" if item.type.is_position else item.type.value,
            step_count=item.steps,
        )
        for item in actuators
    )


def _sensors_v3(sensors: tuple[Sensor, ...]) -> tuple[SensorV3, ...]:
    return tuple(
        SensorV3(
            feature_descriptor=item.description,
            sensor_type=item.type.value,
            sensor_range=(item.range_v3,),
        )
        for item in sensors
    )


def _messages_v2(table: FeatureTable) -> DeviceMessagesV2:
    kinds = {sensor.type for sensor in table.readable}
    return DeviceMessagesV2(
        vibrate_cmd=_features_v2(table.vibrators),
        rotate_cmd=_features_v2(table.rotators),
        linear_cmd=_features_v2(table.linears),
        battery_level_cmd=Empty() if InputType.BATTERY in kinds else UNSET,
        rssi_level_cmd=Empty() if InputType.RSSI in kinds else UNSET,
        stop_device_cmd=Empty(),
    )


def _features_v2(actuators: tuple[Actuator, ...]) -> FeaturesV2 | UnsetType:
    if not actuators:
        return UNSET
    steps = tuple(item.steps for item in actuators)
    return FeaturesV2(feature_count=len(steps), step_count=steps)


def _messages_v1(table: FeatureTable) -> DeviceMessagesV1:
    return DeviceMessagesV1(
        vibrate_cmd=_features_v1(table.vibrators),
        rotate_cmd=_features_v1(table.rotators),
        linear_cmd=_features_v1(table.linears),
        single_motor_vibrate_cmd=Empty() if table.vibrators else UNSET,
        stop_device_cmd=Empty(),
    )


def _features_v1(actuators: tuple[Actuator, ...]) -> FeaturesV1 | UnsetType:
    return FeaturesV1(feature_count=len(actuators)) if actuators else UNSET


def _names_v0(table: FeatureTable) -> tuple[str, ...]:
    names = {"StopDeviceCmd"}
    if table.vibrators:
        names.add("SingleMotorVibrateCmd")
    return tuple(sorted(names))
