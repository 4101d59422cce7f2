"""What the pages consist of, and how each file is served."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from forwarder.web.headers import guard_headers
from forwarder.web.pages import (
    DASHBOARD,
    RELAY,
    SHARED,
    Pages,
    RelayPages,
    page_files,
    relay_page_build,
    remote_files,
)

PAGES = {
    "dashboard": page_files(DASHBOARD),
    "relay": page_files(RELAY),
    "remote": remote_files(),
}


class _Open:
    def refuse(self, visitor: object, fetch_site: str | None = None) -> None:
        return None


@pytest.mark.parametrize("page", list(PAGES))
def test_every_page_has_the_shared_files(page: str) -> None:
    names = {file.name for file in SHARED.iterdir() if file.is_file()}
    assert names
    assert names <= PAGES[page].keys()


@pytest.mark.parametrize("page", list(PAGES))
def test_what_a_page_names_is_among_its_files(page: str) -> None:
    files = PAGES[page] | ({"patterns.js": b"", "curve.js": b""} if page == "dashboard" else {})
    index = files["index.html"].decode()
    named = re.findall(r'(?:src|href)="(?:dashboard/)?([\w.-]+\.\w+)"', index)
    assert named
    assert set(named) <= files.keys()
    for name, content in files.items():
        if name.endswith(".js"):
            imported = set(re.findall(r"from '\./([\w.-]+)'", content.decode()))
            assert imported <= files.keys(), name


def test_no_colour_stands_in_two_files() -> None:
    named = re.findall(r"(--[\w-]+): *#", (SHARED / "colours.css").read_text())
    for name, folder in (("dashboard.css", DASHBOARD), ("relay.css", RELAY)):
        text = (folder / name).read_text()
        assert [colour for colour in named if f"{colour}:" in text] == [], name
    remote = PAGES["remote"]["remote.css"].decode()
    assert [colour for colour in named if f"{colour}:" in remote] == []


@pytest.mark.parametrize(
    ("page", "name"), [("relay", "relay.webmanifest"), ("dashboard", "dashboard.webmanifest")]
)
def test_the_icons_of_a_manifest_are_there(page: str, name: str) -> None:
    icons = json.loads(PAGES[page][name])["icons"]
    assert {icon["src"] for icon in icons} <= PAGES[page].keys()
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in icons}
    assert any(icon.get("purpose") == "maskable" for icon in icons)


async def test_every_file_is_served_as_what_it_is() -> None:
    app = web.Application()
    app.on_response_prepare.append(guard_headers)
    Pages(_Open()).mount(app)
    expected: Mapping[str, str] = {
        "/": "text/html; charset=utf-8",
        "/dashboard/dashboard.webmanifest": "application/manifest+json; charset=utf-8",
        "/dashboard/icon-192.png": "image/png",
        "/dashboard/icon.svg": "image/svg+xml; charset=utf-8",
        "/dashboard/colours.css": "text/css; charset=utf-8",
        "/relay/relay.webmanifest": "application/manifest+json; charset=utf-8",
        "/relay/icon-maskable-512.png": "image/png",
        "/remote/colours.css": "text/css; charset=utf-8",
    }
    async with TestClient(TestServer(app)) as client:
        for path, kind in expected.items():
            async with client.get(path) as answer:
                assert answer.status == 200, path
                assert answer.headers["Content-Type"] == kind, path
                assert "manifest-src 'self'" in answer.headers["Content-Security-Policy"] or (
                    path.startswith("/remote")
                )
        async with client.get("/dashboard/index.html") as answer:
            assert answer.status == 404


# What a browser has to load before there is anything to see, in bytes as they are sent.
FIRST_VIEW_BYTES = 60 << 10


@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_first_view_of_the_dashboard_is_small(language: str) -> None:
    app = web.Application()
    Pages(_Open()).mount(app)
    todo, loaded = ["/", f"/dashboard/{language}.js"], {}
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        while todo:
            path = todo.pop()
            if path in loaded:
                continue
            async with client.get(path, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                body = await answer.read()
            loaded[path] = len(body)
            text = gzip.decompress(body).decode()
            if path == "/":
                linked = r'<(?:script|link)[^>]* (?:src|href)="([\w/.-]+)"'
                todo += [f"/{name}" for name in re.findall(linked, text) if "png" not in name]
            elif path.endswith(".js"):
                todo += [f"/dashboard/{name}" for name in re.findall(r"from '\./([\w.-]+)'", text)]
    assert len(loaded) > 20
    assert sum(loaded.values()) <= FIRST_VIEW_BYTES, loaded


async def test_a_browser_that_unpacks_nothing_gets_a_page_as_it_is() -> None:
    app = web.Application()
    Pages(_Open()).mount(app)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        for path, name in (("/dashboard/app.js", "app.js"), ("/", "index.html")):
            async with client.get(path, headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers
                assert await answer.read() == PAGES["dashboard"][name]


async def test_a_page_that_comes_from_elsewhere_says_who_serves_it() -> None:
    app = web.Application()
    RelayPages('Kim & "Co"').mount(app)
    async with TestClient(TestServer(app)) as client, client.get("/relay/") as answer:
        assert 'name="served-by" content="Kim &amp; &quot;Co&quot;"' in await answer.text()


def test_the_build_of_the_phones_page_stands_in_it() -> None:
    index = PAGES["relay"]["index.html"].decode()
    assert f'<meta name="build" content="{relay_page_build()}">' in index
