"""From an empty state folder to a moving toy, with nothing but the mouse, in two browsers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.doubles.chromium import Chromium, DevToolsError
from tests.doubles.firefox import BiDiError, Firefox, find_firefox
from tests.needs import missing
from tests.system.processes import Program, free_ports, until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

LIMIT_S = 40.0


class Window(Protocol):
    """What both browsers' pages have."""

    async def evaluate(self, expression: str) -> object: ...
    async def click(self, selector: str) -> None: ...


@asynccontextmanager
async def fresh(folder: Path) -> AsyncIterator[tuple[Program, str]]:
    """A hub that nobody has ever set up, and its address."""
    client, link = free_ports(2)
    config = folder / "hub.toml"
    config.write_text(f"[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = 0\n")
    hub = Program(
        "forwarder",
        ["run", "--state", str(folder / "s"), "--config", str(config)],
        folder,
        "hub",
    )
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        yield hub, f"http://127.0.0.1:{link}/"
    finally:
        await hub.end()


async def shows(page: Window, expression: str) -> None:
    """It may be loading itself anew, and give no answer."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(DevToolsError, BiDiError):
                if await page.evaluate(f"String({expression})") == "true":
                    return
            await asyncio.sleep(0.05)


BOARD = "document.getElementById('board')?.hidden === false"


async def to_a_moving_toy(page: Window, hub: Program) -> int:
    """Returns how many clicks it took."""
    clicks = 0

    async def click(selector: str) -> None:
        nonlocal clicks
        clicks += 1
        await page.click(selector)

    await shows(page, f"{BOARD} && document.getElementById('no-relays').hidden === false")
    await click("#setup-here")
    await shows(page, "document.getElementById('setup').open")
    await click("#setup-radio-simulate-more")
    await page.evaluate("window.before = 'this page'; 0")
    await click("#setup-save")
    await shows(page, "document.getElementById('sure').open")
    await click("#sure-yes")
    await until(lambda: hub.text.count("Relays, dashboard") == 2, "the second start", LIMIT_S)
    await shows(page, f"window.before === undefined && {BOARD}")
    await shows(page, "document.getElementById('scan-here').getClientRects().length > 0")
    await click("#scan-here")
    await shows(page, "document.querySelector('.device .play')?.getClientRects().length > 0")
    await click(".device .play")
    await shows(page, "document.getElementById('play').open")
    await click("#play-start")
    await shows(page, "document.querySelector('.device.running') !== null")
    return clicks


async def test_seven_clicks_in_chromium(browser: Chromium, tmp_path: Path) -> None:
    async with fresh(tmp_path) as (hub, url):
        page = await browser.page(url)
        try:
            assert await to_a_moving_toy(page, hub) == 7
        finally:
            await page.close()


async def test_seven_clicks_in_firefox(tmp_path: Path) -> None:
    if find_firefox() is None:
        missing("firefox-esr is not installed")
    async with fresh(tmp_path) as (hub, url), Firefox() as firefox:
        page = await firefox.page(url)
        assert await to_a_moving_toy(page, hub) == 7
