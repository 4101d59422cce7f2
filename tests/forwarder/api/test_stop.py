"""The person's stop over HTTP, against a whole hub with simulated toys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from forwarder.client.client import Client, ServerRefused
from tests.doubles.running_hub import RunningHub, running_hub
from tests.forwarder.api.test_events import change, drive, opened
from tests.system.processes import until

VIBRATE = {"type": "Vibrate", "percent": 50, "for_ms": 5000}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        yield hub


async def told(hub: RunningHub, method: str, path: str, body: object = None) -> Any:
    status, answer = await hub.ask(method, path, body)
    assert status == 200, answer
    return answer


def running(hub: RunningHub) -> list[bool]:
    return [device.running for device in hub.app.hub.devices.values()]


async def test_a_stop_without_a_token_holds_and_only_the_owner_resumes(house: RunningHub) -> None:
    await told(house, "PUT", "/devices/0/outputs", VIBRATE)
    status, answer = await house.ask("POST", "/stop", {"by": "a big red button"}, token="")
    assert (status, answer) == (
        200,
        {
            "told": 2, "confirmed": 2, "failed": [], "missing": [], "held": True, "unsaved": None,
        },
    )  # fmt: skip
    assert running(house) == [False, False]
    status, refused = await house.ask("PUT", "/devices/0/outputs", VIBRATE)
    assert status == 409
    assert isinstance(refused, dict)
    assert "stopped by a big red button" in refused["error"]
    hold = (await told(house, "GET", "/status"))["hold"]
    assert (hold["mode"], hold["by"]) == ("stopped", "a big red button")
    for token in ("", "wrong"):
        assert (await house.ask("POST", "/resume", token=token))[0] == 401
    _, made = await house.ask("POST", "/tokens", {"name": "guest"})
    assert isinstance(made, dict)
    assert (await house.ask("POST", "/resume", token=made["token"]))[0] == 403
    assert (await house.ask("POST", "/pause", token=made["token"]))[0] == 403
    assert (await told(house, "POST", "/resume"))["mode"] == "free"
    await told(house, "PUT", "/devices/0/outputs", VIBRATE)


async def test_a_stop_of_a_device_or_by_a_guest_is_for_the_moment(house: RunningHub) -> None:
    for index in (0, 1):
        await told(house, "PUT", f"/devices/{index}/outputs", VIBRATE)
    assert not (await told(house, "POST", "/stop", {"device": 0}))["held"]
    assert running(house) == [False, True]
    await told(house, "PUT", "/devices/0/outputs", VIBRATE)
    _, made = await house.ask("POST", "/tokens", {"name": "guest", "devices": ["0"]})
    assert isinstance(made, dict)
    status, answer = await house.ask("POST", "/stop", token=made["token"])
    assert (status, answer) == (
        200,
        {
            "told": 1, "confirmed": 1, "failed": [], "missing": [], "held": False, "unsaved": None,
        },
    )  # fmt: skip
    assert running(house) == [False, True]
    assert (await house.ask("POST", "/stop", {"device": 1}, token=made["token"]))[0] == 404


async def test_a_page_of_an_earlier_run_can_stop_and_a_foreign_page_cannot(
    house: RunningHub,
) -> None:
    stop = f"{house.url}/api/v1/stop"
    for headers, status in (
        ({"Authorization": "Bearer bpfp_stale", "Origin": house.url}, 200),
        ({"Authorization": "Bearer bpfp_stale", "X-Forwarded-For": "10.0.0.9"}, 401),
        ({"Via": "1.1 proxy"}, 401),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ):
        async with house.http.post(stop, headers=headers) as response:
            assert response.status == status, headers


async def test_it_outlasts_the_hub(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await told(hub, "POST", "/apps/mute", {"name": "Game", "by": "Dashboard"})
        before = (await told(hub, "POST", "/pause", {"by": "Dashboard"}), await hold(hub))
        assert before[0]["held"]
    async with running_hub(tmp_path) as hub:
        assert await hold(hub) == before[1]
        # Nothing new is connected while it holds, so there is nothing to refuse yet.
        assert (await hub.ask("PUT", "/devices/0/outputs", VIBRATE))[0] == 404
        await told(hub, "POST", "/resume")
        await hub.with_devices()
        assert (await hub.ask("PUT", "/devices/0/outputs", VIBRATE))[0] == 200
    async with running_hub(tmp_path) as hub:
        assert (await hold(hub))["mode"] == "free"
        assert [muted["name"] for muted in (await hold(hub))["muted"]] == ["Game"]
        assert (await told(hub, "POST", "/apps/unmute", {"name": "Game"}))["muted"] == []


async def hold(hub: RunningHub) -> Any:
    return (await told(hub, "GET", "/status"))["hold"]


async def test_a_full_disk_is_said_and_the_stop_holds_all_the_same(house: RunningHub) -> None:
    # A folder in the file's place: nothing can be put there, whoever runs this.
    (house.folder / "hold.json").mkdir()
    answer = await told(house, "POST", "/stop")
    assert "does not survive a restart" in answer["unsaved"]
    assert "does not survive a restart" in (await hold(house))["unsaved"]
    assert (await house.ask("PUT", "/devices/0/outputs", VIBRATE))[0] == 409
    (house.folder / "hold.json").rmdir()
    assert (await told(house, "POST", "/resume"))["unsaved"] is None


async def test_a_dashboards_test_drive_is_held_and_sees_the_hold(house: RunningHub) -> None:
    ws = await opened(house)
    assert (await change(ws))["hold"]["mode"] == "free"
    await ws.send_json(drive(0, 10))
    await change(ws, "live")
    await told(house, "POST", "/stop")
    assert (await change(ws, "hold"))["hold"]["by"] == "API"
    await ws.send_json(drive(0, 11))
    assert "stopped by API" in (await change(ws, "trouble"))["trouble"][0]
    assert running(house) == [False, False]


async def test_an_app_is_muted_comes_back_muted_and_is_disconnected(house: RunningHub) -> None:
    url = house.app.client_url
    async with Client.connect(url, name="Game") as game:
        await game.devices[0].vibrate(0.5)
        assert (await told(house, "POST", "/apps/mute", {"name": "game"}))["confirmed"] == 1
        assert running(house) == [False, False]
        with pytest.raises(ServerRefused, match="muted by API"):
            await game.devices[0].vibrate(0.5)
    async with Client.connect(url, name="Game") as game:
        with pytest.raises(ServerRefused, match="muted by API"):
            await game.devices[0].vibrate(0.5)
        (view,) = (await told(house, "GET", "/status"))["clients"]
        assert (view["name"], view["muted"]) == ("Game", True)
        await told(house, "POST", "/apps/unmute", {"name": "Game"})
        await game.devices[0].vibrate(0.5)
        assert (await told(house, "POST", "/apps/disconnect", {"name": "Game"}))["clients"] == 1
        await until(lambda: running(house) == [False, False], "its end")
        await asyncio.sleep(0.1)
        assert game.devices == ()
    assert (await house.ask("POST", "/apps/disconnect", {"name": "Game"}))[0] == 422
