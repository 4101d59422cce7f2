"""The official Python client's own message parser takes what we emit; nobody here wrote it."""

from __future__ import annotations

import json

import pytest

# Its parser is private; the public client is met in tests/system.
from buttplug._messages import base, commands, handshake

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.errors import OutOfRange
from tests.forwarder.buttplug.devices import READ, SUBSCRIBE, device, nora, output, sensor
from tests.forwarder.buttplug.harness import Served

EVERYTHING = device(
    1,
    "All",
    [
        *(output(index, kind) for index, kind in enumerate(OutputType)),
        *(sensor(20 + n, kind, READ, SUBSCRIBE) for n, kind in enumerate(InputType)),
    ],
)


def parse(frame: str) -> base.ButtplugMessage:
    (message,) = base.parse_messages(json.loads(frame))
    return message


def test_every_message_that_v4_sends_is_parsed() -> None:
    served = Served(4, {0: nora(), 1: EVERYTHING})
    served.ask("RequestDeviceList", Id=2)
    served.ask("InputCmd", Id=3, DeviceIndex=0, FeatureIndex=2, Type="Battery", Command="Read")
    served.ask("Nonsense", Id=4)
    served.frames.extend(served.session.scanning_finished())
    served.frames.extend(served.session.reading(1, 20, InputType.BUTTON, 1))
    served.frames.extend(served.session.error(OutOfRange("Hush", "Vibrate", 21, 0, 20)))
    served.ask("StopCmd", Id=5)
    names = [parse(frame).get_message_type() for frame in served.frames]
    assert names == [
        "ServerInfo",
        "DeviceList",
        "InputReading",
        "Error",
        "ScanningFinished",
        "InputReading",
        "Error",
        "Ok",
    ]


def test_its_messages_are_understood() -> None:
    served = Served(4)
    turn = {"Rotate": {"Value": -7}}
    asked: list[base.ButtplugMessage] = [
        handshake.StartScanning(Id=2),
        handshake.RequestDeviceList(Id=3),
        commands.OutputCmd(Id=4, DeviceIndex=0, FeatureIndex=1, Command=turn),
        commands.InputCmd(Id=5, DeviceIndex=0, FeatureIndex=2, Type="Battery", Command="Read"),
        commands.StopCmd(Id=6),
        handshake.Ping(Id=7),
        handshake.Disconnect(Id=8),
    ]
    names = [served.say(json.dumps(message.to_protocol()))[0][0] for message in asked]
    assert names == ["Ok", "DeviceList", "Ok", "InputReading", "Ok", "Ok", "Ok"]


@pytest.mark.parametrize("kind", list(InputType))
def test_readings_are_spelt_as_it_spells_them(kind: InputType) -> None:
    (frame,) = Served(4).session.reading(0, 0, kind, 5)
    assert parse(frame).get_message_type() == "InputReading"
