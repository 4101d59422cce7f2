"""The API over HTTP, against a whole hub with simulated toys."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace
from yarl import URL

from forwarder.access.tls import own_certificate
from forwarder.api.access import Right
from forwarder.api.routes import ROUTES
from forwarder.config import Clients, Link, TlsSection
from forwarder.connectors.host_addresses import addresses
from tests.doubles.full_disk import full_disk
from tests.doubles.running_hub import TOYS, RunningHub, config_for, running_hub
from tests.system.processes import free_ports, until


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        yield hub


@pytest.fixture
async def house(hub: RunningHub) -> RunningHub:
    """A hub with its two toys connected."""
    await hub.with_devices()
    return hub


def index_of(hub: RunningHub, name: str) -> int:
    return next(i for i, device in hub.app.hub.devices.items() if device.name == name)


async def live(hub: RunningHub, index: int) -> Any:
    _, device = await hub.ask("GET", f"/devices/{index}")
    assert isinstance(device, dict)
    return device["live"]


# --- the door ----------------------------------------------------------------------------------

CHANGES = [route for route in ROUTES if route.method != "GET"]
# Stopping is open on this machine, see test_stop.py.
WITH_TOKEN = [route for route in CHANGES if route.right is not Right.STOP]


@pytest.mark.parametrize("route", WITH_TOKEN, ids=lambda route: f"{route.method} {route.path}")
async def test_no_change_without_a_token(hub: RunningHub, route: Any) -> None:
    path = route.path.replace("{index}", "0").replace("{name}", "x").replace("{id}", "00")
    status, answer = await hub.ask(route.method, path, {}, token="")
    assert status == 401
    assert isinstance(answer, dict)
    assert "token" in answer["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"X-Forwarded-For": "10.0.0.9"}, 403),
        ({"X-Forwarded-For": "10.0.0.9", "X-Forwarded-Proto": "https"}, 204),
        ({"Forwarded": 'for=10.0.0.9;proto="https"'}, 204),
    ],
)
async def test_browsers_of_other_pages_are_refused_also_with_the_token(
    hub: RunningHub, headers: dict[str, str], status: int
) -> None:
    async with hub.http.delete(f"{hub.url}/api/v1/scan", headers={**hub.headers(), **headers}) as r:
        assert r.status == status
        assert "Access-Control-Allow-Origin" not in r.headers


async def test_a_proxy_is_not_this_machine(hub: RunningHub) -> None:
    async with hub.http.get(f"{hub.url}/api/v1/status", headers={"Via": "1.1 proxy"}) as response:
        assert response.status == 401


async def test_reading_is_open_on_this_machine_and_preflights_are_not_answered(
    hub: RunningHub,
) -> None:
    status, _ = await hub.ask("GET", "/status", token="")
    assert status == 200
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    async with hub.http.options(f"{hub.url}/api/v1/devices/0/outputs", headers=asked) as response:
        assert response.status in (403, 404, 405)
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/status", "/relay/", "/nothing", "/dashboard/app.js"]
)
async def test_every_answer_is_guarded(hub: RunningHub, path: str) -> None:
    async with hub.http.get(hub.url + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in response.headers


async def page_token(hub: RunningHub, **headers: str) -> tuple[int, str]:
    """What the dashboard's script gets when it asks."""
    asking = {"Origin": hub.url, "Sec-Fetch-Site": "same-origin", **headers}
    async with hub.http.post(f"{hub.url}/api/v1/page", headers=asking) as response:
        return response.status, (await response.json()).get("token", "")


async def test_an_open_dashboard_asks_for_its_token(hub: RunningHub) -> None:
    status, token = await page_token(hub)
    assert status == 201
    assert token.startswith("bpfp_")
    assert (await hub.ask("POST", "/stop", token=token))[0] == 200
    assert (await page_token(hub, **{"Sec-Fetch-Site": "none"}))[0] == 201


async def test_at_another_address_of_this_machine_it_is_told_where_to_ask(hub: RunningHub) -> None:
    url = hub.app.link_url
    asking = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    async with hub.http.post(f"{url}/api/v1/page", headers=asking) as response:
        assert response.status == 403
        home = response.headers["Location"]
        assert home == f"{hub.url}/" != f"{url}/"
    async with hub.http.get(f"{url}/") as response:
        assert f"connect-src 'self' {hub.url};" in response.headers["Content-Security-Policy"]
    async with hub.http.get(f"{home}api/v1/here", headers={"Origin": url}) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == url
    for evil in ("https://evil.example", "null", "", "http://127.0.0.1%25.evil.example"):
        async with hub.http.get(f"{home}api/v1/here", headers={"Origin": evil}) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Forwarded-For": "10.0.0.9"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Host": "desk.test", "Origin": "http://desk.test"}, 403),
        ({"Authorization": "Bearer wrong"}, 403),
    ],
)
async def test_nobody_else_gets_one(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    link = Link(port=0, https_port=0, names=("desk.test",))
    async with running_hub(tmp_path, (), config_for(tmp_path, (), link)) as hub:
        assert await page_token(hub, **headers) == (status, "")


async def test_no_get_makes_a_token_and_pictures_on_other_sites_end_no_dashboard(
    hub: RunningHub,
) -> None:
    _, token = await page_token(hub)
    ws = await hub.http.ws_connect(f"{hub.url}/api/v1/events")
    await ws.send_json({"t": "hello", "token": token})
    assert (await ws.receive_json())["whole"]
    for number in range(70):
        async with hub.http.get(
            f"{hub.url}/?{number}", headers={"Sec-Fetch-Site": "cross-site"}
        ) as r:
            assert "bpfp_" not in await r.text()
    for _ in range(70):
        await page_token(hub)
    assert (await hub.ask("POST", "/stop", token=token))[0] == 200
    await ws.close()


GIVEN = [
    {"Authorization": "Bearer bpft_" + "w" * 43},
    {"Authorization": "Bearer \xff"},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic dXNlcjpw"},
]


@pytest.mark.parametrize("headers", GIVEN)
async def test_a_token_that_is_not_good_is_no_program_of_this_machine(
    hub: RunningHub, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/status", "/devices", "/events/stream"):
        async with hub.http.get(f"{hub.url}/api/v1{path}", headers=headers) as response:
            assert response.status == 401
    async with hub.http.get(f"{hub.url}/api/v1/status?token=wrong") as response:
        assert response.status == 401
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await hub.http.ws_connect(f"{hub.url}/api/v1/events", headers=headers)
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await hub.http.ws_connect(hub.app.client_url, headers=headers)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_token_narrows_on_this_machine_too_and_its_end_opens_nothing(
    hub: RunningHub,
) -> None:
    _, made = await hub.ask("POST", "/tokens", {"name": "game", "percent": 20})
    assert isinstance(made, dict)
    url = hub.app.client_url
    ws = await hub.http.ws_connect(f"{url}/{made['token']}")
    await hub.ask("DELETE", "/tokens/game")
    message = await ws.receive(5)
    assert (message.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, 1008)
    assert message.extra == "the token was revoked or has expired"
    for path in (f"/{made['token']}", f"/?token={made['token']}", "/token/mistyped", "/bpft_typo"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await hub.http.ws_connect(url + path)
    await (await hub.http.ws_connect(f"{url}/any/other/path")).close()


RAW = [
    b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\r\nOrigin: \xff\r\n\r\n",
    b"POST /api/v1/page HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: \xff\r\nContent-Length: 0\r\n\r\n",
    b"GET /api/v1/status?token=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /api/v1/status?token=%ff%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /dashboard/%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /token/%ff HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nOrigin: \xff\xed\xa0\x80\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: \xff\r\nOrigin: \xff\r\n\r\n",
]
# Whatever header aiohttp or we look at.
READ_HEADERS = (
    "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Private-Network",
    "Connection", "Content-Encoding", "Content-Type", "Cookie", "Expect", "Forwarded",
    "If-Modified-Since", "Range", "Sec-Fetch-Site", "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol", "Service-Worker", "X-Forwarded-Proto",
)  # fmt: skip
RAW += [
    f"{head}\r\nHost: 127.0.0.1\r\n{name}: ".encode() + b"\xff\r\n\r\n"
    for name in READ_HEADERS
    for head in (
        "POST /api/v1/stop HTTP/1.1\r\nContent-Length: 0",
        "OPTIONS / HTTP/1.1\r\nOrigin: http://localhost",
        "GET /link HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
]


@pytest.mark.parametrize("request_bytes", RAW)
async def test_bytes_that_are_no_text_are_the_callers_fault_and_no_traceback(
    hub: RunningHub, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for address in (hub.url, hub.app.client_url):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(address).port)
        writer.write(request_bytes)
        async with asyncio.timeout(5):
            line = await reader.readline()
        assert line.split()[1] < b"500"
        writer.close()
        await writer.wait_closed()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_body_that_breaks_off_is_no_trouble_of_the_hub(
    hub: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    for rest in (b"Content-Length: 10\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"):
        _, writer = await asyncio.open_connection("127.0.0.1", URL(hub.url).port)
        writer.write(head + rest)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
    await asyncio.sleep(0.2)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_browser_that_waits_for_leave_to_send_a_body_gets_it(hub: RunningHub) -> None:
    async with hub.http.post(
        f"{hub.url}/api/v1/stop", data=b"{}", expect100=True,
        headers={"Content-Type": "application/json"},
    ) as response:  # fmt: skip
        assert response.status == 200


@pytest.mark.parametrize(
    "path", ["/dashboard/../pages.py", "/dashboard/%2e%2e%2fpages.py", "/relay/..%2f..%2fapp.py"]
)
async def test_only_pages_are_served(hub: RunningHub, path: str) -> None:
    async with hub.http.get(URL(hub.url + path, encoded=True)) as response:
        assert response.status == 404


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "Vibrate"}, "either steps or percent"),
        ({"type": "Vibrate", "steps": 1, "percent": 1}, "either steps or percent"),
        ({"type": "Vibrate", "steps": 21}, "outside 0..20"),
        ({"type": "Vibrate", "percent": -10}, "one direction"),
        ({"type": "Vibrate", "percent": 101}, "percent"),
        ({"type": "Vibrate", "percent": 10, "for_ms": 60_001}, "60000"),
        ({"type": "Vibrate", "percent": 10, "for_ms": 0}, "for_ms"),
        ({"type": "Vibrate", "percentage": 10}, "percentage"),
        ({"type": "Spin", "percent": 10}, "Spin"),
        ({"type": "Spray", "percent": 10}, "no output Spray"),
        ([], "object"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said(
    house: RunningHub, body: object, words: str
) -> None:
    index = index_of(house, "Lovense Nora")
    status, answer = await house.ask("PUT", f"/devices/{index}/outputs", body)
    assert status == 422
    assert isinstance(answer, dict)
    assert words in answer["error"]
    assert not (await live(house, index))["levels"]


async def test_a_packed_body_is_refused_unopened_with_and_without_a_token(hub: RunningHub) -> None:
    packed = gzip.compress(bytes(50 << 20))
    assert len(packed) < 60 << 10
    for token, status in ((hub.admin, 422), ("", 401)):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        started = time.thread_time()
        async with hub.http.post(f"{hub.url}/api/v1/scan", data=packed, headers=headers) as answer:
            assert answer.status == status
        assert time.thread_time() - started < 0.1


async def test_whose_body_is_refused_unread_is_told_that_the_connection_ends(
    hub: RunningHub,
) -> None:
    """Said before all of it has come; what else comes of it, nobody reads."""
    host, _, port = hub.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /api/v1/scan HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {hub.admin}"
    try:
        for length, status in ((2, 204), (70_000, 422)):
            kind = f"Content-Type: application/json\r\nContent-Length: {length}"
            some = b"{}" if length == 2 else bytes(66_000)
            writer.write(f"{head}\r\n{kind}\r\n\r\n".encode() + some)
            async with asyncio.timeout(5):
                answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert answer.startswith(f"HTTP/1.1 {status} ")
            assert ("\r\nConnection: close\r\n" in answer) is (length > 2)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_bodies_are_json_and_bounded(hub: RunningHub) -> None:
    headers = {**hub.headers(), "Content-Type": "text/plain"}
    async with hub.http.post(f"{hub.url}/api/v1/stop", data="{}", headers=headers) as response:
        assert response.status == 422
    headers["Content-Type"] = "application/json"
    big = b" " * 70_000
    async with hub.http.post(f"{hub.url}/api/v1/stop", data=big, headers=headers) as response:
        assert response.status == 422


NAMES = (
    "type", "percent", "steps", "for_ms", "feature", "device", "limits", "deny", "name",
    "display_name", "pin", "origin", "phone", "site", "outputs", "valid_s", "\x00", "",
)  # fmt: skip
SCALARS: tuple[object, ...] = (
    None, True, -1, 0, 1, 2**40, 1e308, 0.5, "", "Vibrate", "https://[", "x" * 300,
)  # fmt: skip


def _json(random: Random, depth: int = 0) -> object:
    """Some JSON value, often near to what a route wants."""
    kind = random.random()
    if depth > 3 or kind < 0.5:
        return random.choice(SCALARS)
    if kind < 0.6:
        return [_json(random, depth + 1) for _ in range(random.randrange(3))]
    return {random.choice(NAMES): _json(random, depth + 1) for _ in range(random.randrange(5))}


@pytest.mark.parametrize("seed", range(3))
async def test_no_body_whatever_breaks_anything(house: RunningHub, seed: int) -> None:
    random = Random(seed)
    for _ in range(40):
        for route in CHANGES:
            path = (
                route.path.replace("{index}", "0").replace("{name}", "%FF%00").replace("{id}", "z")
            )
            status, answer = await house.ask(route.method, path, _json(random))
            assert status < 500, (route, answer)
    assert (await house.ask("POST", "/stop"))[0] == 200


async def test_unknown_things_are_404_in_json(hub: RunningHub) -> None:
    for path in ("/nothing", "/devices/99", "/devices/x"):
        status, answer = await hub.ask("GET", path)
        assert status in (404, 422)
        assert isinstance(answer, dict)
        assert answer["error"]


# --- driving -----------------------------------------------------------------------------------


async def test_a_scripts_output_ends_by_itself(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    body = {"type": "Vibrate", "percent": 50, "for_ms": 300}
    status, answer = await house.ask("PUT", f"/devices/{index}/outputs", body)
    assert (status, answer) == (200, {"features": 1})
    level = (await live(house, index))["levels"]["0"]
    assert level == {"type": "Vibrate", "steps": 10, "percent": 50.0, "driven_by": "API"}
    device = house.app.hub.devices[index]
    await until(lambda: not device.running, "the output's end", 2)
    assert not house.app.hub.owners(device)
    assert not house.app.hub.clients


async def test_a_fade_that_ends_in_float_noise_ends(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    path, device = f"/devices/{index}/outputs", house.app.hub.devices[index]
    for percent, runs in ((10, True), (-2.8e-17, False), (10, True), (2.8e-17, False)):
        status, _ = await house.ask("PUT", path, {"type": "Vibrate", "percent": percent})
        assert (status, device.running) == (200, runs)


async def test_repeating_a_value_keeps_it_and_only_the_script_that_drives_ends_it(
    house: RunningHub,
) -> None:
    index = index_of(house, "Lovense Edge")
    device = house.app.hub.devices[index]
    path = f"/devices/{index}/outputs"
    for _ in range(4):
        await house.ask("PUT", path, {"type": "Vibrate", "percent": 50, "for_ms": 400})
        await asyncio.sleep(0.2)
        assert device.running
    _, made = await house.ask("POST", "/tokens", {"name": "other"})
    assert isinstance(made, dict)
    await house.ask(
        "PUT", path, {"type": "Vibrate", "percent": 20, "for_ms": 5000}, token=made["token"]
    )
    await asyncio.sleep(0.5)
    assert device.running
    await house.ask("DELETE", "/tokens/other")
    await until(lambda: not device.running, "its end")


async def test_a_stop_is_told_and_confirmed(house: RunningHub) -> None:
    for index in house.app.hub.devices:
        await house.ask("PUT", f"/devices/{index}/outputs", {"type": "Vibrate", "percent": 50})
    status, answer = await house.ask("POST", "/stop")
    assert status == 200
    assert isinstance(answer, dict)
    assert (answer["told"], answer["confirmed"], answer["failed"]) == (2, 2, [])
    assert not any(device.running for device in house.app.hub.devices.values())
    status, _ = await house.ask("POST", "/stop", {"device": 99})
    assert status == 404


async def test_a_battery_can_be_read(house: RunningHub) -> None:
    index = index_of(house, "Lovense Edge")
    status, answer = await house.ask("GET", f"/devices/{index}/features/2/inputs/battery")
    assert (status, answer) == (200, {"value": 85})


# --- guests ------------------------------------------------------------------------------------


async def test_a_guest_sees_and_does_what_its_token_says(house: RunningHub) -> None:
    nora, edge = index_of(house, "Lovense Nora"), index_of(house, "Lovense Edge")
    _, made = await house.ask(
        "POST",
        "/tokens",
        {"name": "guest", "devices": ["Lovense Nora"], "outputs": ["vibrate"], "percent": 50},
    )
    assert isinstance(made, dict)
    token = made["token"]
    _, devices = await house.ask("GET", "/devices", token=token)
    assert isinstance(devices, list)
    assert [device["index"] for device in devices] == [nora]
    assert devices[0]["features"][0]["outputs"]["Vibrate"]["range"] == [0, 10]
    assert devices[0]["features"][1]["index"] == 2

    async def put(index: int, body: object) -> int:
        return (await house.ask("PUT", f"/devices/{index}/outputs", body, token=token))[0]

    assert await put(nora, {"type": "Vibrate", "percent": 100}) == 200
    assert (await live(house, nora))["levels"]["0"]["steps"] == 10
    assert await put(nora, {"type": "Rotate", "percent": 10}) == 422
    assert await put(edge, {"type": "Vibrate", "percent": 10}) == 404
    for method, path, body in (
        ("GET", "/status", None),
        ("GET", "/log", None),
        ("POST", "/pairing", {}),
        ("POST", "/tokens", {"name": "mine"}),
        ("PUT", f"/devices/{nora}", {"display_name": "x"}),
    ):
        assert (await house.ask(method, path, body, token=token))[0] == 403


async def test_an_app_with_a_token_sees_less_and_leaves_with_it(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    _, made = await house.ask(
        "POST", "/tokens", {"name": "app", "devices": ["Lovense N*"], "percent": 50}
    )
    assert isinstance(made, dict)
    hello = {"Id": 1, "ClientName": "far", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
    value = {"DeviceIndex": index, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}}}
    async with house.http.ws_connect(made["url"]) as ws:
        await ws.send_json([{"RequestServerInfo": hello}])
        await ws.send_json([{"RequestDeviceList": {"Id": 2}}])
        await ws.send_json([{"OutputCmd": {"Id": 3, **value}}])
        answers = [message for _ in range(3) for message in await ws.receive_json()]
        devices = next(m["DeviceList"] for m in answers if "DeviceList" in m)["Devices"]
        assert list(devices) == [str(index)]
        features = devices[str(index)]["DeviceFeatures"]
        assert features["0"]["Output"]["Vibrate"]["Value"] == [0, 10]
        assert features["1"]["Output"]["Rotate"]["Value"] == [-10, 10]
        assert house.app.hub.devices[index].running
        status, answer = await house.ask("DELETE", "/tokens/app")
        assert (status, answer) == (200, {"name": "app", "clients": 1})
        while (message := await ws.receive(5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
    await until(lambda: not house.app.hub.devices[index].running, "the stop", 1)


# --- settings ----------------------------------------------------------------------------------


async def test_a_device_is_named_limited_and_denied(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    path = f"/devices/{index}"
    device = house.app.hub.devices[index]
    await house.ask("PUT", f"{path}/outputs", {"type": "Vibrate", "percent": 100})
    limit = {"feature": 0, "type": "Vibrate", "highest": 25}
    status, _ = await house.ask("PUT", path, {"display_name": "Nora\x1b[1m", "limits": [limit]})
    assert status == 200
    await until(lambda: not device.running, "its end")
    _, shown = await house.ask("GET", path)
    assert isinstance(shown, dict)
    assert shown["shown_name"] == "Nora\N{REPLACEMENT CHARACTER}[1m"
    assert shown["features"][0]["outputs"]["Vibrate"]["range"] == [0, 5]
    assert shown["features"][0]["limits"]["Vibrate"]["highest"] == 25
    assert '"deny": false' in (house.folder / "devices.json").read_text()
    await house.ask("PUT", path, {"limits": [{**limit, "highest": 100, "disabled": True}]})
    assert device.feature_indexes[0] != 0
    status, _ = await house.ask("PUT", path, {"deny": True})
    assert status == 200
    assert index not in house.app.hub.devices
    _, known = await house.ask("GET", "/known")
    assert isinstance(known, list)
    assert [one["denied"] for one in known if one["index"] == index] == [True]
    assert (await house.ask("PUT", path, {"deny": False}))[0] == 200
    await house.with_devices()


@pytest.mark.parametrize(
    "body",
    [
        {"limits": [{"feature": 0, "type": "Vibrate", "lowest": 50, "highest": 50}]},
        {"limits": [{"feature": 0, "type": "Vibrate", "highest": 1}]},
        {"limits": [{"feature": 9, "type": "Vibrate", "highest": 50}]},
        {"pin": "nobody"},
    ],
)
async def test_a_setting_that_cannot_be_changes_nothing(house: RunningHub, body: object) -> None:
    index = index_of(house, "Lovense Nora")
    status, _ = await house.ask("PUT", f"/devices/{index}", body)
    assert status == 422
    assert not (house.folder / "devices.json").exists()


async def test_a_full_disk_keeps_the_old_settings(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    with full_disk():
        status, answer = await house.ask("PUT", f"/devices/{index}", {"deny": True})
    assert status == 500
    assert isinstance(answer, dict)
    assert "could not save" in answer["error"]
    assert index in house.app.hub.devices
    assert house.app.user.devices() == ()


async def test_what_somebody_else_writes_to_the_file_counts_and_is_not_written_over(
    house: RunningHub,
) -> None:
    index = index_of(house, "Lovense Nora")
    device = house.app.hub.devices[index]
    file = house.folder / "devices.json"
    await house.ask("PUT", f"/devices/{index}", {"display_name": "Nora"})
    await house.ask("PUT", f"/devices/{index}/outputs", {"type": "Vibrate", "percent": 100})
    tree = json.loads(file.read_text())
    (entry,) = tree["user_configs"]["devices"]
    (feature, *_) = entry["config"]["features"]
    feature["output"] = {"vibrate": {"value": [0, 5]}}
    entry["config"]["user_config"]["display_name"] = "Lamp"
    file.write_text(json.dumps(tree))
    house.app.api.settings.look()
    await until(lambda: not device.running, "its end")
    _, shown = await house.ask("GET", f"/devices/{index}")
    assert isinstance(shown, dict)
    assert shown["shown_name"] == "Lamp"
    assert shown["features"][0]["outputs"]["Vibrate"]["range"] == [0, 5]
    # What is wrong there changes nothing, and nothing is written over it.
    file.write_text('{"version": {"major": 5}, "user_configs": {"device": []}}')
    house.app.api.settings.look()
    status, answer = await house.ask("PUT", f"/devices/{index}", {"display_name": "Nora"})
    assert status == 422
    assert "user_configs.device is unknown" in str(answer)
    assert "user_configs.device is unknown" not in file.read_text()
    assert device.shown_name == "Lamp"
    # A change here keeps what stands there, although nobody has looked since.
    entry["config"]["user_config"]["message_gap_ms"] = 77
    file.write_text(json.dumps(tree))
    status, _ = await house.ask("PUT", f"/devices/{index}", {"display_name": "Nora"})
    assert status == 200
    kept = json.loads(file.read_text())["user_configs"]["devices"][0]["config"]
    assert kept["user_config"]["message_gap_ms"] == 77
    assert kept["features"][0]["output"] == {"vibrate": {"value": [0, 5]}}
    kept["user_config"]["deny"] = True
    tree["user_configs"]["devices"][0]["config"] = kept
    file.write_text(json.dumps(tree))
    await until(lambda: index not in house.app.hub.devices, "that it is let go", 10)


async def test_a_pin_moves_and_holds_a_device(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    status, _ = await house.ask("PUT", f"/devices/{index}", {"pin": "simulated toys"})
    assert status == 200
    _, shown = await house.ask("GET", f"/devices/{index}")
    assert isinstance(shown, dict)
    assert shown["pinned"] == "simulated toys"
    assert "embedded" in (house.folder / "pins.json").read_text()
    assert (await house.ask("PUT", f"/devices/{index}", {"pin": None}))[0] == 200


async def test_a_relay_may_be_preferred_or_never_have_a_device(house: RunningHub) -> None:
    index = index_of(house, "Lovense Nora")
    for how in ("prefer", "never"):
        body = {"pin": "simulated toys", "pin_how": how}
        status, answer = await house.ask("PUT", f"/devices/{index}", body)
        assert status == 200
        if how == "prefer":
            _, shown = await house.ask("GET", f"/devices/{index}")
            assert isinstance(shown, dict)
            assert shown["pinned"] is None
            assert shown["pins"] == [{"relay": "simulated toys", "how": "prefer"}]
            assert shown["live"]["choice"][0]["relay"] == "simulated toys"
            assert shown["live"]["choice"][0]["score"]["signal_dbm"] is not None
        else:
            assert "may not have it" in str(answer)
            assert index not in house.app.hub.devices
    status, answer = await house.ask("PUT", f"/devices/{index}", {"pin": "nobody"})
    assert (status, "no relay" in str(answer)) == (422, True)


# --- pairing, origins, log, catalogue ------------------------------------------------------------


async def test_a_pairing_code_is_issued_watched_and_withdrawn(hub: RunningHub) -> None:
    status, code = await hub.ask("POST", "/pairing", {"phone": "localhost"})
    assert status == 201
    assert isinstance(code, dict)
    assert code["link"].startswith("bpforward://127.0.0.1:")
    assert code["page_url"].startswith(f"http://localhost:{hub.app.bind()[1]}/relay/#")
    assert code["page_qr"].startswith("<svg")
    assert "style=" not in code["page_qr"]
    _, state = await hub.ask("GET", f"/pairing/{code['id']}")
    assert isinstance(state, dict)
    assert state["state"] == "open"
    hub.app.trust.file(bytes.fromhex(code["id"]), b"k" * 32, "Attic", _now())
    _, state = await hub.ask("GET", f"/pairing/{code['id']}")
    assert state == {"state": "joined", "relay": "Attic", "valid_s": 0}
    _, code = await hub.ask("POST", "/pairing", {})
    assert isinstance(code, dict)
    assert "--lan" in code["problems"][1]
    await hub.ask("DELETE", f"/pairing/{code['id']}")
    _, state = await hub.ask("GET", f"/pairing/{code['id']}")
    assert isinstance(state, dict)
    assert state["state"] == "over"


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_paired_relay_is_shown_away_and_revoked(hub: RunningHub) -> None:
    hub.app.trust.book.add(b"k" * 32, "Attic / left")
    _, relays = await hub.ask("GET", "/relays")
    assert isinstance(relays, list)
    assert [(relay["name"], relay["connected"]) for relay in relays] == [
        ("Attic / left", False),
        ("simulated toys", True),
    ]
    status, answer = await hub.ask("DELETE", "/relays/Attic%20%2F%20left")
    assert (status, answer) == (200, {"name": "Attic / left", "cut": False})
    assert (await hub.ask("DELETE", "/relays/Attic%20%2F%20left"))[0] == 422


@pytest.mark.parametrize("origin", ["https://game.example", "file://", "moz-extension://abc"])
async def test_a_page_that_asks_is_allowed_and_stays_so(
    hub: RunningHub, tmp_path: Path, origin: str
) -> None:

    async def visit() -> int:
        try:
            async with hub.http.ws_connect(hub.app.client_url, origin=origin):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    assert await visit() == 403
    _, origins = await hub.ask("GET", "/origins")
    assert origins == {"allowed": [], "asked": {origin: 1}}
    _, origins = await hub.ask("POST", "/origins", {"origin": origin})
    assert origins == {"allowed": [origin], "asked": {}}
    assert await visit() == 101
    assert origin in (tmp_path / "origins.json").read_text()
    _, origins = await hub.ask("DELETE", f"/origins?origin={origin}")
    assert origins == {"allowed": [], "asked": {}}
    assert await visit() == 403
    assert (await hub.ask("POST", "/origins", {"origin": "game.example"}))[0] == 422


async def test_the_log_has_no_addresses_and_no_tokens(house: RunningHub) -> None:
    _, lines = await house.ask("GET", "/log")
    assert isinstance(lines, list)
    text = "\n".join(line["text"] for line in lines)
    assert "Lovense Nora connected" in text
    for device in house.app.hub.devices.values():
        assert device.identity.address not in text
    _, later = await house.ask("GET", f"/log?since={lines[-2]['n']}")
    assert later == lines[-1:]


async def test_the_catalogue_is_searched(hub: RunningHub) -> None:
    _, found = await hub.ask("GET", "/catalogue?search=lovense+nora")
    assert isinstance(found, list)
    assert {model["name"] for model in found} == {"Lovense Nora"}
    assert found[0]["outputs"] == ["Vibrate", "Rotate"]


# --- https -------------------------------------------------------------------------------------


async def test_the_same_pages_come_over_https(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    link = Link(port=0, https_port=port)
    async with running_hub(tmp_path, (), config_for(tmp_path, (), link)) as hub:
        assert hub.app.https_port == port
        async with hub.http.get(f"https://127.0.0.1:{port}/relay/", ssl=False) as response:
            assert response.status == 200
            assert "Strict-Transport-Security" not in response.headers


async def test_a_taken_https_port_is_said_and_does_not_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        link = Link(port=0, https_port=other.getsockname()[1])
        async with running_hub(tmp_path, (), config_for(tmp_path, (), link)) as hub:
            assert hub.app.https_port is None
            assert (await hub.ask("GET", "/status"))[0] == 200
    assert [r.levelname for r in caplog.records if "no https for phones" in r.message] == [
        "WARNING"
    ]


async def test_beyond_this_machine_a_token_is_needed_for_everything(tmp_path: Path) -> None:
    here = next((str(ip) for ip in addresses() if ip.version == 4), None)
    if here is None:
        pytest.skip("this machine has no address beyond loopback")
    (https_port,) = free_ports(1)
    link = Link(port=0, https_port=https_port, lan=True)
    async with running_hub(tmp_path, (), config_for(tmp_path, (), link)) as hub:
        url = hub.app.link_url.replace("127.0.0.1", here)
        async with hub.http.post(f"{url}/api/v1/page", headers={"Origin": url}) as response:
            assert response.status == 403
        for path in ("/status", "/devices", "/log", "/events/stream"):
            async with hub.http.get(f"{url}/api/v1{path}") as response:
                assert response.status == 401
        async with hub.http.ws_connect(f"{url}/api/v1/events") as ws:
            await ws.send_json({"t": "hello"})
            assert (await ws.receive(5)).type is aiohttp.WSMsgType.CLOSE
            assert ws.close_code == 4401
        # Whoever listens on the way has read it.
        async with hub.http.get(f"{url}/api/v1/status", headers=hub.headers()) as response:
            assert response.status == 403
        async with hub.http.ws_connect(f"{url}/api/v1/events") as ws:
            await ws.send_json({"t": "hello", "token": hub.admin})
            message = await ws.receive(5)
            assert (message.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)
            assert message.extra is not None
            assert "--renew" in message.extra
        _, made = await hub.ask("POST", "/tokens", {"name": "guest"})
        assert isinstance(made, dict)
        guest = hub.headers(made["token"])
        async with hub.http.get(f"{url}/api/v1/devices", headers=guest) as response:
            assert response.status == 200
        async with hub.http.ws_connect(f"{url}/api/v1/events", headers=guest) as ws:
            await ws.send_json({"t": "hello"})
            assert (await ws.receive_json())["whole"] is True
        secure = f"https://{here}:{https_port}/api/v1/status"
        async with hub.http.get(secure, headers=hub.headers(), ssl=False) as response:
            assert response.status == 200
        async with hub.http.get(f"{url}/relay/") as response:
            assert response.status == 200
        _, code = await hub.ask("POST", "/pairing", {})
        assert isinstance(code, dict)
        assert here in code["link"]
        pem = await asyncio.to_thread(ssl.get_server_certificate, (here, https_port))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        assert code["certificate"].replace(" ", "").lower() == digest


async def test_a_certificate_of_the_users_is_used_and_said_everywhere(tmp_path: Path) -> None:
    """Without `wss = true`, too: who gives a certificate wants it used."""
    files = own_certificate(tmp_path / "own", [], datetime.now(UTC))
    tls = TlsSection(certificate=files.certificate, key=files.key)
    config = replace(config_for(tmp_path / "hub", ()), clients=Clients(port=0, tls=tls))
    async with running_hub(tmp_path / "hub", (), config) as hub:
        _, status = await hub.ask("GET", "/status")
        assert isinstance(status, dict)
        url = status["hub"]["client_url"]
        assert url.startswith("wss://")
        assert url == hub.app.client_url
        await (await hub.http.ws_connect(url, ssl=False)).close()


async def test_toys_are_named_in_the_status(house: RunningHub) -> None:
    _, status = await house.ask("GET", "/status")
    assert isinstance(status, dict)
    assert sorted(device["name"] for device in status["devices"]) == sorted(TOYS)
    assert status["hub"]["name"] == "Desk"
