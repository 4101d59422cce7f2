from __future__ import annotations

import pytest

from forwarder.buttplug.legacy import spelling
from forwarder.buttplug.legacy.messages import (
    RotateCmd,
    ScalarCmd,
    SensorReadCmd,
    SensorSubscribeCmd,
)


@pytest.mark.parametrize(
    ("written", "regular"),
    [("vibrate", "Vibrate"), ("Vibrate", "Vibrate"), ("Inflate", "Constrict"), ("Fly", "Fly")],
)
def test_actuator_types(written: str, regular: str) -> None:
    regularise = spelling.of(ScalarCmd)
    assert regularise is not None
    fields = {"Id": 1, "Scalars": [{"Index": 0, "ActuatorType": written}, 5]}
    assert regularise(fields) == {"Id": 1, "Scalars": [{"Index": 0, "ActuatorType": regular}, 5]}
    assert regularise({"Scalars": "no list"}) == {"Scalars": "no list"}


@pytest.mark.parametrize("type", [SensorReadCmd, SensorSubscribeCmd])
def test_sensor_types(type: type[SensorReadCmd | SensorSubscribeCmd]) -> None:
    regularise = spelling.of(type)
    assert regularise is not None
    assert regularise({"SensorType": "Rssi"}) == {"SensorType": "RSSI"}
    assert regularise({"SensorType": 5}) == {"SensorType": 5}


def test_other_messages_have_one_spelling() -> None:
    assert spelling.of(RotateCmd) is None
