"""What no transcript shows; the rest stands in tests of the server session."""

from __future__ import annotations

import pytest

from forwarder.buttplug.codec import Envelope
from forwarder.buttplug.legacy.handshake import (
    LegacyHello,
    UnreadableHandshake,
    UnservedVersion,
    read_handshake,
)


def read(**fields: object) -> LegacyHello:
    return read_handshake(Envelope("RequestServerInfo", {"Id": 1, "ClientName": "x"} | fields))


def test_null_and_integral_floats_are_fine_here_too() -> None:
    assert read(
        MessageVersion=None, ProtocolVersionMajor=4.0, ProtocolVersionMinor=0
    ) == LegacyHello(1, "x", 4)


def test_message_version_0_is_v0() -> None:
    assert read(MessageVersion=0) == LegacyHello(1, "x", 0)


def test_any_minor_version_is_fine() -> None:
    assert read(ProtocolVersionMajor=4, ProtocolVersionMinor=17).version == 4


def test_errors_carry_the_id_to_answer() -> None:
    with pytest.raises(UnreadableHandshake) as unreadable:
        read_handshake(Envelope("RequestServerInfo", {"Id": 7}))
    assert unreadable.value.id == 7
    with pytest.raises(UnservedVersion, match=r"v0 to v4; the client asks for v9\.") as unserved:
        read(Id=8, MessageVersion=9)
    assert unserved.value.id == 8
