"""A stop of everything says what it cannot reach, to whoever drove it."""

from __future__ import annotations

import pytest

from forwarder.errors import HardwareError
from forwarder.hub.bounds import DROVE_MOST
from forwarder.hub.drove import Drove
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from tests.doubles.driver import device
from tests.forwarder.hub.test_hub import FakeClient, output, stop


class Room:
    def __init__(self) -> None:
        self.hub = Hub(Store(None))
        self.missing = ["A1"]
        self.hub.missing = lambda: self.missing
        self.toy = device()
        self.hub.add(self.toy)
        self.game, self.other = FakeClient("Game"), FakeClient("Other")
        for client in (self.game, self.other):
            self.hub.join(client)
        self.hub.output(self.game, output(0, 7))

    def open_for(self, client: FakeClient) -> list[str]:
        outcomes = self.hub.stop(client, stop())
        return [str(outcome.exception()) for outcome in outcomes if outcome.exception()]


@pytest.mark.parametrize("first_stopped", [True, False])
async def test_who_drove_a_toy_that_is_missing_hears_of_it_and_others_do_not(
    first_stopped: bool,
) -> None:
    room = Room()
    if first_stopped:
        room.hub.stopped(room.toy, "the link broke")
    room.hub.remove(room.toy, "it is out of reach")
    (text,) = room.open_for(room.game)
    assert "Lovense Nora is not connected and may be running" in text
    assert room.open_for(room.other) == []
    assert len(room.open_for(room.game)) == 1, "as long as that is so"


async def test_one_that_is_found_or_forgotten_is_no_failure() -> None:
    room = Room()
    room.hub.remove(room.toy, "it is out of reach")
    room.missing = []
    assert room.open_for(room.game) == []
    room.missing = ["A1"]
    room.hub.add(device())
    assert room.open_for(room.game) == []


async def test_a_stop_of_one_device_says_nothing_of_others() -> None:
    room = Room()
    room.hub.add(device(address="A2"))
    room.hub.remove(room.toy, "it is out of reach")
    assert all(outcome.exception() is None for outcome in room.hub.stop(room.game, stop(1)))


async def test_a_client_that_left_is_forgotten() -> None:
    room = Room()
    room.hub.stopped(room.toy, "the link broke")
    room.hub.leave(room.game)
    room.hub.remove(room.toy, "it is out of reach")
    assert room.open_for(room.game) == []


async def test_their_number_is_bounded() -> None:
    game = FakeClient("Game")
    drove = Drove(lambda: [f"A{number}" for number in range(DROVE_MOST + 2)])
    for number in range(DROVE_MOST + 2):
        drove.left(device(address=f"A{number}"), [game])
    found = drove.unstopped(game)
    assert len(found) == DROVE_MOST
    assert all(isinstance(error, HardwareError) for error in found)
