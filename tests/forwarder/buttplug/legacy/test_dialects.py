"""Sessions of v0..v3, from the wire: which message does what, lists that change, readings."""

from __future__ import annotations

import msgspec
import pytest

from forwarder.buttplug.legacy.dialects import dialect
from forwarder.buttplug.messages import (
    Error,
    InputCmd,
    InputCommand,
    InputType,
    OutputCmd,
    OutputType,
    OutputValue,
    StopCmd,
)
from forwarder.buttplug.server import ClientRequest
from forwarder.errors import Denied
from tests.forwarder.buttplug.devices import (
    READ,
    SUBSCRIBE,
    device,
    nora,
    output,
    sensor,
    sent,
)
from tests.forwarder.buttplug.harness import Served, frame

LINEAR = OutputType.HW_POSITION_WITH_DURATION
STROKER = device(1, "Stroker", [output(0, LINEAR, high=99)])
KEGEL = device(
    2,
    "Kegel",
    [sensor(0), sensor(1, InputType.PRESSURE, READ, SUBSCRIBE, high=1000)],
)
ALL = {0: nora(), 1: STROKER, 2: KEGEL}

VIBRATE = {"DeviceIndex": 0, "Speeds": [{"Index": 0, "Speed": 0.5}]}
SCALAR = {"DeviceIndex": 0, "Scalars": [{"Index": 0, "Scalar": 0.5, "ActuatorType": "Vibrate"}]}
ROTATE = {"DeviceIndex": 0, "Rotations": [{"Index": 0, "Speed": 0.5, "Clockwise": False}]}
VECTORS = {"DeviceIndex": 1, "Vectors": [{"Index": 0, "Duration": 500, "Position": 0.8}]}
SENSOR = {"DeviceIndex": 0, "SensorIndex": 0, "SensorType": "Battery"}
PRESSURE = {"DeviceIndex": 2, "SensorIndex": 0, "SensorType": "Pressure"}
RAW = {"DeviceIndex": 0, "Endpoint": "tx"}

# Message, fields, and what it is answered with in v0, v1, v2, v3, v4: a name or an error code.
TABLE: list[tuple[str, dict[str, object], list[str | int]]] = [
    ("Ping", {}, ["Ok", "Ok", "Ok", "Ok", "Ok"]),
    ("StartScanning", {}, ["Ok", "Ok", "Ok", "Ok", "Ok"]),
    ("StopScanning", {}, ["Ok", "Ok", "Ok", "Ok", "Ok"]),
    ("RequestDeviceList", {}, ["DeviceList"] * 5),
    ("StopDeviceCmd", {"DeviceIndex": 0}, ["Ok"] * 5),
    ("StopAllDevices", {}, ["Ok"] * 5),
    ("StopCmd", {}, ["Ok"] * 5),
    ("Disconnect", {}, [3, 3, 3, 3, "Ok"]),
    ("SingleMotorVibrateCmd", {"DeviceIndex": 0, "Speed": 1}, ["Ok", "Ok", 3, 3, 3]),
    (
        "FleshlightLaunchFW12Cmd",
        {"DeviceIndex": 1, "Position": 99, "Speed": 50},
        ["Ok", "Ok", 3, 3, 3],
    ),
    (
        "VorzeA10CycloneCmd",
        {"DeviceIndex": 0, "Speed": 100, "Clockwise": True},
        ["Ok", "Ok", 3, 3, 3],
    ),
    ("KiirooCmd", {"DeviceIndex": 0, "Command": "4"}, [3, 3, 3, 3, 3]),
    ("LovenseCmd", {"DeviceIndex": 0, "Command": "Vibrate:20;"}, [3, 3, 3, 3, 3]),
    ("Test", {"TestString": "x"}, ["Test", "Test", 3, 3, 3]),
    ("Test", {"TestString": "Error"}, [3, 3, 3, 3, 3]),
    ("RequestLog", {"LogLevel": "Trace"}, ["Ok", "Ok", "Ok", 3, 3]),
    ("RequestLog", {"LogLevel": "Loud"}, [3, 3, 3, 3, 3]),
    ("RawCmd", {}, [3, 3, 3, 3, 3]),
    ("VibrateCmd", VIBRATE, [3, "Ok", "Ok", "Ok", 3]),
    ("LinearCmd", VECTORS, [3, "Ok", "Ok", "Ok", 3]),
    ("RotateCmd", ROTATE, [3, "Ok", "Ok", "Ok", 3]),
    ("BatteryLevelCmd", {"DeviceIndex": 0}, [3, 3, "BatteryLevelReading", 3, 3]),
    ("RSSILevelCmd", {"DeviceIndex": 0}, [3, 3, 4, 3, 3]),
    ("RawWriteCmd", RAW | {"Data": [1], "WriteWithResponse": False}, [3, 3, 3, 3, 3]),
    ("RawReadCmd", RAW | {"Length": 1, "WaitForData": False}, [3, 3, 3, 3, 3]),
    ("RawSubscribeCmd", RAW, [3, 3, 3, 3, 3]),
    ("RawUnsubscribeCmd", RAW, [3, 3, 3, 3, 3]),
    ("ScalarCmd", SCALAR, [3, 3, 3, "Ok", 3]),
    ("SensorReadCmd", SENSOR, [3, 3, 3, "SensorReading", 3]),
    ("SensorSubscribeCmd", PRESSURE, [3, 3, 3, "Ok", 3]),
    ("SensorUnsubscribeCmd", PRESSURE, [3, 3, 3, "Ok", 3]),
    ("SensorSubscribeCmd", SENSOR, [3, 3, 3, 4, 3]),
    ("OutputCmd", {}, [3, 3, 3, 3, 3]),
    ("InputCmd", {}, [3, 3, 3, 3, 3]),
]


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(("name", "fields", "expected"), TABLE)
def test_every_message_in_every_version(
    name: str, fields: dict[str, object], expected: list[str | int], version: int
) -> None:
    served = Served(version, ALL)
    ((reply, body),) = served.ask(name, Id=7, **fields)
    assert body["Id"] == 7
    assert (body["ErrorCode"] if reply == "Error" else reply) == expected[version]
    assert served.ask("Ping", Id=8) == [("Ok", {"Id": 8})] or name == "Disconnect"


@pytest.mark.parametrize(
    ("version", "name", "fields", "commands"),
    [
        (0, "StopAllDevices", {}, [StopCmd(id=7)]),
        (3, "StopDeviceCmd", {"DeviceIndex": 5}, [StopCmd(id=7, device_index=5)]),
        (
            1,
            "LinearCmd",
            VECTORS,
            [
                OutputCmd(
                    id=7,
                    device_index=1,
                    feature_index=0,
                    command={LINEAR: OutputValue(value=79, duration=500)},
                )
            ],
        ),
        (
            2,
            "BatteryLevelCmd",
            {"DeviceIndex": 0},
            [
                InputCmd(
                    id=7,
                    device_index=0,
                    feature_index=2,
                    type=InputType.BATTERY,
                    command=InputCommand.READ,
                )
            ],
        ),
        (
            3,
            "SensorSubscribeCmd",
            PRESSURE,
            [
                InputCmd(
                    id=7,
                    device_index=2,
                    feature_index=1,
                    type=InputType.PRESSURE,
                    command=InputCommand.SUBSCRIBE,
                )
            ],
        ),
    ],
)
def test_old_commands_reach_the_hub_as_v4(
    version: int, name: str, fields: dict[str, object], commands: list[object]
) -> None:
    served = Served(version, ALL)
    served.ask(name, Id=7, **fields)
    assert served.took() == commands


@pytest.mark.parametrize(
    ("version", "name", "fields", "code"),
    [
        (0, "SingleMotorVibrateCmd", {"DeviceIndex": 9, "Speed": 1}, 4),
        (0, "SingleMotorVibrateCmd", {"DeviceIndex": 0, "Speed": 1.01}, 4),
        (1, "VibrateCmd", VIBRATE | {"DeviceIndex": 9}, 4),
        (1, "VibrateCmd", VIBRATE | {"Speeds": []}, 3),
        (2, "VibrateCmd", VIBRATE | {"Speeds": [{"Index": 1, "Speed": 0.5}]}, 4),
        (2, "VibrateCmd", VIBRATE | {"Speeds": [{"Index": 0, "Speed": -0.1}]}, 4),
        (2, "VibrateCmd", VIBRATE | {"Speeds": [{"Index": 0, "Speed": 0.1, "X": 1}]}, 3),
        (2, "BatteryLevelCmd", {"DeviceIndex": 1}, 4),
        (
            3,
            "ScalarCmd",
            SCALAR | {"Scalars": [{"Index": 0, "Scalar": 2, "ActuatorType": "Vibrate"}]},
            4,
        ),
        (
            3,
            "ScalarCmd",
            SCALAR
            | {"Scalars": [{"Index": 0, "Scalar": 1, "ActuatorType": "HwPositionWithDuration"}]},
            4,
        ),
        (
            3,
            "ScalarCmd",
            SCALAR | {"Scalars": [{"Index": 0, "Scalar": 1, "ActuatorType": "Fly"}]},
            3,
        ),
        (3, "RotateCmd", ROTATE | {"DeviceIndex": 1}, 4),
        (3, "LinearCmd", VECTORS | {"DeviceIndex": 0}, 4),
        (3, "SensorReadCmd", SENSOR | {"SensorType": "Button"}, 4),
        (3, "SensorReadCmd", SENSOR | {"SensorType": "Mood"}, 3),
        (3, "ScalarCmd", {"DeviceIndex": 4294967296, "Scalars": []}, 3),
    ],
)
def test_old_commands_that_cannot_be_done(
    version: int, name: str, fields: dict[str, object], code: int
) -> None:
    served = Served(version, ALL)
    ((reply, body),) = served.ask(name, Id=7, **fields)
    assert (reply, body["Id"], body["ErrorCode"]) == ("Error", 7, code)
    assert served.took() == []


def test_several_commands_in_one_message_get_one_reply() -> None:
    served = Served(3)
    scalars = [
        {"Index": 1, "Scalar": 1.0, "ActuatorType": "rotate"},
        {"Index": 0, "Scalar": 0.01, "ActuatorType": "Vibrate"},
    ]
    assert served.ask("ScalarCmd", Id=7, DeviceIndex=0, Scalars=scalars) == [("Ok", {"Id": 7})]
    commands = served.took()
    assert [c.command for c in commands if isinstance(c, OutputCmd)] == [
        {OutputType.VIBRATE: OutputValue(value=1)},
        {OutputType.ROTATE: OutputValue(value=20)},
    ]


def test_indexes_are_those_of_the_list_where_a_feature_is_hidden() -> None:
    """The reference counts disabled outputs when it executes; then every index is off."""
    vibrate = OutputType.VIBRATE
    hidden = device(0, "D", [output(0), output(1, vibrate, high=0), output(2, vibrate)])
    served = Served(3, {0: hidden})
    served.ask("ScalarCmd", Id=7, **SCALAR)
    (command,) = served.took()
    assert isinstance(command, OutputCmd)
    assert command.feature_index == 2


def test_test_message_comes_back() -> None:
    assert Served(1).ask("Test", Id=3, TestString="hällo") == [
        ("Test", {"Id": 3, "TestString": "hällo"})
    ]
    ((name, body),) = Served(1).say('[{"Test":{"Id":3,"TestString":"\\ud800"}}]')
    assert (name, body["Id"]) == ("Test", 3)


def test_launch_goes_on_from_its_last_position() -> None:
    served = Served(0, ALL)
    durations = []
    for position in (90, 90, 80):
        served.ask("FleshlightLaunchFW12Cmd", Id=3, DeviceIndex=1, Position=position, Speed=50)
        (command,) = served.took()
        assert isinstance(command, OutputCmd)
        durations.append(command.command[LINEAR].duration)
    first, second, third = durations
    assert second == 0
    assert isinstance(first, int)
    assert third == pytest.approx(first / 9, abs=1)


# --- readings ------------------------------------------------------------------------------------


def test_battery_in_the_words_of_v2_and_v3() -> None:
    assert Served(2).ask("BatteryLevelCmd", Id=7, DeviceIndex=0) == [
        ("BatteryLevelReading", {"Id": 7, "DeviceIndex": 0, "BatteryLevel": 0.87})
    ]
    asked = SENSOR | {"SensorIndex": 4, "SensorType": "battery"}
    assert Served(3).ask("SensorReadCmd", Id=7, **asked) == [
        (
            "SensorReading",
            {
                "Id": 7,
                "DeviceIndex": 0,
                "SensorIndex": 4,
                "SensorType": "Battery",
                "Data": [87],
            },
        )
    ]


def test_rssi_in_the_words_of_v2() -> None:
    radio = device(0, "D", [sensor(0, InputType.RSSI, low=-100, high=0)])
    served = Served(2, {0: radio}, value=-40)
    assert served.ask("RSSILevelCmd", Id=7, DeviceIndex=0) == [
        ("RSSILevelReading", {"Id": 7, "DeviceIndex": 0, "RSSILevel": 0.6})
    ]


def subscribed() -> Served:
    served = Served(3, ALL)
    served.ask("SensorSubscribeCmd", Id=7, **PRESSURE)
    return served


def pressure(served: Served) -> int:
    return len(served.session.reading(2, 1, InputType.PRESSURE, 500))


def test_subscribed_sensor_of_v3_sends_readings_with_id_0() -> None:
    served = subscribed()
    ((name, body),) = sent(served.session.reading(2, 1, InputType.PRESSURE, 500))
    assert (name, body) == ("SensorReading", {"Id": 0} | PRESSURE | {"Data": [128]})
    assert served.session.reading(2, 0, InputType.BATTERY, 5) == []
    assert served.session.reading(0, 1, InputType.PRESSURE, 5) == []


@pytest.mark.parametrize(
    ("name", "fields", "left"),
    [
        ("SensorUnsubscribeCmd", PRESSURE, 0),
        ("StopDeviceCmd", {"DeviceIndex": 2}, 0),
        ("StopDeviceCmd", {"DeviceIndex": 0}, 1),
        ("StopAllDevices", {}, 0),
        ("StopCmd", {"DeviceIndex": 2, "FeatureIndex": 1}, 0),
        ("StopCmd", {"DeviceIndex": 2, "FeatureIndex": 9}, 0),
        ("StopCmd", {"DeviceIndex": 2, "FeatureIndex": 0}, 1),
        ("StopCmd", {"Inputs": False}, 1),
        ("Ping", {}, 1),
    ],
)
def test_subscription_ends_where_the_hub_ends_it(
    name: str, fields: dict[str, object], left: int
) -> None:
    served = subscribed()
    served.ask(name, Id=8, **fields)
    assert pressure(served) == left


def test_subscription_ends_with_its_device() -> None:
    served = subscribed()
    served.session.device_list()
    gone = served.devices.pop(2)
    served.session.device_list()
    served.devices[2] = gone
    served.session.device_list()
    assert pressure(served) == 0


def test_refused_subscription_is_none() -> None:
    served = Served(3, ALL)
    subscribe = frame("SensorSubscribeCmd", Id=7, **PRESSURE)
    (request,) = served.session.receive(subscribe, 0)
    assert isinstance(request, ClientRequest)
    served.session.fail(request, Denied("no"))
    assert pressure(served) == 0
    (request,) = served.session.receive(subscribe, 0)
    assert isinstance(request, ClientRequest)
    served.session.reply(request, Error(id=7, error_code=4, error_message="no"))
    assert pressure(served) == 0


@pytest.mark.parametrize("version", [0, 1, 2])
def test_before_v3_there_are_no_reading_events(version: int) -> None:
    assert pressure(Served(version, ALL)) == 0


# --- devices that come and go --------------------------------------------------------------------


def changes(served: Served) -> list[tuple[str, object]]:
    return [(name, body["DeviceIndex"]) for name, body in sent(served.session.device_list())]


@pytest.mark.parametrize("version", range(4))
def test_changes_are_told_as_differences(version: int) -> None:
    served = Served(version, {0: nora()})
    served.ask("RequestDeviceList", Id=2)
    assert changes(served) == []
    served.devices |= {1: STROKER, 2: KEGEL}
    assert changes(served) == [("DeviceAdded", 1), ("DeviceAdded", 2)]
    del served.devices[0]
    served.devices[3] = nora(3)
    assert changes(served) == [("DeviceRemoved", 0), ("DeviceAdded", 3)]
    assert changes(served) == []


@pytest.mark.parametrize("version", range(4))
def test_device_that_came_before_the_handshake_is_told_with_the_next_change(version: int) -> None:
    served = Served(version, {0: nora()})
    assert changes(served) == [("DeviceAdded", 0)]


def test_device_that_changed_comes_anew() -> None:
    served = Served(3, {0: nora()})
    served.ask("RequestDeviceList", Id=2)
    served.devices[0] = device(0, "Lovense Nora", [output(0, OutputType.VIBRATE, high=7)])
    assert changes(served) == [("DeviceRemoved", 0), ("DeviceAdded", 0)]


def test_change_that_a_version_cannot_see_is_none() -> None:
    served = Served(0, {0: nora()})
    served.ask("RequestDeviceList", Id=2)
    served.devices[0] = msgspec.structs.replace(nora(), device_display_name="Mine")
    assert changes(served) == []


@pytest.mark.parametrize("version", range(4))
def test_added_device_looks_as_in_the_list(version: int) -> None:
    served = Served(version, {0: nora()})
    ((_, added),) = sent(served.session.device_list())
    ((_, body),) = served.ask("RequestDeviceList", Id=2)
    listed = body["Devices"]
    assert added.pop("Id") == 0
    assert listed == [added]


def test_each_dialect_knows_its_version() -> None:
    assert [dialect(version).version for version in range(5)] == [0, 1, 2, 3, 4]
