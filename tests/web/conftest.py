"""One headless Chromium and one hub for all tests of the relay page's modules."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.doubles.chromium import Chromium, Page, find_chromium
from tests.doubles.chromium_hub import WebHub
from tests.needs import NEED_ALL


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Where everything must be there, the browser's absence fails in its fixture.
    missing = find_chromium() is None and not os.environ.get(NEED_ALL)
    for item in items:
        if item.get_closest_marker("chromium") is None:
            continue
        if missing:
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Chromium]:
    """A browser with what a phone has: Web Bluetooth without its experiments."""
    async with Chromium(["--enable-features=WebBluetooth"]) as chromium:
        yield chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def modules(browser: Chromium) -> AsyncIterator[Page]:
    """A blank page that can import the relay page's modules from `/relay/`."""
    async with WebHub() as hub:
        page = await browser.page(hub.url("/blank"))
        await page.evaluate(
            """Promise.all(['msgpack', 'noise', 'gate', 'slots', 'handshake', 'places',
                'messages'].map(name => import(`/relay/${name}.js`)))
                .then(all => { window.modules = Object.assign({}, ...all); })"""
        )
        yield page
        await page.close()
