from __future__ import annotations

import pytest

from forwarder.buttplug import spelling
from forwarder.buttplug.messages import InputType, OutputType


@pytest.mark.parametrize(
    ("written", "regular"),
    [
        ({"vibrate": {"Value": 1}}, {"Vibrate": {"Value": 1}}),
        (
            {"hw_position_with_duration": {"Value": 1, "Duration": 2}},
            {"HwPositionWithDuration": {"Value": 1, "Duration": 2}},
        ),
        (
            {"PositionWithDuration": {"Value": 1, "Duration": 2}},
            {"HwPositionWithDuration": {"Value": 1, "Duration": 2}},
        ),
        ({"Inflate": {"Value": 3}}, {"Constrict": {"Value": 3}}),
        ({"RotateWithDirection": {"Value": 3, "Clockwise": True}}, {"Rotate": {"Value": 3}}),
        ({"RotateWithDirection": {"Value": 3, "Clockwise": False}}, {"Rotate": {"Value": -3}}),
        ({"RotationWithDirection": {"Value": 3, "Clockwise": False}}, {"Rotate": {"Value": -3}}),
        ({"rotate_with_direction": {"Value": 3}}, {"Rotate": {"Value": 3}}),
        ({"RotateWithDirection": 3}, {"RotateWithDirection": 3}),
        ({"Vibrate": {"Value": [1]}}, {"Vibrate": {"Value": 1}}),  # npm buttplug 4.0.x
        ({"Vibrate": {"Value": [1, 2]}}, {"Vibrate": {"Value": [1, 2]}}),
        ({"Fly": {"Value": 1}}, {"Fly": {"Value": 1}}),
        ({"vibrate": 1, "Vibrate": 2}, {"vibrate": 1, "Vibrate": 2}),
        ({}, {}),
        (None, None),
    ],
)
def test_output_commands(written: object, regular: object) -> None:
    assert spelling.output_cmd({"Id": 1, "Command": written}) == {"Id": 1, "Command": regular}


@pytest.mark.parametrize(
    ("kind", "command", "regular"),
    [
        ("battery", "read", ("Battery", "Read")),
        ("Rssi", "Subscribe", ("RSSI", "Subscribe")),
        ("RSSI", "unsubscribe", ("RSSI", "Unsubscribe")),
        ("Mood", "Eat", ("Mood", "Eat")),
        (5, None, (5, None)),
    ],
)
def test_input_commands(kind: object, command: object, regular: tuple[object, object]) -> None:
    fields = spelling.input_cmd({"Type": kind, "Command": command})
    assert (fields["Type"], fields["Command"]) == regular


@pytest.mark.parametrize("kind", list(OutputType))
def test_every_output_type_is_its_own_spelling(kind: OutputType) -> None:
    assert spelling.output_type(kind.value) == kind


@pytest.mark.parametrize("kind", list(InputType))
def test_every_input_type_is_its_own_spelling(kind: InputType) -> None:
    assert spelling.input_type(kind.value) == kind


def test_list_of_a_later_server_is_read_as_far_as_we_know_it() -> None:
    listed = {
        "Output": {"Vibrate": {"Value": [0, 9]}, "Tickle": {"Value": [0, 1]}},
        "Input": {
            "Rssi": {"Value": [[-99, 0]], "Command": ["Read", "Guess", 5]},
            "Mood": {"Value": [], "Command": []},
        },
        "FeatureIndex": 0,
    }
    fields: dict[str, object] = {
        "Devices": {"3": {"DeviceName": "x", "DeviceFeatures": {"0": listed, "1": 5}}, "4": 5}
    }
    expected = {
        "FeatureDescription": "",
        "FeatureIndex": 0,
        "Output": {"Vibrate": {"Value": [0, 9]}},
        "Input": {"RSSI": {"Value": [[-99, 0]], "Command": ["Read"]}},
    }
    assert spelling.device_list(fields) == {
        "Devices": {
            "3": {
                "DeviceName": "x",
                "DeviceMessageTimingGap": 0,
                "DeviceFeatures": {"0": expected, "1": 5},
            },
            "4": 5,
        }
    }
    assert spelling.device_list({"Devices": []}) == {"Devices": []}
    assert spelling.device_list({"Devices": {"0": {"DeviceFeatures": []}}}) == {
        "Devices": {"0": {"DeviceMessageTimingGap": 0, "DeviceFeatures": []}}
    }


def test_server_info_and_readings_of_patient_servers() -> None:
    assert spelling.server_info({"Id": 1, "MaxPingTime": 5}) == {
        "Id": 1,
        "ServerName": "",
        "MaxPingTime": 5,
        "ProtocolVersionMinor": 0,
    }
    assert spelling.input_reading({"Reading": {"Rssi": 1}}) == {"Reading": {"RSSI": 1}}
    assert spelling.input_reading({"Reading": 1}) == {"Reading": 1}
