from __future__ import annotations

import json

import msgspec
import pytest

from forwarder.buttplug.legacy.features import SCALARS, Sensor, describe, feature_table
from forwarder.buttplug.messages import DeviceInfo, InputType, OutputType
from tests.forwarder.buttplug.devices import READ, SUBSCRIBE, device, nora, output, sensor

VIBRATE, ROTATE, POSITION = OutputType.VIBRATE, OutputType.ROTATE, OutputType.POSITION
LINEAR = OutputType.HW_POSITION_WITH_DURATION


def messages(info: DeviceInfo, version: int) -> object:
    described = json.loads(msgspec.json.encode(describe(info, feature_table(info), version)))
    return described["DeviceMessages"]


STOP: dict[str, object] = {"StopDeviceCmd": {}}


def test_noras_lists_are_those_of_the_reference() -> None:
    vibrator = {"FeatureDescriptor": "", "ActuatorType": "Vibrate", "StepCount": 20}
    rotator = {"FeatureDescriptor": "", "ActuatorType": "Rotate", "StepCount": 20}
    battery = {
        "FeatureDescriptor": "battery Level",
        "SensorType": "Battery",
        "SensorRange": [[0, 100]],
    }
    assert messages(nora(), 3) == STOP | {
        "ScalarCmd": [vibrator, rotator],
        "RotateCmd": [rotator],
        "SensorReadCmd": [battery],
    }
    features = {"FeatureCount": 1, "StepCount": [20]}
    assert messages(nora(), 2) == STOP | {
        "VibrateCmd": features,
        "RotateCmd": features,
        "BatteryLevelCmd": {},
    }
    count = {"FeatureCount": 1}
    assert messages(nora(), 1) == STOP | {
        "VibrateCmd": count,
        "RotateCmd": count,
        "SingleMotorVibrateCmd": {},
    }
    assert messages(nora(), 0) == ["SingleMotorVibrateCmd", "StopDeviceCmd"]


def test_only_v3_shows_gap_and_display_name() -> None:
    info = msgspec.structs.replace(nora(), device_display_name="Mine", device_message_timing_gap=75)
    shown = [
        json.loads(msgspec.json.encode(describe(info, feature_table(info), version)))
        for version in range(4)
    ]
    assert shown[3]["DeviceDisplayName"] == "Mine"
    assert shown[3]["DeviceMessageTimingGap"] == 75
    for older in shown[:3]:
        assert set(older) == {"DeviceIndex", "DeviceName", "DeviceMessages"}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_device_without_features_can_only_be_stopped(version: int) -> None:
    assert messages(device(0, "Bare", []), version) == STOP
    assert messages(device(0, "Bare", []), 0) == ["StopDeviceCmd"]


def test_outputs_of_one_feature_stand_in_the_order_of_the_reference() -> None:
    everything = output(0, *reversed(list(OutputType)))
    table = feature_table(device(0, "All", [everything]))
    assert tuple(item.type for item in table.scalars) == SCALARS
    assert [item.type for item in table.linears] == [LINEAR]


def test_features_stand_in_the_order_of_their_indexes() -> None:
    info = device(0, "D", [output(9, VIBRATE), output(2, VIBRATE), output(4, ROTATE)])
    table = feature_table(info)
    assert [item.feature_index for item in table.scalars] == [2, 4, 9]
    assert [item.feature_index for item in table.vibrators] == [2, 9]


def test_only_rotators_with_two_directions_are_in_rotate_cmd() -> None:
    info = device(0, "D", [output(0, ROTATE), output(1, ROTATE, low=-7, high=7)])
    table = feature_table(info)
    assert [item.feature_index for item in table.scalars] == [0, 1]
    assert [item.feature_index for item in table.rotators] == [1]


def test_output_without_steps_is_hidden_and_moves_no_index() -> None:
    info = device(0, "D", [output(0, VIBRATE, high=0), output(1, VIBRATE), output(2)])
    assert messages(info, 2) == STOP | {"VibrateCmd": {"FeatureCount": 1, "StepCount": [20]}}


def test_sensors_are_listed_by_what_they_can_do() -> None:
    info = device(
        0,
        "Kegel",
        [
            sensor(0, InputType.BATTERY, READ),
            sensor(1, InputType.PRESSURE, SUBSCRIBE),
            sensor(2, InputType.RSSI, READ, SUBSCRIBE, low=-128, high=0),
        ],
    )
    table = feature_table(info)
    assert [item.type for item in table.readable] == [InputType.BATTERY, InputType.RSSI]
    assert [item.type for item in table.subscribable] == [InputType.PRESSURE, InputType.RSSI]
    v2 = messages(info, 2)
    assert v2 == STOP | {"BatteryLevelCmd": {}, "RSSILevelCmd": {}}


@pytest.mark.parametrize(
    ("low", "high", "value", "shown", "data", "fraction"),
    [
        (0, 100, 87, (0, 100), 87, 0.87),
        (0, 255, 255, (0, 255), 255, 1.0),
        (0, 100, 300, (0, 100), 255, 1.0),
        (0, 100, -1, (0, 100), 0, 0.0),
        (-128, 0, -128, (0, 255), 0, 0.0),
        (-128, 0, -64, (0, 255), 128, 0.5),
        (0, 65535, 65535, (0, 255), 255, 1.0),
        (0, 0, 5, (0, 0), 5, 1.0),
        (7, 7, 7, (7, 7), 7, 0.0),
    ],
)
def test_readings_fit_the_bytes_that_v3_allows(
    low: int, high: int, value: int, shown: tuple[int, int], data: int, fraction: float
) -> None:
    found = Sensor(0, InputType.PRESSURE, "", low, high)
    assert found.range_v3 == shown
    assert found.data_v3(value) == data
    assert found.fraction(value) == fraction
