"""What the broker is told and what is understood of it."""

from __future__ import annotations

import json
import re

import pytest

from forwarder.bridges.mqtt.topics import (
    LookForToys,
    Press,
    SetLevel,
    Topics,
    discovery_document,
    hub_document,
    slots,
    state_payload,
)
from forwarder.buttplug.messages import OutputType
from tests.doubles.remote_toys import remote_device

TOPICS = Topics("7f3a7f3a", "homeassistant")
VIBRATE, ROTATE = OutputType.VIBRATE, OutputType.ROTATE


@pytest.mark.parametrize(
    ("topic", "payload", "wanted"),
    [
        ("buttplug/7f3a7f3a/0/1-vibrate/set", b"50", SetLevel(0, (1, VIBRATE), 0.5)),
        ("buttplug/7f3a7f3a/12/0-rotate/set", b" -100.0 ", SetLevel(12, (0, ROTATE), -1.0)),
        ("buttplug/7f3a7f3a/0/1-vibrate/set", b"999", SetLevel(0, (1, VIBRATE), 1.0)),
        ("buttplug/7f3a7f3a/3/stop", b"PRESS", Press(3)),
        ("buttplug/7f3a7f3a/stop", b"", Press(None)),
        ("buttplug/7f3a7f3a/look", b"PRESS", LookForToys()),
        ("buttplug/7f3a7f3a/3/look", b"PRESS", None),
        ("buttplug/7f3a7f3a/0/1-vibrate/set", b"on", None),
        ("buttplug/7f3a7f3a/0/1-vibrate/set", b"\xff\xfe", None),
        ("buttplug/7f3a7f3a/0/1-vibrate/set", b"1e9", None),
        ("buttplug/7f3a7f3a/0/1-dance/set", b"1", None),
        ("buttplug/7f3a7f3a/x/1-vibrate/set", b"1", None),
        (f"buttplug/7f3a7f3a/{'9' * 5000}/1-vibrate/set", b"1", None),
        (f"buttplug/7f3a7f3a/{'9' * 5000}/stop", b"", None),
        ("buttplug/other/0/1-vibrate/set", b"1", None),
        ("buttplug/7f3a7f3a/0/1-vibrate", b"1", None),
    ],
)
def test_a_command_is_understood_or_it_is_none(
    topic: str, payload: bytes, wanted: SetLevel | Press | None
) -> None:
    assert TOPICS.understood(topic, payload) == wanted


def test_each_output_is_a_slider_and_each_toy_has_a_stop() -> None:
    device = remote_device(VIBRATE, VIBRATE, ROTATE, name="Lovense Edge", index=4)
    document = json.loads(discovery_document(TOPICS, device, "1.0", neutral=False))
    assert document["device"] == {
        "identifiers": ["buttplug_7f3a7f3a_4"],
        "name": "Lovense Edge",
        "via_device": "buttplug_7f3a7f3a",
    }
    components = document["components"]
    assert [(key, each["platform"], each["name"]) for key, each in components.items()] == [
        ("0-vibrate", "number", "Vibrate 1"),
        ("1-vibrate", "number", "Vibrate 2"),
        ("2-rotate", "number", "Rotate"),
        ("stop", "button", "Stop"),
    ]
    assert (components["2-rotate"]["min"], components["0-vibrate"]["min"]) == (-100, 0)
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", each["unique_id"]) for each in components.values())
    assert TOPICS.discovery(device) == "homeassistant/device/buttplug_7f3a7f3a_4/config"
    for key, each in components.items():
        if key != "stop":
            assert TOPICS.understood(each["command_topic"], b"7") is not None


def test_names_are_kept_from_the_brokers_other_users_unless_wanted() -> None:
    device = remote_device(VIBRATE, name="Lovense Edge", index=4)
    said = discovery_document(TOPICS, device, "1.0", neutral=True)
    assert b"Edge" not in said
    assert b'"Device 4"' in said
    assert b"Stop everything" in hub_document(TOPICS, "Desk", "1.0")


def test_a_position_with_a_duration_is_one_slider() -> None:
    device = remote_device(OutputType.HW_POSITION_WITH_DURATION)
    assert slots(device) == [(0, OutputType.HW_POSITION_WITH_DURATION)]
    assert state_payload({(0, VIBRATE): 0.504}, (0, VIBRATE)) == "50"
    assert state_payload({}, (0, VIBRATE)) == "0"
