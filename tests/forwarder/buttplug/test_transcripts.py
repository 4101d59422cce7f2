# ruff: noqa: E501  # frames stand on one line, as they are sent
"""One session per version from handshake to the end: `>` the client says, `<` the server says."""

from __future__ import annotations

import pytest

from forwarder.buttplug.messages import InputType
from tests.forwarder.buttplug.devices import SUBSCRIBE, device, nora, sensor
from tests.forwarder.buttplug.harness import Served
from tests.forwarder.buttplug.schema import assert_valid

PLUG = device(1, "Plug", [sensor(0, InputType.PRESSURE, SUBSCRIBE, description="")])

V4 = """
> {"StartScanning":{"Id":9}}
< {"Error":{"Id":9,"ErrorCode":1,"ErrorMessage":"RequestServerInfo must be the first message."}}
> {"RequestServerInfo":{"Id":1,"ClientName":"T","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}
< {"ServerInfo":{"Id":1,"ServerName":"Hub","ProtocolVersionMajor":4,"ProtocolVersionMinor":0,"MaxPingTime":0}}
> {"StartScanning":{"Id":2}}
< {"Ok":{"Id":2}}
! add
< {"DeviceList":{"Id":0,"Devices":{"0":NORA,"1":{"DeviceIndex":1,"DeviceName":"Plug","DeviceMessageTimingGap":100,"DeviceFeatures":{"0":{"FeatureIndex":0,"FeatureDescription":"","Input":{"Pressure":{"Value":[[0,100]],"Command":["Subscribe"]}}}}}}}}
! finished
< {"ScanningFinished":{"Id":0}}
> {"InputCmd":{"Id":3,"DeviceIndex":1,"FeatureIndex":0,"Type":"Pressure","Command":"Subscribe"}}
< {"Ok":{"Id":3}}
! reading
< {"InputReading":{"Id":0,"DeviceIndex":1,"FeatureIndex":0,"Reading":{"Pressure":{"Value":33}}}}
> {"OutputCmd":{"Id":4,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":5}}}}
< {"Ok":{"Id":4}}
> {"InputCmd":{"Id":5,"DeviceIndex":0,"FeatureIndex":2,"Type":"Battery","Command":"Read"}}
< {"InputReading":{"Id":5,"DeviceIndex":0,"FeatureIndex":2,"Reading":{"Battery":{"Value":87}}}}
> {"StopCmd":{"Id":6}}
< {"Ok":{"Id":6}}
! remove
< {"DeviceList":{"Id":0,"Devices":{"0":NORA}}}
> {"Disconnect":{"Id":7}}
< {"Ok":{"Id":7}}
"""

V3 = """
> {"RequestServerInfo":{"Id":1,"ClientName":"T","MessageVersion":3}}
< {"ServerInfo":{"Id":1,"MessageVersion":3,"ServerName":"Hub","MaxPingTime":0}}
> {"RequestDeviceList":{"Id":2}}
< {"DeviceList":{"Id":2,"Devices":[NORA]}}
! add
< {"DeviceAdded":{"DeviceIndex":1,"DeviceName":"Plug","DeviceMessages":{"SensorSubscribeCmd":[{"SensorType":"Pressure","FeatureDescriptor":"","SensorRange":[[0,100]]}],"StopDeviceCmd":{}},"DeviceMessageTimingGap":100,"Id":0}}
> {"SensorSubscribeCmd":{"Id":3,"DeviceIndex":1,"SensorIndex":0,"SensorType":"Pressure"}}
< {"Ok":{"Id":3}}
! reading
< {"SensorReading":{"Id":0,"DeviceIndex":1,"SensorIndex":0,"SensorType":"Pressure","Data":[33]}}
> {"ScalarCmd":{"Id":4,"DeviceIndex":0,"Scalars":[{"Index":0,"Scalar":0.25,"ActuatorType":"Vibrate"}]}}
< {"Ok":{"Id":4}}
> {"SensorReadCmd":{"Id":5,"DeviceIndex":0,"SensorIndex":0,"SensorType":"Battery"}}
< {"SensorReading":{"Id":5,"DeviceIndex":0,"SensorIndex":0,"SensorType":"Battery","Data":[87]}}
> {"StopDeviceCmd":{"Id":6,"DeviceIndex":0}}
< {"Ok":{"Id":6}}
> {"StopAllDevices":{"Id":7}}
< {"Ok":{"Id":7}}
! finished
< {"ScanningFinished":{"Id":0}}
! remove
< {"DeviceRemoved":{"DeviceIndex":1,"Id":0}}
"""

V2 = """
> {"RequestServerInfo":{"Id":1,"ClientName":"T","MessageVersion":2}}
< {"ServerInfo":{"Id":1,"MessageVersion":2,"ServerName":"Hub","MaxPingTime":0}}
> {"RequestDeviceList":{"Id":2}}
< {"DeviceList":{"Id":2,"Devices":[NORA]}}
! add
< {"DeviceAdded":{"DeviceIndex":1,"DeviceName":"Plug","DeviceMessages":{"StopDeviceCmd":{}},"Id":0}}
! reading
> {"VibrateCmd":{"Id":4,"DeviceIndex":0,"Speeds":[{"Index":0,"Speed":0.25}]}}
< {"Ok":{"Id":4}}
> {"BatteryLevelCmd":{"Id":5,"DeviceIndex":0}}
< {"BatteryLevelReading":{"Id":5,"DeviceIndex":0,"BatteryLevel":0.87}}
> {"RawReadCmd":{"Id":6,"DeviceIndex":0,"Endpoint":"rx","Length":1,"WaitForData":false}}
< {"Error":{"Id":6,"ErrorCode":3,"ErrorMessage":"RawReadCmd carries bytes of one vendor. Send what the device shall do instead."}}
> {"StopAllDevices":{"Id":7}}
< {"Ok":{"Id":7}}
! remove
< {"DeviceRemoved":{"DeviceIndex":1,"Id":0}}
"""

V1 = """
> {"RequestServerInfo":{"Id":1,"ClientName":"T","MessageVersion":1}}
< {"ServerInfo":{"Id":1,"ServerName":"Hub","MessageVersion":1,"MaxPingTime":0,"MajorVersion":0,"MinorVersion":0,"BuildVersion":0}}
> {"RequestDeviceList":{"Id":2}}
< {"DeviceList":{"Id":2,"Devices":[{"DeviceIndex":0,"DeviceName":"Lovense Nora","DeviceMessages":{"VibrateCmd":{"FeatureCount":1},"RotateCmd":{"FeatureCount":1},"SingleMotorVibrateCmd":{},"StopDeviceCmd":{}}}]}}
> {"RotateCmd":{"Id":3,"DeviceIndex":0,"Rotations":[{"Index":0,"Speed":0.5,"Clockwise":false}]}}
< {"Ok":{"Id":3}}
> {"VorzeA10CycloneCmd":{"Id":4,"DeviceIndex":0,"Speed":50,"Clockwise":true}}
< {"Ok":{"Id":4}}
> {"StopDeviceCmd":{"Id":5,"DeviceIndex":0}}
< {"Ok":{"Id":5}}
! finished
< {"ScanningFinished":{"Id":0}}
"""

V0 = """
> {"RequestServerInfo":{"Id":1,"ClientName":"T"}}
< {"ServerInfo":{"Id":1,"ServerName":"Hub","MessageVersion":0,"MaxPingTime":0,"MajorVersion":0,"MinorVersion":0,"BuildVersion":0}}
> {"RequestDeviceList":{"Id":2}}
< {"DeviceList":{"Id":2,"Devices":[{"DeviceIndex":0,"DeviceName":"Lovense Nora","DeviceMessages":["SingleMotorVibrateCmd","StopDeviceCmd"]}]}}
> {"Test":{"Id":3,"TestString":"anybody there?"}}
< {"Test":{"Id":3,"TestString":"anybody there?"}}
> {"RequestLog":{"Id":4,"LogLevel":"Info"}}
< {"Ok":{"Id":4}}
> {"SingleMotorVibrateCmd":{"Id":5,"DeviceIndex":0,"Speed":0.5}}
< {"Ok":{"Id":5}}
> {"SingleMotorVibrateCmd":{"Id":6,"DeviceIndex":9,"Speed":0.5}}
< {"Error":{"Id":6,"ErrorCode":4,"ErrorMessage":"There is no device with index 9."}}
> {"StopAllDevices":{"Id":7}}
< {"Ok":{"Id":7}}
! add
< {"DeviceAdded":{"DeviceIndex":1,"DeviceName":"Plug","DeviceMessages":["StopDeviceCmd"],"Id":0}}
! remove
< {"DeviceRemoved":{"DeviceIndex":1,"Id":0}}
"""


def happen(served: Served, what: str) -> list[str]:
    match what:
        case "add":
            served.devices[1] = PLUG
            return served.session.device_list()
        case "remove":
            del served.devices[1]
            return served.session.device_list()
        case "finished":
            return served.session.scanning_finished()
        case "reading":
            return served.session.reading(1, 0, InputType.PRESSURE, 33)
    raise ValueError(what)


NORA = {
    4: """{"DeviceIndex":0,"DeviceName":"Lovense Nora","DeviceMessageTimingGap":100,"DeviceFeatures":{"0":{"FeatureIndex":0,"FeatureDescription":"","Output":{"Vibrate":{"Value":[0,20]}}},"1":{"FeatureIndex":1,"FeatureDescription":"","Output":{"Rotate":{"Value":[-20,20]}}},"2":{"FeatureIndex":2,"FeatureDescription":"battery Level","Input":{"Battery":{"Value":[[0,100]],"Command":["Read"]}}}}}""",
    3: """{"DeviceIndex":0,"DeviceName":"Lovense Nora","DeviceMessages":{"ScalarCmd":[{"FeatureDescriptor":"","ActuatorType":"Vibrate","StepCount":20},{"FeatureDescriptor":"","ActuatorType":"Rotate","StepCount":20}],"RotateCmd":[{"FeatureDescriptor":"","ActuatorType":"Rotate","StepCount":20}],"SensorReadCmd":[{"SensorType":"Battery","FeatureDescriptor":"battery Level","SensorRange":[[0,100]]}],"StopDeviceCmd":{}},"DeviceMessageTimingGap":100}""",
    2: """{"DeviceIndex":0,"DeviceName":"Lovense Nora","DeviceMessages":{"VibrateCmd":{"FeatureCount":1,"StepCount":[20]},"RotateCmd":{"FeatureCount":1,"StepCount":[20]},"BatteryLevelCmd":{},"StopDeviceCmd":{}}}""",
}
TRANSCRIPTS = {
    4: V4.replace("NORA", NORA[4]),
    3: V3.replace("NORA", NORA[3]),
    2: V2.replace("NORA", NORA[2]),
    1: V1,
    0: V0,
}


@pytest.mark.parametrize("version", TRANSCRIPTS)
def test_transcript(version: int) -> None:
    served = Served(None, {0: nora()})
    expected: list[str] = []
    happened: list[str] = []
    for line in TRANSCRIPTS[version].strip().splitlines():
        mark, text = line[0], line[2:]
        if mark == "<":
            expected.append(f"[{text}]")
            continue
        assert happened == expected
        expected = []
        if mark == "!":
            happened = happen(served, text)
        else:
            before = len(served.frames)
            served.say(f"[{text}]")
            happened = served.frames[before:]
    assert happened == expected
    assert (served.closing is not None) is (version == 4)


@pytest.mark.parametrize("version", TRANSCRIPTS)
def test_everything_said_is_valid_in_its_version(version: int) -> None:
    for line in TRANSCRIPTS[version].strip().splitlines():
        # Ours alone: the schema does not know the Disconnect of the specification.
        if line[0] == "<" or (version != 4 and line[0] == ">"):
            assert_valid(f"[{line[2:]}]", version)
