from __future__ import annotations

import json

import msgspec
import pytest

from forwarder.buttplug.codec import encode
from forwarder.buttplug.legacy.messages import (
    REFUSED,
    SPOKEN_IN,
    BatteryLevelReading,
    DeviceAddedV0,
    DeviceListV3,
    DeviceMessagesV2,
    Empty,
    RSSILevelReading,
    ServerInfoV0,
    ServerInfoV2,
)
from forwarder.buttplug.messages import stop_named
from tests.shared import shared


def test_names_on_the_wire() -> None:
    frames = [
        encode(ServerInfoV0(id=1, server_name="", message_version=1, max_ping_time=0)),
        encode(ServerInfoV2(id=1, message_version=2)),
        encode(DeviceAddedV0(device_index=0, device_name="", device_messages=())),
        encode(BatteryLevelReading(id=1, device_index=0, battery_level=0.5)),
        encode(RSSILevelReading(id=1, device_index=0, rssi_level=0.5)),
    ]
    objects = [json.loads(frame)[0] for frame in frames]
    names = [next(iter(item)) for item in objects]
    assert names == [
        "ServerInfo",
        "ServerInfo",
        "DeviceAdded",
        "BatteryLevelReading",
        "RSSILevelReading",
    ]
    assert objects[4]["RSSILevelReading"]["RSSILevel"] == 0.5
    assert msgspec.json.encode(DeviceMessagesV2(rssi_level_cmd=Empty())) == b'{"RSSILevelCmd":{}}'


@pytest.mark.parametrize("version", range(4))
def test_every_client_message_of_the_schema_is_served_or_refused(version: int) -> None:
    schema = json.loads(shared("data", "buttplug-schema.json").read_text())
    listed = set(schema["specs"][f"MessageSpecV{version}"]["items"]["properties"])
    commands = {n for n in listed if n.endswith("Cmd") or n in ("StopAllDevices", "RequestLog")}
    served = {t.__name__ for t, (first, last) in SPOKEN_IN.items() if first <= version <= last}
    assert {name for name in commands if stop_named(name) is None} <= served | set(REFUSED)


def test_list_of_a_patient_v3_server_is_read() -> None:
    text = """{"Id":1,"Devices":[{"DeviceIndex":0,"DeviceName":"x","Later":1,"DeviceMessages":{
        "ScalarCmd":[{"StepCount":5,"ActuatorType":"Vibrate"}],"RawWriteCmd":{"Endpoints":["tx"]}
    }}]}"""
    (device,) = msgspec.json.decode(text, type=DeviceListV3).devices
    assert device.device_messages.scalar_cmd[0].step_count == 5
