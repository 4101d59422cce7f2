"""Patterns over the API: who may, what they are told, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest

from forwarder.api.access import Call, Caller, Right
from forwarder.api.dashboard.plays import PlayActions
from forwarder.api.documents.plays import PatternName, PlayBody, PlayChange
from forwarder.clients.bounds import LEASE_S
from forwarder.errors import HardwareError
from forwarder.play.patterns import PATTERNS
from tests.doubles.running_hub import RunningHub, running_hub
from tests.forwarder.play.house import PlayHouse, live
from tests.system.processes import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        yield hub


async def started(house: RunningHub, **body: object) -> Any:
    status, view = await house.ask("POST", "/plays", body)
    assert status == 201, view
    return view


def running(house: RunningHub) -> bool:
    return any(device.running for device in house.app.hub.devices.values())


def test_every_pattern_may_be_asked_for() -> None:
    assert get_args(PatternName) == tuple(PATTERNS)


async def test_a_pattern_runs_is_shown_as_a_driver_and_ends(house: RunningHub) -> None:
    view = await started(house, pattern="steady", percent=30, for_s=60, stays=True)
    assert view["name"] == "Steady (pattern)"
    assert view["lease_s"] == LEASE_S
    assert 59 < view["left_s"] <= 60
    assert {one["device"] for one in view["outputs"]} == set(house.app.hub.devices)
    await until(lambda: running(house), "the toys to run")
    _, status = await house.ask("GET", "/status")
    assert isinstance(status, dict)
    [client] = [each for each in status["clients"] if each["kind"] == "pattern"]
    assert client["name"] == view["name"]
    assert len(client["drives"]) == len(view["outputs"])
    _, plays = await house.ask("GET", "/plays")
    assert isinstance(plays, list)
    assert [one["id"] for one in plays] == [view["id"]]
    assert await house.ask("DELETE", f"/plays/{view['id']}") == (204, None)
    await until(lambda: not running(house), "the toys to rest")
    status_code, answer = await house.ask("PUT", f"/plays/{view['id']}", {})
    assert (status_code, answer) == (404, {"error": "That pattern plays no more."})


async def test_it_ends_when_its_page_says_nothing_any_more(house: RunningHub) -> None:
    await started(house, percent=30)
    await until(lambda: running(house), "the toys to run")
    await until(lambda: not running(house), "the toys to rest")
    assert await house.ask("GET", "/plays") == (200, [])


def test_a_renewal_says_when_it_was_sent_and_what_it_had_heard() -> None:
    async def scene(house: PlayHouse) -> None:
        actions, owner = PlayActions(house.plays), Caller(Right.ADMIN, "page")
        view = await actions.start(Call(owner, {}, {}, PlayBody(at=0)))

        async def renew(at: float, heard: float | None) -> None:
            change = PlayChange(at=at, heard=heard)
            await actions.change(Call(owner, {"id": view.id}, {}, change))

        for beat in range(1, 12):
            await asyncio.sleep(0.25)
            await renew(beat * 250, (beat - 1) * 250)
        assert house.stops(0) == 0
        # Said in time by its own clock, but by a page that has heard nothing for two seconds.
        await asyncio.sleep(0.8)
        await renew(3550, 1000)
        await asyncio.sleep(0.101)
        assert house.stops(0) == 1

    live(scene)


async def test_a_change_says_only_what_is_different_and_renews(house: RunningHub) -> None:
    view = await started(house, pattern="wave", percent=30, low=20, high=80, speed=2)
    path = f"/plays/{view['id']}"
    _, changed = await house.ask("PUT", path, {"percent": 60})
    assert isinstance(changed, dict)
    assert (changed["pattern"], changed["percent"], changed["speed"]) == ("wave", 60, 2)
    _, drawn = await house.ask("PUT", path, {"points": [0, 1, 0.5], "turn_s": 2})
    assert isinstance(drawn, dict)
    assert (drawn["pattern"], drawn["points"]) == ("loop", [0, 1, 0.5])
    _, other = await house.ask("PUT", path, {"pattern": "ramp", "for_s": 5, "stays": True})
    assert isinstance(other, dict)
    assert (other["pattern"], other["points"], other["stays"]) == ("ramp", [], True)
    assert (other["low"], other["high"]) == (20, 80)
    assert 4 < other["left_s"] <= 5


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"pattern": "rumba"}, 422, "pattern"),
        ({"percent": 101}, 422, "percent"),
        ({"points": [2]}, 422, "points"),
        ({"points": [0] * 129}, 422, "128"),
        ({"speed": 0}, 422, "speed"),
        ({"for_s": 3601}, 422, "3600"),
        ({"stays": True}, 422, "for how long"),
        ({"outputs": [{"device": 99}]}, 404, "99"),
        ({"outputs": [{"device": 0, "feature": 9}]}, 404, "9"),
        ({"outputs": [{"device": 0, "type": "Spray"}]}, 422, "Spray"),
        ({"at": -1}, 422, "at"),
        ({"at": 1e300}, 422, "at"),
        ({"oops": 1}, 422, "oops"),
    ],
)
async def test_what_cannot_be_played_is_said_in_a_line(
    house: RunningHub, body: dict[str, object], status: int, word: str
) -> None:
    got, answer = await house.ask("POST", "/plays", body)
    assert got == status
    assert isinstance(answer, dict)
    assert word in answer["error"]
    assert "\n" not in answer["error"]
    assert not running(house)


def test_its_end_is_answered_when_the_toys_have_stopped_or_says_which_has_not() -> None:
    async def scene(house: PlayHouse) -> None:
        actions = PlayActions(house.plays)

        def ending() -> asyncio.Task[None]:
            call = Call(Caller(Right.ADMIN, "page"), {"id": house.start().id}, {})
            house.drivers[0].slow = not house.drivers[0].broken
            return asyncio.create_task(actions.end(call))

        good = ending()
        await asyncio.sleep(0.5)
        assert not good.done()
        assert house.stops(0) == house.stops(1) == 1
        house.drivers[0].finish()
        await good

        house.drivers[0].slow = False
        slow = ending()
        with pytest.raises(HardwareError, match="confirmed that in time"):
            await slow

        house.drivers[0].slow = False
        bad = ending()
        house.drivers[0].slow, house.drivers[0].broken = False, True
        with pytest.raises(HardwareError, match="the radio said no"):
            await bad

    live(scene)


async def test_patterns_are_the_owners(house: RunningHub) -> None:
    _, made = await house.ask("POST", "/tokens", {"name": "guest"})
    assert isinstance(made, dict)
    view = await started(house, for_s=60, stays=True)
    for method, path in (
        ("POST", "/plays"), ("PUT", f"/plays/{view['id']}"), ("DELETE", f"/plays/{view['id']}"),
    ):  # fmt: skip
        status, _ = await house.ask(method, path, {}, token=made["token"])
        assert status == 403
    assert (await house.ask("GET", "/plays", token=""))[0] == 200


async def test_while_a_person_holds_everything_nothing_is_played(house: RunningHub) -> None:
    await started(house, for_s=60, stays=True)
    await house.ask("POST", "/stop", {})
    assert not running(house)
    await until(lambda: not house.app.api._actions.plays._plays.states, "the play to end")
    status, _ = await house.ask("POST", "/plays", {})
    assert status == 409
    await house.ask("POST", "/resume", {})
    assert await house.ask("GET", "/plays") == (200, [])
    assert not running(house)
