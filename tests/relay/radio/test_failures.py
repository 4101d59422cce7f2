from __future__ import annotations

import pytest

from relay.link.messages import ErrorCode
from relay.radio.failures import classify, in_operation, told, wants_bond


@pytest.mark.parametrize(
    ("said", "code", "again"),
    [
        ("org.bluez.Error.NotReady Resource Not Ready", ErrorCode.RADIO, False),
        ("[org.freedesktop.DBus.Error.ServiceUnknown] org.bluez", ErrorCode.RADIO, False),
        ("No powered Bluetooth adapters found. Turn on Bluetooth", ErrorCode.RADIO, False),
        ("org.bluez.Error.InProgress In Progress", ErrorCode.BUSY, True),
        ("org.bluez.Error.Failed le-connection-concurrent-connection-limit", ErrorCode.BUSY, True),
        ("org.bluez.Error.Failed le-connection-busy", ErrorCode.BUSY, True),
        ("org.bluez.Error.Failed le-connection-abort-by-remote", ErrorCode.GONE, True),
        ("failed to discover services, device disconnected", ErrorCode.GONE, True),
        ("org.bluez.Error.Failed le-connection-timeout", ErrorCode.TIMEOUT, True),
        ("org.freedesktop.DBus.Error.UnknownObject", ErrorCode.NOT_FOUND, True),
        ("BleakDeviceNotFoundError Device with address A was not found", ErrorCode.NOT_FOUND, True),
        ("org.bluez.Error.NotPermitted Write not permitted", ErrorCode.REFUSED, False),
        ("GATT Protocol Error: Unlikely Error", ErrorCode.REFUSED, False),
        ("Could not write value: Unreachable", ErrorCode.GONE, True),
        ("something new", ErrorCode.RADIO, True),
    ],
)
def test_errors_are_told_apart_by_their_words(said: str, code: ErrorCode, *, again: bool) -> None:
    failure = classify(said)
    assert failure.code is code
    assert (failure.again_s is not None) is again


def test_a_missing_object_in_an_operation_means_that_the_peripheral_is_gone() -> None:
    assert in_operation(classify("UnknownObject")) is ErrorCode.GONE
    assert in_operation(classify("InProgress")) is ErrorCode.BUSY


@pytest.mark.parametrize(
    "said",
    [
        "GATT Protocol Error: Insufficient Authentication",
        "[org.bluez.Error.AuthenticationFailed] Authentication Failed",
        "Operation failed with ATT error: 0x0f",
        "le-connection-key-missing",
        "Peer removed pairing information",
    ],
)
def test_a_toy_that_wants_a_bond_says_so_and_how(said: str) -> None:
    assert wants_bond(said)
    text = told("AA:BB", OSError(), said)
    assert "bluetoothctl pair AA:BB" in text
    assert "have that phone forget it" in text
    assert said not in text


def test_other_errors_keep_their_own_words() -> None:
    said = "le-connection-abort-by-remote"
    assert not wants_bond(said)
    assert told("AA:BB", OSError(), said) == f"AA:BB: {said}"
