from __future__ import annotations

import json

import pytest

from forwarder.buttplug.client import (
    HANDSHAKE_TIMEOUT,
    MAX_PENDING,
    REPLY_TIMEOUT,
    ClientSession,
    ClientState,
    DevicesListed,
    HandshakeFailed,
    Ignored,
    InputValue,
    Ready,
    RequestReply,
    ScanEnded,
    ServerError,
)
from forwarder.buttplug.messages import (
    MAX_U32,
    DeviceList,
    Error,
    InputType,
    Ok,
    RequestDeviceList,
    StartScanning,
    StopCmd,
)
from forwarder.errors import Code, ForwarderError, HandshakeError
from tests.forwarder.buttplug.devices import nora
from tests.forwarder.buttplug.harness import frame
from tests.forwarder.buttplug.wired import Wired


def server_info(*, max_ping_ms: int = 0, id: int = 1) -> str:
    return frame(
        "ServerInfo",
        Id=id,
        ServerName="S",
        ProtocolVersionMajor=4,
        ProtocolVersionMinor=0,
        MaxPingTime=max_ping_ms,
    )


def ready(*, max_ping_ms: int = 0) -> ClientSession:
    """At time 0, with its own RequestDeviceList answered."""
    session = ClientSession("me")
    session.hello(0)
    session.receive(server_info(max_ping_ms=max_ping_ms), 0)
    session.receive(frame("DeviceList", Id=2, Devices={}), 0)
    return session


# --- handshake -----------------------------------------------------------------------------------


def test_hello_is_that_of_the_version() -> None:
    (v4,) = json.loads(ClientSession("me").hello(0))
    assert v4 == {
        "RequestServerInfo": {
            "Id": 1,
            "ClientName": "me",
            "ProtocolVersionMajor": 4,
            "ProtocolVersionMinor": 0,
        }
    }
    (v3,) = json.loads(ClientSession("me", version=3).hello(0))
    assert v3 == {"RequestServerInfo": {"Id": 1, "ClientName": "me", "MessageVersion": 3}}


def test_welcome_is_followed_by_asking_for_the_devices() -> None:
    session = ClientSession("me")
    session.hello(0)
    actions = session.receive(server_info(), 0)
    assert actions == [Ready("S", 4, 0), '[{"RequestDeviceList":{"Id":2}}]']
    assert repr(session) == "<ClientSession READY 'S' v4>"


def test_handshake_refused_by_an_error() -> None:
    session = ClientSession("me")
    session.hello(0)
    refusal = frame("Error", Id=1, ErrorCode=1, ErrorMessage="too\nnew")
    assert session.receive(refusal, 0) == [HandshakeFailed(Code.INIT, "too new")]
    assert (session.state, session.deadline) == (ClientState.CLOSED, None)


def test_handshake_refused_by_silence() -> None:
    """What a v3 server of the reference does with a v4 handshake."""
    session = ClientSession("me")
    session.hello(10)
    assert session.deadline == 10 + HANDSHAKE_TIMEOUT
    assert session.tick(10 + HANDSHAKE_TIMEOUT - 0.1) == []
    (event,) = session.tick(10 + HANDSHAKE_TIMEOUT)
    assert isinstance(event, HandshakeFailed)


def test_server_of_another_version_is_refused() -> None:
    session = ClientSession("me", version=3)
    session.hello(0)
    reply = frame("ServerInfo", Id=1, ServerName="Old", MessageVersion=2, MaxPingTime=0)
    (event,) = session.receive(reply, 0)
    assert event == HandshakeFailed(Code.INIT, "Old speaks spec v2, not v3.")


def test_requests_wait_for_the_welcome() -> None:
    session = ClientSession("me")
    with pytest.raises(HandshakeError):
        session.request(StartScanning(id=1), 0)
    session.hello(0)
    with pytest.raises(HandshakeError):
        session.request(StartScanning(id=1), 0)
    with pytest.raises(HandshakeError):
        session.hello(0)
    (event,) = session.receive(frame("ScanningFinished", Id=0), 0)
    assert isinstance(event, Ignored)
    session.receive(frame("Error", Id=0, ErrorCode=1, ErrorMessage="no"), 0)
    assert session.state is ClientState.CLOSED
    (event,) = session.receive(server_info(), 0)
    assert isinstance(event, Ignored)


# --- requests ------------------------------------------------------------------------------------


def test_each_request_gets_the_reply_with_its_id() -> None:
    session = ready()
    first, text = session.request(StartScanning(id=1), 0)
    second, _ = session.request(StopCmd(id=1), 0)
    assert text == f'[{{"StartScanning":{{"Id":{first}}}}}]'
    error = frame("Error", Id=second, ErrorCode=4, ErrorMessage="gone")
    assert session.receive(error, 1) == [
        RequestReply(second, Error(id=second, error_code=4, error_message="gone"))
    ]
    assert session.receive(frame("Ok", Id=first), 1) == [RequestReply(first, Ok(id=first))]
    assert session.deadline is None


def test_request_without_an_answer_fails_by_itself() -> None:
    session = ready()
    id, _ = session.request(StartScanning(id=1), 5)
    later, _ = session.request(StartScanning(id=1), 6)
    assert session.deadline == 5 + REPLY_TIMEOUT
    assert session.tick(5 + REPLY_TIMEOUT - 0.1) == []
    (event,) = session.tick(5 + REPLY_TIMEOUT)
    assert isinstance(event, RequestReply)
    assert isinstance(event.message, Error)
    assert (event.request_id, event.message.error_code) == (id, 0)
    assert session.deadline == 6 + REPLY_TIMEOUT
    late = session.receive(frame("Ok", Id=id), 20)
    assert [type(item) for item in late] == [Ignored]
    assert [type(item) for item in session.receive(frame("Ok", Id=later), 20)] == [RequestReply]


def test_forgotten_request_gets_no_reply() -> None:
    session = ready()
    id, _ = session.request(StartScanning(id=1), 0)
    session.forget(id)
    session.forget(id)
    assert session.deadline is None
    assert session.tick(100) == []
    assert [type(item) for item in session.receive(frame("Ok", Id=id), 0)] == [Ignored]


def test_answer_that_cannot_be_read_is_a_failure_not_silence() -> None:
    session = ready()
    id, _ = session.request(StartScanning(id=1), 0)
    (event,) = session.receive(frame("InputReading", Id=id, Nonsense=1), 0)
    assert isinstance(event, RequestReply)
    assert isinstance(event.message, Error)


def test_own_list_request_shows_as_devices_and_the_callers_as_both() -> None:
    session = ready()
    id, _ = session.request(RequestDeviceList(id=1), 0)
    events = session.receive(frame("DeviceList", Id=id, Devices={}), 0)
    assert events == [DevicesListed({}), RequestReply(id, DeviceList(id=id, devices={}))]


def test_too_much_unanswered_is_refused_but_a_stop_always_goes() -> None:
    session = ready()
    for _ in range(MAX_PENDING):
        session.request(StartScanning(id=1), 0)
    with pytest.raises(ForwarderError, match="unanswered"):
        session.request(StartScanning(id=1), 0)
    session.request(StopCmd(id=1), 0)


def test_ids_start_again_at_the_end() -> None:
    session = ready()
    session._last_id = MAX_U32 - 1
    assert [session.request(StopCmd(id=1), 0)[0] for _ in range(2)] == [MAX_U32, 1]


def test_end_fails_whatever_is_open_and_nothing_is_due_any_more() -> None:
    session = ready(max_ping_ms=1000)
    session.tick(0.5)
    first, _ = session.request(StartScanning(id=1), 0.5)
    second, _ = session.request(StopCmd(id=1), 0.5)
    assert session.end("The server is gone.") == [
        RequestReply(id, Error(id=id, error_code=0, error_message="The server is gone."))
        for id in (first, second)
    ]
    assert (session.state, session.deadline) == (ClientState.CLOSED, None)
    assert session.end("again") == []
    with pytest.raises(HandshakeError):
        session.request(StopCmd(id=1), 1)


@pytest.mark.parametrize("greeting", [False, True])
def test_end_may_come_before_the_welcome(greeting: bool) -> None:
    session = ClientSession("me")
    if greeting:
        session.hello(0)
    assert session.end("gone") == []
    assert session.deadline is None


# --- events --------------------------------------------------------------------------------------


def test_events() -> None:
    session = ready()
    reading = {"Pressure": {"Value": 7}}
    event = frame("InputReading", Id=0, DeviceIndex=1, FeatureIndex=2, Reading=reading)
    assert session.receive(event, 0) == [InputValue(1, 2, InputType.PRESSURE, 7)]
    assert session.receive(frame("ScanningFinished", Id=0), 0) == [ScanEnded()]
    error = frame("Error", Id=0, ErrorCode=2, ErrorMessage="ping")
    assert session.receive(error, 0) == [ServerError(Code.PING, "ping")]
    strange = frame("Error", Id=0, ErrorCode=9, ErrorMessage="?")
    assert session.receive(strange, 0) == [ServerError(Code.UNKNOWN, "?")]


@pytest.mark.parametrize("text", ["", "[]"])
def test_nothing_is_nothing(text: str) -> None:
    assert ready().receive(text, 0) == []


@pytest.mark.parametrize("text", ["{", b"\xff", '[{"Later":{"Id":0}}]', '[{"Ok":{"Id":99}}]'])
def test_what_cannot_be_used_is_ignored_aloud(text: str | bytes) -> None:
    assert [type(item) for item in ready().receive(text, 0)] == [Ignored]


def test_devices_are_kept() -> None:
    wired = Wired(4, {0: nora()})
    assert wired.client.devices == {0: nora()}
    wired.served.devices.clear()
    wired.deliver(wired.served.session.device_list())
    assert wired.client.devices == {}
    assert wired.events[-1] == DevicesListed({})


# --- ping ----------------------------------------------------------------------------------------


def test_pings_go_out_twice_per_limit() -> None:
    session = ready(max_ping_ms=1000)
    assert session.deadline == 0.5
    assert session.tick(0.4) == []
    assert session.tick(0.5) == ['[{"Ping":{"Id":3}}]']
    assert session.deadline == 1.0
    assert session.receive(frame("Ok", Id=3), 0.6) == []
    assert session.tick(1.2) == ['[{"Ping":{"Id":4}}]']
    assert session.deadline == 1.7


def test_pings_keep_a_session_alive_and_their_absence_ends_it() -> None:
    wired = Wired(4, {}, max_ping_ms=1000)
    for _ in range(10):
        deadline = wired.client.deadline
        assert deadline is not None
        wired.served.now = deadline
        wired.carry(wired.client.tick(deadline))
    assert wired.served.closing is None
    assert wired.served.session.tick(wired.served.now + 1) != []


def test_a_server_that_answers_nothing_is_not_pinged_without_bound() -> None:
    session = ready(max_ping_ms=1000)
    for _ in range(MAX_PENDING):
        session.request(StartScanning(id=1), 0)
    assert session.tick(0.5) == []


def test_unanswered_ping_is_reported() -> None:
    session = ready(max_ping_ms=60_000)
    session.tick(30)
    (event,) = session.tick(30 + REPLY_TIMEOUT)
    assert isinstance(event, ServerError)
    session.tick(60)
    (event,) = session.receive(frame("Error", Id=4, ErrorCode=2, ErrorMessage="late"), 61)
    assert event == ServerError(Code.PING, "late")
