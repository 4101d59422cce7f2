"""Every link message survives the wire; whatever else comes is refused and never crashes."""

from __future__ import annotations

import contextlib
from typing import get_args

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.link import messages as m
from relay.link.bounds import MOST_ITEMS, PLAIN_FRAME_BYTES
from relay.link.codec import decode_from_hub, decode_from_relay, encode
from relay.link.errors import LinkViolation

ADVERTISEMENT = m.Advertisement("AA:BB:CC:DD:EE:FF", "LVS-Z001", -50, (), {93: b"\x00\x27"})
SERVICE = m.Service("0" * 36, (m.Characteristic(3, "1" * 36, ("write",)),))
PACKET = m.Packet(3, b"\xf1\x05", True, (1, 2), 100, m.Counter(0, 4))

FROM_RELAY: list[m.FromRelay] = [
    m.Hello(1, "attic", "relay 0.1", "linux", ("scan",), m.RadioInfo("bleak"), (m.Held("A"),), 4),
    m.Advertisements((ADVERTISEMENT,)),
    m.Connected(7, (SERVICE,), 185, True),
    m.Done(7, True),
    m.Value(7, b"\x55"),
    m.Failed(7, m.ErrorCode.BUSY, "all slots are taken"),
    m.Notification(1, 3, b"Z:11:0082059AD3BD;"),
    m.Disconnected(1, "out of range"),
    m.Stopped(1, m.StopCause.LEASE, False, "the radio refused", 2),
    m.Echo(9, 1_000_000, 2_000_000),
    m.RadioState(m.RadioInfo("bleak", "hci0", False, 0, "switch Bluetooth on")),
    m.Wearer(True, False, (m.Ceiling(0.5, "Vibrate", "A"),), 600),
    m.Debts((m.Debt("A", "Hush", 12),)),
    m.GuestAnswer("Marie", 1, True),
    m.Stats({"writes": 12, "latency_ms": 1.5}),
    m.Bye("see you"),
]
FROM_HUB: list[m.FromHub] = [
    m.Welcome(1, "hub", (), 800, 9_000),
    m.Places(("ws://192.0.2.1:12346/link",), ("wss://meet.example.org/at/" + "a" * 26,)),
    m.Interests(("0" * 36,), ("LVS-*",), (93,)),
    m.Scan(True),
    m.Connect(1, 2, "A", 5_000),
    m.Disconnect(1, 2),
    m.Arm(1, 2, (PACKET,), 50, m.KeepAlive(3_000, PACKET, True, True), 4),
    m.Write(1, 2, 3, b"\x01", True),
    m.Output(1, 2, (PACKET, PACKET), True, True, 500),
    m.Stop(1, 2, (PACKET,), False, True, 3),
    m.StopAll(1),
    m.Forget(1, "A"),
    m.Read(1, 2, 3),
    m.Subscribe(1, 2, 3),
    m.Unsubscribe(1, 2, 3),
    m.Beat(5, 1_000_000, {2: 900}),
    m.Status((m.Driven(2, "Hush", 0.5, ("a game",), 80),)),
    m.GuestList((m.GuestHere("Marie", 1, "Firefox on Android", True, True),)),
    m.Bye("revoked by the hub", False),
]


def test_every_message_of_both_sides_is_tried_here() -> None:
    assert {type(message) for message in FROM_RELAY} == set(get_args(m.FromRelay))
    assert {type(message) for message in FROM_HUB} == set(get_args(m.FromHub))


@pytest.mark.parametrize("message", FROM_RELAY, ids=lambda message: type(message).__name__)
def test_what_a_relay_says_arrives_as_it_was(message: m.FromRelay) -> None:
    assert decode_from_relay(encode(message)) == message


@pytest.mark.parametrize("message", FROM_HUB, ids=lambda message: type(message).__name__)
def test_what_the_hub_says_arrives_as_it_was(message: m.FromHub) -> None:
    assert decode_from_hub(encode(message)) == message


def test_the_wire_form_is_a_map_with_the_name_and_without_defaults() -> None:
    assert msgpack.unpackb(encode(m.Done(7))) == {"t": "Done", "id": 7}
    output = msgpack.unpackb(encode(m.Output(1, 2, (m.Packet(3, b"\xf1\x05", keys=(1,)),))))
    packet = {"h": 3, "d": b"\xf1\x05", "k": [1]}
    assert output == {"t": "Output", "id": 1, "p": 2, "packets": [packet]}


@pytest.mark.parametrize(
    "frame",
    [
        "text",
        b"",
        b"\xc1",
        b"\x93" * 30_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x05",
        msgpack.packb({"t": "Nobody"}),
        msgpack.packb({"t": []}),
        msgpack.packb({"id": 3}),
        msgpack.packb({"t": "Done"}),
        msgpack.packb({"t": "Done", "id": -1}),
        msgpack.packb({"t": "Done", "id": 3}) + b"x",
        msgpack.packb({"t": "Value", "id": 3, "d": b"x" * 513}),
        msgpack.packb({"t": "Hello", "version": 1, "name": "x" * 129}),
        msgpack.packb({"t": "Connect", "id": 1, "p": 2, "address": "A"}),
        msgpack.packb({"t": "Done", "id": msgpack.ExtType(5, b"z")}),
        msgpack.packb({"t": "Done", "id": 3, 5: 6}),
        msgpack.packb({"t": "Stats", "values": {str(n): 1 for n in range(MOST_ITEMS + 1)}}),
        msgpack.packb({"t": "Debts", "items": [{"address": "A"}] * (MOST_ITEMS + 1)}),
        b"\x82\xa1t\xa5Debts\xa5items\xdd\xff\xff\xff\xff",
        b"\x82\xa1t\xa5Stats\xa6values\xdf\xff\xff\xff\xff",
        b"\x83\xa1t\xa4Done\xa2id\x03\xa1z" + b"\x91" * 30_000 + b"\x01",
        bytes(PLAIN_FRAME_BYTES + 1),
    ],
)
def test_what_is_no_message_of_a_relay_is_refused(frame: bytes | str) -> None:
    with pytest.raises(LinkViolation):
        decode_from_relay(frame)


@pytest.mark.parametrize(
    "odd", ["x" * 5_000, b"x" * 5_000, [[0] * 5_000], {1: 2}, msgpack.Timestamp(1)]
)
def test_what_a_message_does_not_have_is_skipped(odd: object) -> None:
    assert decode_from_relay(msgpack.packb({"later": odd, "id": 3, "t": "Done"})) == m.Done(3)


@pytest.mark.parametrize("message", [*FROM_RELAY, *FROM_HUB], ids=lambda one: type(one).__name__)
def test_frames_are_those_of_any_other_library(message: m.FromRelay | m.FromHub) -> None:
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    assert encode(message) == msgpack.packb(plain)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_a_message_or_a_violation(frame: bytes) -> None:
    for decode in (decode_from_relay, decode_from_hub):
        with contextlib.suppress(LinkViolation):
            assert isinstance(decode(frame), msgspec.Struct)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers(0, 99), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([*FROM_RELAY, *FROM_HUB]), st.dictionaries(st.text(), _values, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_message_with_wrong_fields_is_a_message_or_a_violation(
    message: m.FromRelay | m.FromHub, wrong: dict[str, object]
) -> None:
    plain = msgpack.unpackb(encode(message), strict_map_key=False)
    for key, value in zip(list(plain), wrong.values(), strict=False):
        plain[key] = value
    frame = msgpack.packb(plain)
    for decode in (decode_from_relay, decode_from_hub):
        with contextlib.suppress(LinkViolation):
            assert isinstance(decode(frame), msgspec.Struct)


def test_a_message_larger_than_a_frame_is_our_own_violation() -> None:
    with pytest.raises(LinkViolation, match="Interests takes"):
        encode(m.Interests(("0" * 36,) * 4_000))
