"""The events: the whole state, then changes; test drives that end with their page."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from forwarder.api.bounds import EVERY_S
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        yield hub


async def opened(hub: RunningHub, token: str | None = None) -> aiohttp.ClientWebSocketResponse:
    ws = await hub.http.ws_connect(f"{hub.url}/api/v1/events")
    await ws.send_json({"t": "hello", "token": hub.admin if token is None else token})
    return ws


async def change(ws: aiohttp.ClientWebSocketResponse, part: str | None = None) -> Any:
    """The next change, or the next one with `part` in it."""
    async with asyncio.timeout(5):
        while True:
            message = await ws.receive()
            assert message.type is aiohttp.WSMsgType.TEXT, message
            data = json.loads(message.data)
            if part is None or part in data:
                return data


def drive(index: int, steps: int, feature: int = 0) -> dict[str, object]:
    return {"t": "drive", "device": index, "feature": feature, "type": "Vibrate", "steps": steps}


async def test_first_comes_everything_then_what_is_different(house: RunningHub) -> None:
    ws = await opened(house)
    whole = await change(ws)
    assert whole["whole"] is True
    assert set(whole) == {
        "whole", "hub", "hold", "relays", "devices", "live", "clients", "origins", "log",
        "up_s", "shares", "accepted",
    }  # fmt: skip
    assert set(whole["devices"]) == {"0", "1"}
    await house.ask("PUT", "/devices/0/outputs", {"type": "Vibrate", "percent": 50})
    later = await change(ws, "live")
    assert "devices" not in later
    assert later["live"]["0"]["levels"]["0"]["percent"] == 50
    house.app.relays.let_go(house.app.hub.devices[1], "a test")
    assert (await change(ws, "devices"))["devices"] == {"1": None}
    await ws.close()


async def test_changes_come_ten_times_a_second_at_most(house: RunningHub) -> None:
    ws = await opened(house)
    await change(ws)
    loop = asyncio.get_running_loop()
    began, last, changes = loop.time(), 0.0, 0

    async def count() -> None:
        nonlocal last, changes
        while True:
            await change(ws)
            last, changes = loop.time(), changes + 1

    counting = asyncio.create_task(count())
    for steps in range(40):
        await ws.send_json(drive(0, 1 + steps % 20))
        await asyncio.sleep(0.01)
    await until(lambda: changes >= 2 and loop.time() > last + 5 * EVERY_S, "the last change", 20)
    counting.cancel()
    await asyncio.wait([counting])
    assert changes <= (last - began) / EVERY_S + 2
    await ws.close()


async def test_closing_the_page_stops_what_it_drove_and_nothing_else(house: RunningHub) -> None:
    nora, edge = (house.app.hub.devices[i] for i in (0, 1))
    await house.ask("PUT", "/devices/1/outputs", {"type": "Vibrate", "percent": 50, "for_ms": 9000})
    ws = await opened(house)
    await change(ws)
    await ws.send_json(drive(0, 10))
    await until(lambda: nora.running, "a test drive", 3)
    assert [client.name for client in house.app.hub.owners(nora).values()] == ["API"]
    await ws.close()
    await until(lambda: not nora.running, "the end of the test drive", 1)
    assert edge.running


async def test_two_dashboards_are_two_for_whoever_closes_or_disconnects_one(
    house: RunningHub,
) -> None:
    devices = [house.app.hub.devices[i] for i in (0, 1)]
    pages = []
    for index in (0, 1):
        async with house.http.post(
            f"{house.url}/api/v1/page", headers={"Origin": house.url}
        ) as response:
            ws = await opened(house, (await response.json())["token"])
        await ws.send_json(drive(index, 5))
        await until(lambda index=index: devices[index].running, "it moves")  # type: ignore[misc]
        pages.append(ws)
    names = sorted(client.name for client in house.app.hub.clients)
    assert names == ["Dashboard", "Dashboard 2"]
    assert (await house.ask("POST", "/apps/disconnect", {"name": "Dashboard 2"}))[0] < 300
    await until(lambda: not devices[1].running, "the second is stopped")
    assert devices[0].running
    await pages[1].send_json(drive(1, 5))
    await until(lambda: devices[1].running, "it moves again")
    await pages[0].close()
    await until(lambda: not devices[0].running, "the first is stopped")
    assert devices[1].running
    await pages[1].close()


async def test_a_page_that_is_not_heard_any_more_loses_what_it_drove(house: RunningHub) -> None:
    toy = house.app.hub.devices[0]
    ws = await opened(house)
    await ws.send_json(drive(0, 10))
    await until(lambda: toy.running, "a test drive", 3)
    for _ in range(4):
        await asyncio.sleep(1)
        await ws.send_json({"t": "alive"})
        assert toy.running
    await until(lambda: not toy.running, "the end of the test drive", 4.5)
    assert "not heard" in (await change(ws, "trouble"))["trouble"][0]
    await ws.close()


async def test_release_and_wrong_values(house: RunningHub) -> None:
    toy = house.app.hub.devices[0]
    ws = await opened(house)
    await ws.send_json(drive(0, 10))
    await until(lambda: toy.running, "a test drive", 3)
    await ws.send_json({"t": "release"})
    await until(lambda: not toy.running, "the end of the test drive", 1)
    await ws.send_json(drive(0, 21))
    assert "0..20" in (await change(ws, "trouble"))["trouble"][0]
    await ws.send_json(drive(7, 1))
    assert "no device" in (await change(ws, "trouble"))["trouble"][0]
    await ws.close()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"t": "hello", "token": "bpfp_wrong"}', 4401),
        ('{"t": "drive", "device": 0, "feature": 0, "type": "Vibrate", "steps": 1}', 1008),
        ("nonsense", 1008),
        ('{"t": "hello", "extra": 1}', 1008),
        ("x" * 5000, 1009),
    ],
)
async def test_who_does_not_greet_is_let_go(house: RunningHub, first: str, code: int) -> None:
    async with house.http.ws_connect(f"{house.url}/api/v1/events") as ws:
        await ws.send_str(first)
        message = await ws.receive(5)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert ws.close_code == code


async def test_without_a_token_a_program_here_may_look_and_not_drive(house: RunningHub) -> None:
    ws = await opened(house, "")
    assert (await change(ws))["whole"]
    await ws.send_json(drive(0, 10))
    while (message := await ws.receive(5)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert ws.close_code == 1008
    assert not house.app.hub.devices[0].running


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)],
)
async def test_pages_from_elsewhere_open_no_websocket(
    house: RunningHub, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await house.http.ws_connect(f"{house.url}/api/v1/events", headers=headers)
    assert refused.value.status == status


async def test_a_guest_sees_its_devices_only_and_leaves_with_its_token(house: RunningHub) -> None:
    _, made = await house.ask("POST", "/tokens", {"name": "guest", "devices": ["0"], "percent": 50})
    assert isinstance(made, dict)
    ws = await opened(house, made["token"])
    whole = await change(ws)
    assert set(whole["devices"]) == {"0"}
    assert not {"relays", "clients", "log", "hub"} & {k for k, v in whole.items() if v}
    await ws.send_json(drive(0, 10))
    await until(lambda: house.app.hub.devices[0].running, "a test drive", 3)
    _, answer = await house.ask("DELETE", "/tokens/guest")
    assert answer == {"name": "guest", "clients": 1}
    await until(lambda: not house.app.hub.devices[0].running, "its end", 1)
    while (await ws.receive(5)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert ws.close_code == 1008


async def test_scripts_read_the_same_as_server_sent_events(house: RunningHub) -> None:
    async with house.http.get(f"{house.url}/api/v1/events/stream") as response:
        assert response.content_type == "text/event-stream"
        async with asyncio.timeout(5):
            first = await response.content.readuntil(b"\n\n")
        assert json.loads(first.removeprefix(b"data: "))["whole"] is True


async def test_there_is_a_sign_of_life_each_second_whatever_else_happens(
    house: RunningHub,
) -> None:
    ws = await opened(house)
    heard: list[float] = []
    async with asyncio.timeout(5):
        while len(heard) < 4:
            if "up_s" in await change(ws):
                heard.append(time.monotonic())
    pauses = [later - earlier for earlier, later in itertools.pairwise(heard)]
    assert all(0.9 < pause < 1.5 for pause in pauses), pauses
    async with house.http.get(f"{house.url}/api/v1/events/stream") as response:
        async with asyncio.timeout(2):
            for _ in range(2):
                data = await response.content.readuntil(b"\n\n")
                while "up_s" not in json.loads(data.removeprefix(b"data: ")):
                    data = await response.content.readuntil(b"\n\n")


async def test_batteries_are_asked_for_while_somebody_looks(house: RunningHub) -> None:
    ws = await opened(house)
    async with asyncio.timeout(10):
        while (await change(ws, "live"))["live"].get("1", {}).get("battery") != 85:
            pass
    await ws.close()
