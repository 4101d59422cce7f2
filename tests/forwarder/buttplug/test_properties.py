"""Whatever a client sends: no exception, an answer for every Id, and valid frames only."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.buttplug.client import ClientSession
from forwarder.buttplug.codec import MAX_ANONYMOUS_ERRORS
from forwarder.buttplug.legacy.messages import REFUSED, SPOKEN_IN
from forwarder.buttplug.messages import (
    MAX_U32,
    InputType,
    OutputType,
    RequestDeviceList,
    StopCmd,
)
from forwarder.buttplug.server import ServerState
from tests.forwarder.buttplug.devices import READ, SUBSCRIBE, device, nora, output, sensor
from tests.forwarder.buttplug.harness import Served
from tests.forwarder.buttplug.schema import assert_valid

DEVICES = {
    0: nora(),
    1: device(
        1,
        "All",
        [
            output(3, *OutputType),
            *(sensor(9 + n, kind, READ, SUBSCRIBE) for n, kind in enumerate(InputType)),
        ],
    ),
}
V4_NAMES = [
    "RequestServerInfo",
    "Ping",
    "StartScanning",
    "StopScanning",
    "RequestDeviceList",
    "StopCmd",
    "StopDeviceCmd",
    "StopAllDevices",
    "OutputCmd",
    "InputCmd",
]
NAMES = [*V4_NAMES, *(type.__name__ for type in SPOKEN_IN), *REFUSED, "Ok", "Nonsense"]
KEYS = sorted(
    {field for type in SPOKEN_IN for field in type.__struct_encode_fields__}
    | {"ClientName", "MessageVersion", "ProtocolVersionMajor", "ProtocolVersionMinor"}
    | {"FeatureIndex", "Command", "Type", "Inputs", "Outputs", "Value", "Index", "Scalar"}
    | set(OutputType)
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["Vibrate", "battery", "Read", "Rotate", "Battery", "\ud800"])
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
ids = st.integers(1, MAX_U32) | st.integers(1, 9) | st.integers(1, 9).map(float)


@st.composite
def objects(draw: st.DrawFn) -> dict[str, object]:
    """Something with the name of a message, often with an Id, often nearly right."""
    name = draw(st.sampled_from(NAMES) | st.text(max_size=5))
    fields = draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=5))
    if draw(st.booleans()):
        fields["Id"] = draw(ids)
    return {name: fields}


frames = st.lists(objects() | values, max_size=6)


def wanted(item: object) -> set[int]:
    """The Ids of which somebody may wait for an answer."""
    found: set[int] = set()
    if isinstance(item, dict):
        for body in item.values():
            id = body.get("Id") if isinstance(body, dict) else None
            if (
                isinstance(id, int | float)
                and not isinstance(id, bool)
                and id == int(id)
                and 1 <= id <= MAX_U32
            ):
                found.add(int(id))
    return found


def dumped(value: object) -> str:
    return json.dumps(value)


@given(version=st.sampled_from([None, 0, 1, 2, 3, 4]), items=frames)
@settings(max_examples=300, deadline=None)
def test_every_object_with_an_id_is_answered(version: int | None, items: list[object]) -> None:
    served = Served(version, DEVICES)
    before = len(served.frames)
    replies = served.say(dumped(items))
    answered = [fields["Id"] for _, fields in replies]
    for id in set().union(*(wanted(item) for item in items)):
        assert id in answered
    assert len(replies) <= sum(max(1, len(wanted(item))) for item in items)
    assert answered.count(0) <= MAX_ANONYMOUS_ERRORS
    spoken = served.session.version
    for frame in served.frames[before:]:
        assert_valid(frame, 4 if spoken is None else spoken)
    if served.session.state is ServerState.READY:
        assert served.ask("Ping", Id=77) == [("Ok", {"Id": 77})]


@given(version=st.sampled_from([None, 0, 1, 2, 3, 4]), frame=st.text() | st.binary())
@settings(max_examples=300, deadline=None)
def test_any_text_or_bytes_is_survived(version: int | None, frame: str | bytes) -> None:
    served = Served(version, DEVICES)
    served.say(frame)
    assert served.closing is None


@given(
    version=st.sampled_from([0, 1, 2, 3, 4]),
    items=frames.filter(bool),
    cut=st.integers(0, 200),
)
@settings(max_examples=200, deadline=None)
def test_truncated_frames_are_survived(version: int, items: list[object], cut: int) -> None:
    served = Served(version, DEVICES)
    served.say(dumped(items)[:cut])
    served.say("[" + dumped(items)[:cut])


_SERVER_NAMES = ["Ok", "Error", "ServerInfo", "DeviceList", "InputReading", "ScanningFinished"]
_OLD_SERVER_NAMES = [*_SERVER_NAMES, "DeviceAdded", "DeviceRemoved", "SensorReading"]
_SERVER_KEYS = [*KEYS, "Devices", "DeviceFeatures", "DeviceMessages", "Output", "Input", "Reading"]


@given(
    version=st.sampled_from([3, 4]),
    items=st.lists(
        st.dictionaries(
            st.sampled_from(_OLD_SERVER_NAMES),
            st.dictionaries(st.sampled_from(_SERVER_KEYS), values, max_size=6),
            min_size=1,
            max_size=1,
        )
        | values,
        max_size=5,
    ),
    greeted=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_client_survives_any_server(version: int, items: list[object], greeted: bool) -> None:
    session = ClientSession("me", version=version)
    session.hello(0)
    if greeted:
        shape: dict[str, object] = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        info = {"Id": 1, "ServerName": "S", "MaxPingTime": 0, "MessageVersion": 3}
        session.receive(dumped([{"ServerInfo": info | (shape if version == 4 else {})}]), 0)
        session.request(StopCmd(id=1), 0)
        session.request(RequestDeviceList(id=1), 0)
    session.receive(dumped(items), 1)
    # Whatever happened, nothing waits for ever.
    while (deadline := session.deadline) is not None:
        session.tick(deadline)
