from __future__ import annotations

from forwarder.buttplug.codec import Envelope, Unreadable
from forwarder.buttplug.messages import InputReading, InputType, ReadingValue, ServerInfo, StopCmd
from forwarder.buttplug.translator import V4Translator


def test_v4_is_said_as_it_is() -> None:
    assert V4Translator().ask(StopCmd(id=5)) == StopCmd(id=5)


def test_later_fields_and_other_spellings_of_servers_are_read() -> None:
    translator = V4Translator()
    reading = {"DeviceIndex": 0, "FeatureIndex": 0, "Reading": {"Rssi": {"Value": -5}}}
    assert translator.read(Envelope("InputReading", {"Id": 1, "Later": 2} | reading)) == (
        InputReading(
            id=1, device_index=0, feature_index=0, reading={InputType.RSSI: ReadingValue(value=-5)}
        )
    )
    assert translator.read(Envelope("ServerInfo", {"Id": 1, "ProtocolVersionMajor": 4})) == (
        ServerInfo(
            id=1,
            server_name="",
            protocol_version_major=4,
            protocol_version_minor=0,
            max_ping_time=0,
        )
    )


def test_other_messages_are_unreadable() -> None:
    found = V4Translator().read(Envelope("DeviceAdded", {"Id": 0}))
    assert found == Unreadable(0, "'DeviceAdded' is no message of a Buttplug v4 server.")
