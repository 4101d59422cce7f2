"""The session as every client meets it: handshake, malformed input, ping, end; then v4 itself."""

from __future__ import annotations

import json

import pytest

from forwarder.buttplug.messages import (
    Disconnect,
    Error,
    InputReading,
    InputType,
    Ok,
    OutputCmd,
    OutputType,
    OutputValue,
    ReadingValue,
    ServerMessage,
    StartScanning,
    StopCmd,
    StopScanning,
)
from forwarder.buttplug.server import (
    TRANSITIONS,
    ClientRequest,
    Closing,
    ServerEvent,
    ServerSession,
    ServerState,
)
from forwarder.errors import (
    Denied,
    ForwarderError,
    HardwareError,
    MessageError,
    OutOfRange,
    UnknownDevice,
)
from relay.link.messages import ErrorCode
from tests.forwarder.buttplug.devices import device, errors, nora, sent
from tests.forwarder.buttplug.harness import Served, frame, hello


def fresh() -> ServerSession:
    return ServerSession("Hub", devices=dict)


def error(id: int, code: int) -> list[tuple[object, object]]:
    return [(id, code)]


# --- handshake -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (4, {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}),
        (3, {"MessageVersion": 3}),
        (2, {"MessageVersion": 2}),
        (1, {"MessageVersion": 1, "MajorVersion": 0, "MinorVersion": 0, "BuildVersion": 0}),
        (0, {"MessageVersion": 0, "MajorVersion": 0, "MinorVersion": 0, "BuildVersion": 0}),
    ],
)
def test_server_info_has_the_shape_of_the_clients_version(
    version: int, expected: dict[str, object]
) -> None:
    session = fresh()
    ((name, fields),) = sent(session.receive(hello(version, id=5), 0))
    assert name == "ServerInfo"
    assert fields == {"Id": 5, "ServerName": "Hub", "MaxPingTime": 0} | expected
    assert (session.version, session.state, session.client_name) == (
        version,
        ServerState.READY,
        "Test",
    )


@pytest.mark.parametrize("major", [0, 1, 2, 3])
def test_v4_layout_with_an_older_major_means_that_version(major: int) -> None:
    session = fresh()
    request = frame(
        "RequestServerInfo",
        Id=1,
        ClientName="x",
        ProtocolVersionMajor=major,
        ProtocolVersionMinor=9,
    )
    ((_, fields),) = sent(session.receive(request, 0))
    assert fields["MessageVersion"] == major
    assert session.version == major


@pytest.mark.parametrize(
    "fields",
    [
        {"ClientName": "x", "MessageVersion": 3, "ProtocolVersionMajor": 4},
        {
            "ClientName": "x",
            "MessageVersion": 3,
            "ProtocolVersionMajor": 4,
            "ProtocolVersionMinor": 0,
        },
        {"ClientName": "x", "ProtocolVersionMajor": 4},
        {"ClientName": "x", "ProtocolVersionMinor": 0},
        {"ClientName": "x", "MessageVersion": 4},
        {"ClientName": None},
        {"ClientName": 5},
        {},
        {"ClientName": "x", "MessageVersion": -1},
        {"ClientName": "x", "MessageVersion": "3"},
        {"ClientName": "x", "Surprise": 1},
    ],
)
def test_wrong_handshake_takes_on_no_version_and_can_be_tried_again(
    fields: dict[str, object],
) -> None:
    session = fresh()
    actions = session.receive(frame("RequestServerInfo", Id=3, **fields), 0)
    assert errors(actions) == error(3, 1)
    assert len(actions) == 1
    assert (session.version, session.state) == (None, ServerState.AWAITING_HANDSHAKE)
    ((name, _),) = sent(session.receive(hello(2), 0))
    assert (name, session.version) == ("ServerInfo", 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"MessageVersion": 5},
        {"ProtocolVersionMajor": 5, "ProtocolVersionMinor": 0},
        {"ProtocolVersionMajor": 4294967295, "MessageVersion": 3},
    ],
)
def test_version_that_is_too_new_is_refused_and_ends_the_session(fields: dict[str, object]) -> None:
    session = fresh()
    batch = json.dumps(
        [{"RequestServerInfo": {"Id": 2, "ClientName": "x"} | fields}, {"Ping": {"Id": 3}}]
    )
    actions = session.receive(batch, 0)
    assert errors(actions) == [(2, 1), (3, 1)]
    assert isinstance(actions[-1], Closing)
    assert session.state is ServerState.CLOSED


@pytest.mark.parametrize("name", ["Ping", "StartScanning", "OutputCmd", "Nonsense", "VibrateCmd"])
def test_everything_else_waits_for_the_handshake(name: str) -> None:
    session = fresh()
    assert errors(session.receive(frame(name, Id=9), 0)) == error(9, 1)
    assert session.state is ServerState.AWAITING_HANDSHAKE


def test_unreadable_frame_before_the_handshake_is_a_message_error() -> None:
    assert errors(fresh().receive("{", 0)) == error(0, 3)


def test_handshake_and_more_in_one_frame_is_done_in_order() -> None:
    served = Served(None)
    batch = [*json.loads(hello(4)), {"RequestDeviceList": {"Id": 2}}, {"StartScanning": {"Id": 3}}]
    assert [name for name, _ in served.say(json.dumps(batch))] == ["ServerInfo", "DeviceList", "Ok"]


@pytest.mark.parametrize("again", [0, 3, 4, 5])
def test_second_handshake_is_refused_and_changes_nothing(again: int) -> None:
    served = Served(3)
    reply = served.say(
        frame("RequestServerInfo", Id=8, ClientName="y", MessageVersion=again)
        if again == 5
        else hello(again, id=8)
    )
    assert [(f["Id"], f["ErrorCode"]) for _, f in reply] == error(8, 1)
    assert (served.session.version, served.session.client_name) == (3, "Test")
    assert served.closing is None


def test_client_name_is_fit_for_display() -> None:
    session = fresh()
    request = frame("RequestServerInfo", Id=1, ClientName="a\nb\x1b[0m" + "c" * 999 + "\ud800")
    session.receive(request, 0)
    assert session.state is ServerState.READY
    assert session.client_name.isprintable()
    assert len(session.client_name) < 300


def test_only_the_tables_own_steps_exist() -> None:
    assert set(TRANSITIONS) == {
        (ServerState.AWAITING_HANDSHAKE, ServerEvent.HANDSHAKE),
        (ServerState.AWAITING_HANDSHAKE, ServerEvent.TOO_NEW),
        (ServerState.READY, ServerEvent.REQUEST),
        (ServerState.READY, ServerEvent.DISCONNECT),
        (ServerState.READY, ServerEvent.PING_MISSED),
    }


def test_repr_says_who_and_where() -> None:
    assert repr(Served(3).session) == "<ServerSession READY 'Test' v3>"


# --- malformed input, row by row -----------------------------------------------------------------

VIBRATE = {"Id": 6, "DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 5}}}

MALFORMED: dict[str, tuple[str | bytes, list[tuple[int, int]]]] = {
    "not JSON": ("hello", [(0, 3)]),
    "truncated": ('[{"Ping":{"Id":1}', [(0, 3)]),
    "a number": ("5", [(0, 3)]),
    "a string": ('"Ping"', [(0, 3)]),
    "empty frame": ("", []),
    "empty array": ("[]", []),
    "empty object": ("[{}]", [(0, 3)]),
    "unknown name": ('[{"Foo":{"Id":4}}]', [(4, 3)]),
    "unknown name without Id": ('[{"Foo":{}}]', [(0, 3)]),
    "body is no object": ('[{"Ping":5}]', [(0, 3)]),
    "body is null": ('[{"Ping":null}]', [(0, 3)]),
    "message of another version": ('[{"VibrateCmd":{"Id":4}}]', [(4, 3)]),
    "message of the server": ('[{"Ok":{"Id":4}}]', [(4, 3)]),
    "extra field": ('[{"Ping":{"Id":4,"X":1}}]', [(4, 3)]),
    "missing field": ('[{"OutputCmd":{"Id":4,"DeviceIndex":0}}]', [(4, 3)]),
    "missing Id": ('[{"Ping":{}}]', [(0, 3)]),
    "Id 0": ('[{"Ping":{"Id":0}}]', [(0, 3)]),
    "Id negative": ('[{"Ping":{"Id":-1}}]', [(0, 3)]),
    "Id too large": ('[{"Ping":{"Id":4294967296}}]', [(0, 3)]),
    "Id a string": ('[{"Ping":{"Id":"4"}}]', [(0, 3)]),
    "Id null": ('[{"Ping":{"Id":null}}]', [(0, 3)]),
    "two keys": ('[{"Ping":{"Id":4},"StartScanning":{"Id":4}}]', [(4, 3)]),
    "nested array": ('[[{"Ping":{"Id":4}}]]', [(0, 3)]),
    "binary that is not UTF-8": (b"\xff", [(0, 3)]),
    "wrong type": (frame("OutputCmd", **VIBRATE | {"DeviceIndex": "0"}), [(6, 3)]),
    "negative index": (frame("OutputCmd", **VIBRATE | {"FeatureIndex": -1}), [(6, 3)]),
    "fractional value": (
        frame("OutputCmd", **VIBRATE | {"Command": {"Vibrate": {"Value": 1.5}}}),
        [(6, 3)],
    ),
    "boolean value": (
        frame("OutputCmd", **VIBRATE | {"Command": {"Vibrate": {"Value": True}}}),
        [(6, 3)],
    ),
    "value beyond 32 bits": (
        frame("OutputCmd", **VIBRATE | {"Command": {"Vibrate": {"Value": 2**31}}}),
        [(6, 3)],
    ),
    "no command": (frame("OutputCmd", **VIBRATE | {"Command": {}}), [(6, 3)]),
    "two commands": (
        frame(
            "OutputCmd",
            **VIBRATE | {"Command": {"Vibrate": {"Value": 1}, "Rotate": {"Value": 1}}},
        ),
        [(6, 3)],
    ),
    "unknown command": (
        frame("OutputCmd", **VIBRATE | {"Command": {"Fly": {"Value": 1}}}),
        [(6, 3)],
    ),
    "position without duration": (
        frame("OutputCmd", **VIBRATE | {"Command": {"HwPositionWithDuration": {"Value": 1}}}),
        [(6, 3)],
    ),
    "unknown input": (
        frame("InputCmd", Id=6, DeviceIndex=0, FeatureIndex=2, Type="Mood", Command="Read"),
        [(6, 3)],
    ),
    "unknown input command": (
        frame("InputCmd", Id=6, DeviceIndex=0, FeatureIndex=2, Type="Battery", Command="Eat"),
        [(6, 3)],
    ),
}


@pytest.mark.parametrize("row", MALFORMED)
def test_malformed_frame_gets_its_error_and_the_session_goes_on(row: str) -> None:
    sent_frame, expected = MALFORMED[row]
    served = Served(4)
    reply = served.say(sent_frame)
    assert [(fields["Id"], fields["ErrorCode"]) for _, fields in reply] == expected
    assert all(name == "Error" for name, _ in reply)
    assert served.took() == []
    assert served.ask("Ping", Id=77) == [("Ok", {"Id": 77})]
    assert served.closing is None


ACCEPTED: dict[str, str | bytes] = {
    "lone object": '{"Ping":{"Id":4}}',
    "integral Id": '[{"Ping":{"Id":4.0}}]',
    "null for absent": '[{"StopCmd":{"Id":4,"DeviceIndex":null,"FeatureIndex":null}}]',
    "binary frame": b'[{"Ping":{"Id":4}}]',
    "arrays one behind the other": '[][{"Ping":{"Id":4}}]',
    "integral value": frame(
        "OutputCmd", **VIBRATE | {"Id": 4, "Command": {"Vibrate": {"Value": 5.0}}}
    ),
    "extra key beside Value": frame(
        "OutputCmd", **VIBRATE | {"Id": 4, "Command": {"Vibrate": {"Value": 5, "Clockwise": True}}}
    ),
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_harmless_deviation_is_accepted(row: str) -> None:
    assert Served(4).say(ACCEPTED[row]) == [("Ok", {"Id": 4})]


def test_one_bad_message_does_not_lose_its_siblings() -> None:
    served = Served(4)
    batch = [
        {"Ping": {"Id": 1}},
        {"Foo": {"Id": 2}},
        7,
        {"OutputCmd": VIBRATE},
        {"Ping": {}},
        {"StopCmd": {"Id": 8}},
    ]
    replies = served.say(json.dumps(batch))
    assert [(name, fields["Id"]) for name, fields in replies] == [
        ("Ok", 1),
        ("Error", 2),
        ("Error", 0),
        ("Ok", 6),
        ("Error", 0),
        ("Ok", 8),
    ]


def test_refusal_names_the_versions_that_have_the_message() -> None:
    ((_, fields),) = Served(4).ask("VibrateCmd", Id=4)
    assert fields["ErrorMessage"] == (
        "VibrateCmd is a message of spec v1 to v3; this session speaks v4."
    )


# --- ping ----------------------------------------------------------------------------------------


def test_ping_is_answered_where_none_is_wanted() -> None:
    served = Served(4)
    assert served.session.deadline is None
    assert served.ask("Ping", Id=2) == [("Ok", {"Id": 2})]
    assert served.session.deadline is None


@pytest.mark.parametrize("version", range(5))
def test_missed_ping_is_an_error_of_code_2_and_the_end(version: int) -> None:
    served = Served(version, max_ping_ms=1500)
    session = served.session
    assert session.deadline == served.now + 1.5
    assert session.tick(served.now + 1.499) == []
    *frames, closing = session.tick(served.now + 1.5)
    assert errors(frames) == error(0, 2)
    assert isinstance(closing, Closing)
    assert closing.request is None
    assert repr(session).startswith("<ServerSession CLOSED")
    assert session.tick(served.now + 9) == []


def test_deadline_starts_with_the_handshake_and_moves_with_pings_only() -> None:
    served = Served(None, max_ping_ms=1000)
    assert served.session.deadline is None
    served.say(hello(4))
    assert served.session.deadline == 101.0
    served.now = 100.9
    served.ask("StartScanning", Id=2)
    assert served.session.deadline == 101.0
    served.ask("Ping", Id=3)
    assert served.session.deadline == 101.9


def test_client_that_floods_instead_of_pinging_is_ended_too() -> None:
    served = Served(4, max_ping_ms=1000)
    served.now += 1
    replies = served.ask("OutputCmd", **VIBRATE)
    assert [(f["Id"], f["ErrorCode"]) for _, f in replies] == [(0, 2), (6, 2)]
    assert served.took() == []
    assert served.closing is not None


# --- end -----------------------------------------------------------------------------------------


def test_disconnect_is_for_the_hub_and_closing_comes_after_its_reply() -> None:
    session = ServerSession("Hub", devices=dict)
    session.receive(hello(4), 0)
    request, late, closing = session.receive('[{"Disconnect":{"Id":2}},{"Ping":{"Id":3}}]', 0)
    assert isinstance(request, ClientRequest)
    assert request.commands == (Disconnect(id=2),)
    assert errors([late]) == error(3, 1)
    assert closing == Closing(1000, "The client disconnects.", request)
    assert session.reply(request, None) == '[{"Ok":{"Id":2}}]'
    assert errors(session.receive(hello(4, id=5), 0)) == error(5, 1)


@pytest.mark.parametrize("end", ["before the handshake", "after the end"])
def test_no_events_outside_the_session(end: str) -> None:
    served = Served(None if end == "before the handshake" else 4)
    if end == "after the end":
        served.ask("Disconnect", Id=2)
    session = served.session
    served.devices[1] = nora(1)
    assert session.device_list() == []
    assert session.scanning_finished() == []
    assert session.reading(0, 2, InputType.BATTERY, 5) == []
    assert session.error(ForwarderError("x")) == []


# --- v4 ------------------------------------------------------------------------------------------


def test_v4_list_is_the_one_of_the_reference() -> None:
    ((name, fields),) = Served(4).ask("RequestDeviceList", Id=2)
    assert name == "DeviceList"
    features = {
        "0": {
            "FeatureIndex": 0,
            "FeatureDescription": "",
            "Output": {"Vibrate": {"Value": [0, 20]}},
        },
        "1": {
            "FeatureIndex": 1,
            "FeatureDescription": "",
            "Output": {"Rotate": {"Value": [-20, 20]}},
        },
        "2": {
            "FeatureIndex": 2,
            "FeatureDescription": "battery Level",
            "Input": {"Battery": {"Value": [[0, 100]], "Command": ["Read"]}},
        },
    }
    listed = {
        "DeviceIndex": 0,
        "DeviceName": "Lovense Nora",
        "DeviceMessageTimingGap": 100,
        "DeviceFeatures": features,
    }
    assert fields == {"Id": 2, "Devices": {"0": listed}}


def test_device_list_event_comes_once_per_change() -> None:
    served = Served(4, {})
    assert served.session.device_list() == []
    served.devices[0] = nora()
    ((name, fields),) = sent(served.session.device_list())
    assert (name, fields["Id"]) == ("DeviceList", 0)
    assert served.session.device_list() == []
    served.devices.clear()
    assert sent(served.session.device_list()) == [("DeviceList", {"Id": 0, "Devices": {}})]


def test_asking_for_the_list_makes_an_event_needless() -> None:
    served = Served(4)
    served.ask("RequestDeviceList", Id=2)
    assert served.session.device_list() == []


def test_change_of_a_range_is_a_change_of_the_list() -> None:
    served = Served(4)
    served.ask("RequestDeviceList", Id=2)
    served.devices[0] = device(0, "Lovense Nora", [])
    assert len(served.session.device_list()) == 1


@pytest.mark.parametrize(
    ("sent_fields", "taken"),
    [
        ({"Id": 4}, StopCmd(id=4)),
        ({"Id": 4, "DeviceIndex": 1}, StopCmd(id=4, device_index=1)),
        (
            {"Id": 4, "DeviceIndex": 1, "FeatureIndex": 2, "Inputs": False},
            StopCmd(id=4, device_index=1, feature_index=2, inputs=False),
        ),
        ({"Id": 4, "Outputs": False}, StopCmd(id=4, outputs=False)),
        ({"Id": 4, "FeatureIndex": 2}, StopCmd(id=4)),
    ],
)
def test_stop_keeps_its_scope(sent_fields: dict[str, object], taken: StopCmd) -> None:
    served = Served(4)
    assert served.ask("StopCmd", **sent_fields) == [("Ok", {"Id": 4})]
    assert served.took() == [taken]


@pytest.mark.parametrize("kind", list(OutputType))
def test_every_output_type_reaches_the_hub(kind: OutputType) -> None:
    served = Served(4)
    value: dict[str, int] = {"Value": 3}
    expected = OutputValue(value=3)
    if kind is OutputType.HW_POSITION_WITH_DURATION:
        value["Duration"] = 250
        expected = OutputValue(value=3, duration=250)
    reply = served.ask("OutputCmd", Id=4, DeviceIndex=0, FeatureIndex=1, Command={kind: value})
    assert reply == [("Ok", {"Id": 4})]
    assert served.took() == [
        OutputCmd(id=4, device_index=0, feature_index=1, command={kind: expected})
    ]


def test_duration_where_it_means_nothing_is_left_out() -> None:
    served = Served(4)
    served.ask("OutputCmd", **VIBRATE | {"Command": {"Vibrate": {"Value": 5, "Duration": 9}}})
    (command,) = served.took()
    assert isinstance(command, OutputCmd)
    assert command.command == {OutputType.VIBRATE: OutputValue(value=5)}


def test_scanning_is_for_the_hub() -> None:
    served = Served(4)
    served.ask("StartScanning", Id=2)
    served.ask("StopScanning", Id=3)
    assert served.took() == [StartScanning(id=2), StopScanning(id=3)]
    assert served.session.scanning_finished() == ['[{"ScanningFinished":{"Id":0}}]']


def test_reading_answers_a_read_and_comes_as_an_event() -> None:
    served = Served(4)
    reading = {"Battery": {"Value": 87}}
    expected = {"DeviceIndex": 0, "FeatureIndex": 2, "Reading": reading}
    reply = served.ask(
        "InputCmd", Id=8, DeviceIndex=0, FeatureIndex=2, Type="Battery", Command="Read"
    )
    assert reply == [("InputReading", {"Id": 8} | expected)]
    event = served.session.reading(0, 2, InputType.BATTERY, 87)
    assert sent(event) == [("InputReading", {"Id": 0} | expected)]


def test_reply_always_carries_the_clients_own_id() -> None:
    session = ServerSession("Hub", devices=dict)
    session.receive(hello(4), 0)
    (request,) = session.receive('[{"StopCmd":{"Id":9}}]', 0)
    assert isinstance(request, ClientRequest)
    reading = InputReading(
        id=1, device_index=0, feature_index=0, reading={InputType.BUTTON: ReadingValue(value=1)}
    )
    outcomes: list[ServerMessage] = [
        Ok(id=1),
        Error(id=0, error_code=4, error_message="x"),
        reading,
    ]
    frames = [session.reply(request, outcome) for outcome in outcomes]
    assert [fields["Id"] for _, fields in sent(frames)] == [9, 9, 9]


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (UnknownDevice(7), 4),
        (OutOfRange("Hush", "Vibrate", 21, 0, 20), 4),
        (Denied("The wearer paused."), 4),
        (HardwareError(ErrorCode.GONE, "Hush is gone."), 4),
        (MessageError("no"), 3),
        (ForwarderError("?"), 0),
    ],
)
def test_failure_has_the_right_code_and_id(
    problem: ForwarderError, code: int, version: int
) -> None:
    served = Served(version)
    (request,) = served.session.receive('[{"StartScanning":{"Id":9}}]', 0)
    assert isinstance(request, ClientRequest)
    ((name, fields),) = sent([served.session.fail(request, problem)])
    assert (name, fields) == ("Error", {"Id": 9, "ErrorCode": code, "ErrorMessage": str(problem)})
    assert errors(served.session.error(problem)) == error(0, code)


def test_error_text_is_one_line() -> None:
    ((_, fields),) = sent(Served(4).session.error(ForwarderError("a\n  b")))
    assert fields["ErrorMessage"] == "a b"
