"""The person's stop against everybody who drives: nothing moves again but by a resume."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.api.controllers import Controller, Scripts
from forwarder.api.documents.model import OutputBody
from forwarder.buttplug.messages import OutputType
from forwarder.devices.driver import Outcome
from forwarder.errors import ConfigError, HardwareError, HeldByPerson
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.stop.hold import HoldState, Wish
from forwarder.stop.person import Person
from tests.doubles.driver import STROKER, RecordingDriver, device
from tests.forwarder.hub.test_hub import FakeClient, House, OnlyTheFirst, output, stop


class Room(House):
    """A house with a person in it."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[HoldState] = []
        self.person = Person(
            self.hub, lambda: self.kept.append(self.hub.hold.state), lambda: 1_750_000_000.0
        )

    @property
    def calls(self) -> list[list[tuple[object, ...]]]:
        return [driver.calls for driver in self.drivers]


async def test_each_change_is_handed_on_to_be_kept_and_nothing_else() -> None:
    room = Room()
    game = room.client("Game")
    room.hub.output(game, output(0, 7))
    assert len(room.person.stop("Dashboard")) == 2
    room.person.stop("API")
    room.person.pause("API")
    room.person.resume("Dashboard")
    room.person.resume("Dashboard")
    room.person.pause("API")
    room.hub.hold.wish(Wish.RESUME, "a test", 0.0)
    room.hub.output(game, output(0, 7))
    assert len(room.person.mute("Game", "Dashboard")) == 1
    assert room.person.unmute("game", "Dashboard") == "Game"
    assert [(state.mode.value, len(state.muted)) for state in room.kept] == [
        ("stopped", 0), ("free", 0), ("paused", 0), ("free", 1), ("free", 0),
    ]  # fmt: skip


async def test_a_stop_holds_against_who_goes_on() -> None:
    room = Room()
    game = room.client("Game")
    room.hub.output(game, output(0, 7))
    stops = room.person.stop("Dashboard")
    assert [stopping.name for stopping in stops] == ["Lovense Nora", "Lovense Nora"]
    before = [list(calls) for calls in room.calls]
    assert [calls[-1] for calls in before] == [("stop", None)] * 2
    for value in (8, -3, 20):
        with pytest.raises(HeldByPerson, match="stopped by Dashboard"):
            room.hub.output(game, output(0, value, feature=int(value < 0)))
    assert room.calls == before
    assert room.hub.owners(room.toys[0]) == {}
    room.person.resume("Dashboard")
    assert room.calls == before  # nothing starts by itself
    room.hub.output(game, output(0, 7))
    assert room.calls[0][-1] == ("output", 0, "Vibrate", 7, 0)


async def test_who_drove_is_told_why_nothing_moves() -> None:
    room = Room()
    game, other = room.client("Game"), room.client("other")
    room.hub.output(game, output(0, 7))
    room.person.pause("Dashboard")
    assert len(game.told) == 1
    assert "paused by Dashboard" in str(game.told[0])
    assert other.told == []


async def test_while_held_off_is_a_stop_and_only_where_it_is_not_off_already() -> None:
    room = Room()
    game = room.client("Game")
    room.hub.output(game, output(0, 7))
    room.drivers[0].broken = True
    room.person.stop("Dashboard")
    await asyncio.sleep(0)  # the radio fails it
    room.drivers[0].broken = False
    done = len(room.drivers[0].calls)
    assert room.hub.output(game, output(0, 0)) is not None
    assert room.drivers[0].calls[done:] == [("stop", None)]
    await asyncio.sleep(0)  # the radio takes it
    assert room.hub.output(game, output(0, 0)) is None
    assert len(room.drivers[0].calls) == done + 1


async def test_an_app_that_goes_on_saying_zero_gets_one_stop_at_a_time() -> None:
    room = Room()
    game = room.client("Game")
    room.hub.output(game, output(0, 7))
    room.drivers[0].broken = True
    room.person.stop("Dashboard")
    await asyncio.sleep(0)
    room.drivers[0].broken, room.drivers[0].slow = False, True
    done = len(room.drivers[0].calls)
    outcomes = [room.hub.output(game, output(0, 0, feature)) for feature in (0, 1) * 50]
    assert len(room.drivers[0].calls) == done + 1
    room.drivers[0].finish()
    assert all(outcome is None or outcome.done() for outcome in outcomes)


async def test_one_device_that_breaks_keeps_no_other_from_its_stop() -> None:
    room = Room()
    game = room.client("Game")
    for index in (0, 1):
        room.hub.output(game, output(index, 7))

    def broken(features: object) -> Outcome:
        raise RuntimeError("a fault in its protocol")

    room.drivers[0].stop = broken  # type: ignore[method-assign]
    for stops in (room.person.stop("Dashboard"), room.person.stop("Dashboard")):
        assert [stopping.outcome.done() for stopping in stops] == [True, True]
        assert isinstance(stops[0].outcome.exception(), HardwareError)
        assert stops[1].outcome.exception() is None
    assert room.drivers[1].calls[-1] == ("stop", None)
    room.person.resume("Dashboard")
    room.hub.output(game, output(1, 7))
    room.hub.output(game, output(0, 8))
    room.hub.leave(game)
    assert room.drivers[1].calls[-1] == ("stop", None)
    room.hub.close()


async def test_a_position_of_zero_is_a_move_and_is_refused() -> None:
    hub = Hub(Store(None))
    driver = RecordingDriver()
    hub.add(device(driver, STROKER))
    scripts = Scripts(hub)
    Person(hub).stop("Dashboard")
    body = OutputBody(type=OutputType.HW_POSITION_WITH_DURATION, steps=0, duration_ms=100)
    with pytest.raises(HeldByPerson):
        scripts.output("API", None, 0, body)
    assert driver.calls == [("stop", None)]


async def test_a_toy_that_comes_while_held_is_stopped_and_not_driven() -> None:
    room = Room()
    room.person.stop("Dashboard")
    driver = RecordingDriver()
    index = room.hub.add(device(driver, address="A9"))
    assert driver.calls == [("stop", None)]
    with pytest.raises(HeldByPerson):
        room.hub.output(room.client(), output(index, 1))


async def test_scripts_and_test_drives_are_held_and_leave_no_trace() -> None:
    room = Room()
    scripts, dashboard = Scripts(room.hub), Controller(room.hub, "Dashboard", "dashboard")
    body = OutputBody(type=OutputType.VIBRATE, percent=50)
    room.person.stop("Dashboard")
    for _ in range(20):
        with pytest.raises(HeldByPerson):
            scripts.output("API", None, 0, body)
        with pytest.raises(HeldByPerson):
            dashboard.output(0, body)
    assert room.calls == [[("stop", None)]] * 2
    assert room.hub.clients == ()


async def test_a_mute_stops_what_the_app_drives_and_nothing_else() -> None:
    room = Room()
    game, other = room.client("Game"), room.client("other")
    room.hub.output(game, output(0, 7))
    room.hub.output(other, output(1, 7))
    room.person.mute("game", "Dashboard")
    assert room.drivers[0].calls[-1] == ("stop", None)
    assert room.drivers[1].calls == [("output", 0, "Vibrate", 7, 0)]
    assert "muted by Dashboard" in str(game.told[-1])
    with pytest.raises(HeldByPerson, match="game was muted"):
        room.hub.output(game, output(0, 3))
    room.hub.output(other, output(0, 3))
    room.hub.stop(game, stop())  # a stop passes, from anybody
    assert room.drivers[1].calls[-1] == ("stop", None)


async def test_a_muted_app_stays_so_under_its_name_and_its_token() -> None:
    room = Room()
    room.person.mute("Game", "Dashboard")
    room.person.mute("token", "Dashboard")
    with pytest.raises(HeldByPerson):
        room.hub.output(room.client("Game"), output(0, 3))
    renamed = room.client("Another name", OnlyTheFirst())
    with pytest.raises(HeldByPerson):
        room.hub.output(renamed, output(0, 3))
    assert room.calls == [[], []]
    assert room.person.unmute("token", "Dashboard") == "token"
    room.hub.output(renamed, output(0, 3))
    with pytest.raises(ConfigError):
        room.person.unmute("token", "Dashboard")


async def test_a_muted_apps_zero_does_not_take_a_toy_from_another() -> None:
    room = Room()
    game, other = room.client("Game"), room.client("other")
    room.person.mute("Game", "Dashboard")
    room.hub.output(other, output(0, 7))
    with pytest.raises(HeldByPerson):
        room.hub.output(game, output(0, 0))
    assert room.drivers[0].calls == [("output", 0, "Vibrate", 7, 0)]


async def test_an_app_that_is_not_there_cannot_be_disconnected() -> None:
    room = Room()
    client = FakeClient("Game")
    room.hub.join(client)
    assert room.person.disconnect("GAME", "API") == 1
    assert client.told == ["the person at the hub ended this connection"]
    with pytest.raises(ConfigError, match="No app"):
        room.person.disconnect("Other", "API")


async def test_sources_hear_of_each_change_between_held_and_free_once() -> None:
    room = Room()
    heard: list[bool] = []
    room.source.hold_changed = lambda: heard.append(room.hub.holds)  # type: ignore[method-assign]
    room.person.stop("Dashboard")
    room.person.stop("Dashboard")
    assert heard == [True]
    room.person.resume("Dashboard")
    assert heard == [True, False]
    room.person.resume("Dashboard")
    assert heard == [True, False]
