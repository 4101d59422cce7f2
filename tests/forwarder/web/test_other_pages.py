"""Pages of other sites at the API of a whole hub: allowed ones with a token, and nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.doubles.running_hub import RunningHub, running_hub

PAGE = "https://game.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization, content-type",
}
ACAO = "Access-Control-Allow-Origin"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, ("Lovense Edge",)) as made:
        yield made


async def allowed(hub: RunningHub, origin: str = PAGE) -> None:
    status, _ = await hub.ask("POST", "/origins", {"origin": origin})
    assert status == 200


async def sent(
    hub: RunningHub, method: str, path: str, headers: dict[str, str], body: object = None
) -> tuple[int, str | None, str]:
    """Status, who may read the answer, the answer."""
    data = None if body is None else json.dumps(body)
    more = {} if body is None else {"Content-Type": "application/json"}
    async with hub.http.request(
        method, f"{hub.url}{path}", headers={**headers, **more}, data=data
    ) as response:
        assert response.headers.get(ACAO) != "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        if path.startswith("/api/v1/") and path not in ("/api/v1/page", "/api/v1/here"):
            assert "Origin" in response.headers["Vary"]
        return response.status, response.headers.get(ACAO), await response.text()


async def test_an_allowed_page_with_a_token_uses_the_api_as_a_script_does(hub: RunningHub) -> None:
    await allowed(hub)
    await hub.with_devices(1)
    status, reader, _ = await sent(
        hub, "OPTIONS", "/api/v1/devices/0/outputs", {"Origin": PAGE, **PREFLIGHT}
    )
    assert (status, reader) == (204, PAGE)
    with_token = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", **hub.headers()}
    drive = {"type": "Vibrate", "percent": 50}
    status, reader, _ = await sent(hub, "PUT", "/api/v1/devices/0/outputs", with_token, drive)
    assert (status, reader) == (200, PAGE)
    status, reader, _ = await sent(hub, "POST", "/api/v1/stop", with_token)
    assert (status, reader) == (200, PAGE)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/status"), ("GET", "/devices"), ("POST", "/stop"), ("POST", "/pause"),
     ("POST", "/scan"), ("GET", "/events/stream"), ("GET", "/checks")],
)  # fmt: skip
async def test_without_a_token_an_allowed_page_is_nobody_and_can_read_why(
    hub: RunningHub, method: str, path: str
) -> None:
    await allowed(hub)
    status, reader, text = await sent(hub, method, f"/api/v1{path}", {"Origin": PAGE})
    assert (status, reader) == (401, PAGE)
    assert "token" in json.loads(text)["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://game.example.evil.example"},
        {"Origin": "https://evil-game.example"},
        {"Origin": "http://game.example"},
        {"Origin": "https://game.example:8443"},
        {"Origin": "https://sub.game.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "file://"},
        {"Origin": "*"},
        {"Origin": f"{PAGE}, https://evil.example"},
        {"Origin": PAGE, "Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_whoever_else_is_refused_with_the_token_too(
    hub: RunningHub, headers: dict[str, str]
) -> None:
    await allowed(hub)
    # Every page may connect as an app; that opens no API.
    for origin in ("*", "null"):
        await allowed(hub, origin)
    for method, path in (("GET", "/api/v1/status"), ("POST", "/api/v1/stop")):
        status, reader, _ = await sent(hub, method, path, {**hub.headers(), **headers})
        assert status in (403, 421)
        assert reader is None
    status, reader, _ = await sent(hub, "OPTIONS", "/api/v1/scan", {**headers, **PREFLIGHT})
    assert status == 403
    assert reader is None


async def test_what_is_for_the_dashboard_alone_no_allowed_page_gets(hub: RunningHub) -> None:
    await allowed(hub)
    for headers in ({"Origin": PAGE}, {"Origin": PAGE, **hub.headers()}):
        status, reader, text = await sent(hub, "POST", "/api/v1/page", headers)
        assert (status, reader) == (403, None)
        assert "bpfp_" not in text
    status, reader, _ = await sent(hub, "OPTIONS", "/api/v1/page", {"Origin": PAGE, **PREFLIGHT})
    assert (status, reader) == (403, None)
    # Nor does a token that the dashboard got count, should it get out.
    async with hub.http.post(f"{hub.url}/api/v1/page", headers={"Origin": hub.url}) as made:
        token = (await made.json())["token"]
    with_it = {"Origin": PAGE, **hub.headers(token)}
    assert (await sent(hub, "GET", "/api/v1/status", with_it))[0] == 401
    # The rest of the server shares nothing.
    for path in ("/", "/metrics", "/relay/", "/dashboard/api.js"):
        assert (await sent(hub, "GET", path, {"Origin": PAGE, **hub.headers()}))[1] is None


async def test_subdomains_count_where_they_were_allowed(hub: RunningHub) -> None:
    await allowed(hub, "https://*.example.org")
    for origin, wanted in (
        ("https://a.example.org", 200), ("https://example.org", 403),
        ("https://a.example.org.evil.example", 403),
    ):  # fmt: skip
        headers = {"Origin": origin, **hub.headers()}
        assert (await sent(hub, "GET", "/api/v1/status", headers))[0] == wanted


async def test_a_page_that_is_not_allowed_any_more_loses_its_events(hub: RunningHub) -> None:
    await allowed(hub)
    url = f"{hub.url}/api/v1/events"
    async with hub.http.ws_connect(url, headers={"Origin": PAGE}) as socket:
        await socket.send_json({"t": "hello", "token": hub.admin})
        assert (await socket.receive_json())["whole"] is True
        stream = await hub.http.get(f"{url}/stream", headers={"Origin": PAGE, **hub.headers()})
        assert stream.headers[ACAO] == PAGE
        status, _ = await hub.ask("DELETE", f"/origins?origin={PAGE}")
        assert status == 200
        async with asyncio.timeout(10):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.type is aiohttp.WSMsgType.CLOSE
            await stream.content.read()
    assert (await sent(hub, "GET", "/api/v1/status", {"Origin": PAGE, **hub.headers()}))[0] == 403


async def test_events_of_an_allowed_page_want_a_token_on_this_machine_too(hub: RunningHub) -> None:
    await allowed(hub)
    url = f"{hub.url}/api/v1/events"
    async with hub.http.ws_connect(url, headers={"Origin": PAGE}) as socket:
        await socket.send_json({"t": "hello", "token": ""})
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await hub.http.ws_connect(url, headers={"Origin": "https://evil.example"})
