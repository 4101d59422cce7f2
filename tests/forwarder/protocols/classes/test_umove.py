"""Umove: places on the way of a move, and a stop for each of its models."""

from __future__ import annotations

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.check import opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.protocols.classes.umove import UMove, way

LOADED = Files(DATA).get("umove")
MOVE = OutputType.HW_POSITION_WITH_DURATION


def opened(model: str) -> UMove:
    protocol = open_protocol(LOADED, opening_of(LOADED, LOADED.models[model]))
    assert isinstance(protocol, UMove)
    return protocol


@pytest.mark.parametrize(
    ("here", "goal", "ms", "places"),
    [
        (0, 900, 300, [300, 600, 900]),
        (900, 0, 250, [450, 0]),
        (0, 3, 5000, [1, 2, 3]),
        (7, 7, 500, [7]),
        (0, 100, 40, [100]),
    ],
)
def test_a_move_has_a_place_each_100_ms_and_none_beyond_its_goal(
    here: int, goal: int, ms: int, places: list[int]
) -> None:
    assert way(here, goal, ms)[::-1] == places


def test_a_move_ends_at_its_goal_and_its_clock_ends_too() -> None:
    protocol = opened("Nx")
    assert protocol.tick_ms is None
    sent = [*protocol.output(1, MOVE, 1232, 1000)]
    while protocol.tick_ms is not None:
        sent += protocol.tick()
    assert len(sent) == 10
    assert [int.from_bytes(packet.data[12:], "little") for packet in sent][-1] == 1232
    counts = [int.from_bytes(packet.data[8:12], "little") for packet in sent]
    assert counts == list(range(1, 11))


def test_what_only_thrusts_is_armed_with_holding_and_the_others_with_rest() -> None:
    assert opened("Nx").armed() == ()
    armed = opened("Mi").armed()
    assert [packet.data.hex() for packet in armed] == [
        "5aa55500000001000100000000000000",
        "5aa55506ffff0000ffffffff00ff",
    ]


def test_a_newer_value_never_takes_the_heater_s_packet_away() -> None:
    """Both fill one slot: a heater's packet that still waits must come again with what follows."""
    protocol = opened("Mi")
    (heat,) = protocol.output(2, OutputType.TEMPERATURE, 40)
    following = protocol.output(0, OutputType.VIBRATE, 5)
    assert heat.keys == following[-1].keys
    assert following[0] == heat
    protocol.stop([2])
    assert len(protocol.output(0, OutputType.VIBRATE, 6)) == 1
