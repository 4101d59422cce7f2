"""A v3 server in v4 words: lists up, commands down and, through our own v3 server, up again."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.buttplug.client import (
    ClientSession,
    DevicesListed,
    Ignored,
    InputValue,
    RequestReply,
)
from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceInfo,
    Disconnect,
    Error,
    InputCmd,
    InputCommand,
    InputReading,
    InputType,
    Ok,
    OutputCmd,
    OutputType,
    OutputValue,
    ReadingValue,
    StopCmd,
)
from forwarder.errors import OutOfRange, UnknownDevice, Unsupported
from tests.forwarder.buttplug.devices import READ, SUBSCRIBE, device, nora, output, sensor
from tests.forwarder.buttplug.harness import frame
from tests.forwarder.buttplug.wired import Wired

VIBRATE, ROTATE, LINEAR = (
    OutputType.VIBRATE,
    OutputType.ROTATE,
    OutputType.HW_POSITION_WITH_DURATION,
)


def put(
    kind: OutputType, value: int, *, feature: int = 0, duration: int | None = None
) -> OutputCmd:
    setting = OutputValue(value=value)
    if duration is not None:
        setting = OutputValue(value=value, duration=duration)
    return OutputCmd(id=1, device_index=0, feature_index=feature, command={kind: setting})


def read(feature: int, kind: InputType, command: InputCommand) -> InputCmd:
    return InputCmd(id=1, device_index=0, feature_index=feature, type=kind, command=command)


def wired(*infos: DeviceInfo, value: int = 87) -> Wired:
    return Wired(3, {info.device_index: info for info in infos}, value=value)


def listed(messages: dict[str, object]) -> DeviceInfo:
    """What v4 sees of a device that a foreign v3 server lists."""
    client = ClientSession("me", version=3)
    client.hello(0)
    client.receive(frame("ServerInfo", Id=1, MessageVersion=3, ServerName="Old", MaxPingTime=0), 0)
    entry = {"DeviceIndex": 0, "DeviceName": "Toy", "DeviceMessages": messages}
    client.receive(frame("DeviceList", Id=2, Devices=[entry]), 0)
    return client.devices[0]


# --- lists ---------------------------------------------------------------------------------------


def test_our_own_list_comes_back_as_it_was() -> None:
    assert wired(nora()).client.devices == {0: nora()}


def test_a_rotator_that_is_in_both_lists_is_one_feature() -> None:
    both = {"StepCount": 20, "ActuatorType": "Rotate", "FeatureDescriptor": ""}
    vibrator = {"StepCount": 20, "ActuatorType": "Vibrate", "FeatureDescriptor": ""}
    info = listed({"ScalarCmd": [both, vibrator], "RotateCmd": [both]})
    assert info == device(0, "Toy", [output(0, ROTATE, low=-20), output(1, VIBRATE)], gap_ms=0)


def test_what_v4_has_no_word_for_is_left_out_and_moves_no_index() -> None:
    toy = listed({"ScalarCmd": [{"ActuatorType": "Tickle"}, {"ActuatorType": "Vibrate"}]})
    assert list(toy.device_features) == [0]
    found = Wired(3, {0: device(0, "T", [output(0, ROTATE), output(5, VIBRATE)])})
    assert isinstance(found.ask(put(VIBRATE, 3, feature=1)), Ok)
    (command,) = found.served.took()
    assert isinstance(command, OutputCmd)
    assert command.feature_index == 5


def test_step_count_may_be_absent() -> None:
    assert listed({"ScalarCmd": [{"ActuatorType": "Vibrate"}]}).device_features[0] == output(
        0, VIBRATE
    )


def test_one_sensor_in_both_lists_is_one_input() -> None:
    entry = {"SensorType": "Pressure", "SensorRange": [[0, 100]], "FeatureDescriptor": ""}
    other = entry | {"FeatureDescriptor": "other"}
    unknown = entry | {"SensorType": "Mood"}
    info = listed(
        {
            "SensorReadCmd": [unknown, entry],
            "SensorSubscribeCmd": [other, unknown, entry],
        }
    )
    pressure = InputType.PRESSURE
    assert info.device_features == {
        0: sensor(0, pressure, READ, SUBSCRIBE, description=""),
        1: sensor(1, pressure, SUBSCRIBE, description="other"),
    }


def test_devices_that_come_and_go_are_told_as_the_whole() -> None:
    both = wired(nora())
    both.served.devices[1] = nora(1)
    del both.served.devices[0]
    both.deliver(both.served.session.device_list())
    assert both.events[-1] == DevicesListed({1: nora(1)})
    assert both.client.devices == {1: nora(1)}


# --- commands there and back ---------------------------------------------------------------------


@given(steps=st.integers(1, 300), data=st.data())
def test_every_step_arrives_as_itself(steps: int, data: st.DataObject) -> None:
    toy = device(
        0,
        "T",
        [
            output(0, VIBRATE, high=steps),
            output(1, ROTATE, low=-steps, high=steps),
            output(2, OutputType.POSITION, high=steps),
            output(3, LINEAR, high=steps),
        ],
    )
    both = wired(toy)
    kind, feature, low = data.draw(
        st.sampled_from(
            [
                (VIBRATE, 0, 0),
                (ROTATE, 1, -steps),
                (OutputType.POSITION, 2, 0),
                (LINEAR, 3, 0),
            ]
        )
    )
    value = data.draw(st.integers(low, steps))
    command = put(kind, value, feature=feature, duration=70 if kind is LINEAR else None)
    assert isinstance(both.ask(command), Ok)
    (arrived,) = both.served.took()
    assert isinstance(arrived, OutputCmd)
    assert (arrived.feature_index, arrived.command) == (feature, command.command)


@pytest.mark.parametrize(
    ("asked", "arrived"),
    [
        (StopCmd(id=1), [StopCmd(id=1)]),
        (StopCmd(id=1, device_index=0), [StopCmd(id=1, device_index=0)]),
        (StopCmd(id=1, device_index=0, feature_index=1), [put(ROTATE, 0, feature=1)]),
        (StopCmd(id=1, device_index=0, feature_index=3), [StopCmd(id=1, device_index=0)]),
        (StopCmd(id=1, device_index=0, feature_index=9), [StopCmd(id=1, device_index=0)]),
        (StopCmd(id=1, device_index=7, feature_index=0), [StopCmd(id=1, device_index=7)]),
    ],
)
def test_stop_never_does_less_than_was_asked(asked: StopCmd, arrived: list[ClientMessage]) -> None:
    features = [*nora().device_features.values(), output(3, LINEAR)]
    both = wired(device(0, "T", features))
    # The v3 list puts the stroker before the battery.
    if asked.feature_index == 3:
        asked = StopCmd(id=1, device_index=0, feature_index=2)
    assert isinstance(both.ask(asked), Ok)
    took = [msgspec.structs.replace(item, id=1) for item in both.served.took()]
    assert took == arrived


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (put(VIBRATE, 21), OutOfRange),
        (put(VIBRATE, -1), OutOfRange),
        (put(ROTATE, -21, feature=1), OutOfRange),
        (put(ROTATE, 1), Unsupported),
        (put(VIBRATE, 1, feature=9), Unsupported),
        (put(VIBRATE, 1, feature=2), Unsupported),
        (read(2, InputType.BATTERY, InputCommand.SUBSCRIBE), Unsupported),
        (read(2, InputType.PRESSURE, InputCommand.READ), Unsupported),
        (read(0, InputType.BATTERY, InputCommand.READ), Unsupported),
        (StopCmd(id=1, outputs=False), Unsupported),
        (Disconnect(id=1), Unsupported),
        (
            OutputCmd(
                id=1, device_index=5, feature_index=0, command={VIBRATE: OutputValue(value=1)}
            ),
            UnknownDevice,
        ),
    ],
)
def test_what_v3_cannot_say_is_refused_here(message: ClientMessage, error: type[Exception]) -> None:
    both = wired(nora())
    with pytest.raises(error):
        both.client.request(message, 0)
    assert both.client.deadline is None


# --- inputs --------------------------------------------------------------------------------------


def test_battery_there_and_back() -> None:
    reply = wired(nora()).ask(read(2, InputType.BATTERY, InputCommand.READ))
    assert isinstance(reply, InputReading)
    assert (reply.device_index, reply.feature_index) == (0, 2)
    assert reply.reading == {InputType.BATTERY: ReadingValue(value=87)}


def test_subscription_there_and_back() -> None:
    kegel = device(0, "K", [sensor(0), sensor(1, InputType.PRESSURE, SUBSCRIBE)])
    both = wired(kegel)
    assert isinstance(both.ask(read(1, InputType.PRESSURE, InputCommand.SUBSCRIBE)), Ok)
    both.deliver(both.served.session.reading(0, 1, InputType.PRESSURE, 33))
    assert both.events[-1] == InputValue(0, 1, InputType.PRESSURE, 33)
    assert isinstance(both.ask(read(1, InputType.PRESSURE, InputCommand.UNSUBSCRIBE)), Ok)
    assert both.served.session.reading(0, 1, InputType.PRESSURE, 33) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"DeviceIndex": 9, "SensorIndex": 0, "SensorType": "Battery", "Data": [1]},
        {"DeviceIndex": 0, "SensorIndex": 9, "SensorType": "Battery", "Data": [1]},
        {"DeviceIndex": 0, "SensorIndex": 0, "SensorType": "Mood", "Data": [1]},
        {"DeviceIndex": 0, "SensorIndex": 0, "SensorType": "Battery", "Data": []},
    ],
)
def test_strange_readings_are_ignored_or_fail_their_request(fields: dict[str, object]) -> None:
    client = wired(nora()).client
    id, _ = client.request(read(2, InputType.BATTERY, InputCommand.READ), 0)
    (event,) = client.receive(frame("SensorReading", Id=0, **fields), 0)
    assert isinstance(event, Ignored)
    (event,) = client.receive(frame("SensorReading", Id=id, **fields), 0)
    assert isinstance(event, RequestReply)
    assert isinstance(event.message, Error)


def test_frames_to_a_v3_server_are_those_of_v3() -> None:
    both = wired(nora())
    both.ask(put(VIBRATE, 20))
    (last,) = json.loads(both.from_client[-1])
    assert last == {
        "ScalarCmd": {
            "Id": 3,
            "DeviceIndex": 0,
            "Scalars": [{"Index": 0, "Scalar": 1.0, "ActuatorType": "Vibrate"}],
        }
    }
