"""OSSM: what it says about its mode makes settings due, and tells what must be asked for again."""

from __future__ import annotations

import json

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.check import endpoints_of, numbered, opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.protocols.classes.ossm import Ossm, mode_of
from relay.link.messages import Packet

LOADED = Files(DATA).get("ossm")
NAMES = {handle: name for name, handle in numbered(endpoints_of(LOADED)).items()}
OSCILLATE, MOVE = OutputType.OSCILLATE, OutputType.HW_POSITION_WITH_DURATION
SETTINGS = ["txmode false", "tx set:depth:100", "tx set:stroke:100"]


def opened() -> Ossm:
    protocol = open_protocol(LOADED, opening_of(LOADED, LOADED.entries()[0]))
    assert isinstance(protocol, Ossm)
    return protocol


def says(protocol: Ossm, state: str) -> list[str]:
    return shown(protocol.heard("rx", json.dumps({"state": state}).encode()))


def shown(packets: tuple[Packet, ...]) -> list[str]:
    assert all(packet.response for packet in packets)
    return [f"{NAMES[packet.handle]} {packet.data.decode()}" for packet in packets]


def test_a_mode_that_is_new_gets_its_settings_once() -> None:
    protocol = opened()
    assert protocol.listens == ("rx",)
    protocol.output(0, OSCILLATE, 50)
    assert says(protocol, "menu.idle") == []
    assert says(protocol, "strokeEngine.preflight") == SETTINGS
    assert says(protocol, "strokeEngine.idle") == []
    protocol.output(0, MOVE, 50, 100)
    assert says(protocol, "streaming.idle") == [*SETTINGS, "tx set:speed:100"]


def test_a_mode_that_was_left_at_the_machine_is_asked_for_again() -> None:
    protocol = opened()
    protocol.output(0, OSCILLATE, 50)
    says(protocol, "strokeEngine.idle")
    assert shown(protocol.output(0, OSCILLATE, 51)) == ["tx set:speed:51"]
    says(protocol, "menu.idle")
    assert shown(protocol.output(0, OSCILLATE, 52))[0] == "tx go:menu"


def test_a_stop_reaches_strokes_that_were_started_at_the_machine() -> None:
    protocol = opened()
    assert protocol.stop(None) == ()
    says(protocol, "strokeEngine.idle")
    assert shown(protocol.stop(None)) == ["tx set:speed:0"]


def test_what_is_armed_depends_on_nothing() -> None:
    protocol = opened()
    armed = protocol.armed()
    assert shown(armed) == ["tx set:speed:0"]
    protocol.output(0, MOVE, 50, 1000)
    assert protocol.armed() == armed


@pytest.mark.parametrize(
    "data", [b"", b"ok:go:menu", b"[1]", b'{"state": 3}', b"\xff", b"{" * 2000, b"null"]
)
def test_what_makes_no_sense_is_passed_over(data: bytes) -> None:
    protocol = opened()
    assert mode_of(data) is None
    assert protocol.heard("rx", data) == ()


def test_full_speed_is_for_a_machine_that_is_known_to_follow() -> None:
    """Its change of mode may have failed: then it would stroke at full speed."""
    protocol = opened()
    protocol.output(0, OSCILLATE, 50)
    says(protocol, "strokeEngine.idle")
    protocol.output(0, MOVE, 50, 100)
    assert shown(protocol.stop(None)) == ["tx set:speed:0"]
    assert shown(protocol.output(0, MOVE, 60, 100)) == [
        "tx go:menu",
        "tx go:streaming",
        "tx stream:60:100",
    ]
    says(protocol, "streaming.idle")
    protocol.stop(None)
    assert shown(protocol.output(0, MOVE, 70, 100)) == ["tx set:speed:100", "tx stream:70:100"]


def test_off_reaches_strokes_that_go_on_though_it_was_to_follow() -> None:
    protocol = opened()
    protocol.output(0, OSCILLATE, 50)
    says(protocol, "strokeEngine.idle")
    protocol.output(0, MOVE, 50, 100)
    assert shown(protocol.output(0, OSCILLATE, 0)) == ["tx set:speed:0"]
    assert shown(protocol.output(0, MOVE, 60, 100))[:2] == ["tx go:menu", "tx go:streaming"]
