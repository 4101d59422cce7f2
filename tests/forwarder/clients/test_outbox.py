from __future__ import annotations

import pytest

from forwarder.buttplug.messages import InputType
from forwarder.buttplug.server import ServerSession
from forwarder.clients.outbox import ClientOutbox
from forwarder.connectors.bounds import ANSWER_BYTES, ANSWERS
from tests.doubles.driver import device


@pytest.fixture
def outbox() -> ClientOutbox:
    session = ServerSession("hub", max_ping_ms=0, devices=dict)
    session.receive(
        '[{"RequestServerInfo": {"Id": 1, "ClientName": "a", "ProtocolVersionMajor": 4,'
        ' "ProtocolVersionMinor": 0}}]',
        0.0,
    )
    return ClientOutbox(session)


def test_replies_leave_in_order_and_before_news_of_which_the_newest_counts(
    outbox: ClientOutbox,
) -> None:
    for value in (1, 2):
        outbox.reading(0, 0, InputType.BATTERY, value)
    outbox.reply(["a", "b"])
    assert outbox.filled.is_set()
    assert [outbox.due(), outbox.due()] == [["a"], ["b"]]
    (reading,) = outbox.due()
    assert '"Value":2' in reading.replace(" ", "")
    assert not outbox
    outbox.devices_changed()
    assert outbox
    assert outbox.due() == []  # there are none, and the client knows that
    assert not outbox


@pytest.mark.parametrize("frames", [["x"] * ANSWERS, ["x" * ANSWER_BYTES]], ids=["many", "long"])
def test_there_is_no_room_while_answers_do_not_leave(
    outbox: ClientOutbox, frames: list[str]
) -> None:
    outbox.reply(frames)
    assert not outbox.room.is_set()
    outbox.due()
    assert outbox.room.is_set()


def test_a_fresh_one_has_room_and_nothing_to_send(outbox: ClientOutbox) -> None:
    assert outbox.room.is_set()
    assert not outbox.filled.is_set()
    assert not outbox
    assert outbox.due() == []


@pytest.mark.parametrize("what", ["reply", "list", "reading"])
def test_whatever_is_to_be_sent_is_told(outbox: ClientOutbox, what: str) -> None:
    if what == "reply":
        outbox.reply(["a"])
    elif what == "list":
        outbox.devices_changed()
    else:
        outbox.reading(0, 0, InputType.BATTERY, 1)
    assert outbox.filled.is_set()
    assert outbox


@pytest.mark.parametrize("bytes", [ANSWER_BYTES - 1, ANSWER_BYTES])
def test_the_bound_is_in_bytes_and_nothing_else_counts(outbox: ClientOutbox, bytes: int) -> None:
    outbox.reply(["x" * bytes])
    assert outbox.room.is_set() == (bytes < ANSWER_BYTES)


def test_a_changed_list_is_sent_once() -> None:
    found = {0: device().info()}
    session = ServerSession("hub", max_ping_ms=0, devices=lambda: dict(found))
    session.receive(
        '[{"RequestServerInfo": {"Id": 1, "ClientName": "a", "ProtocolVersionMajor": 4,'
        ' "ProtocolVersionMinor": 0}}]',
        0.0,
    )
    session.receive('[{"RequestDeviceList": {"Id": 2}}]', 0.0)
    outbox = ClientOutbox(session)
    found.clear()
    outbox.devices_changed()
    (frame,) = outbox.due()
    assert "DeviceList" in frame
    assert outbox.due() == []
