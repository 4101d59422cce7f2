"""The guest's page in Firefox: its key is kept, a toy is driven, and it stops."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.doubles.firefox import Firefox, FirefoxPage, find_firefox
from tests.doubles.running_hub import running_hub
from tests.needs import missing
from tests.system.processes import until
from tests.web.test_remote import OPEN, TOYS, link_of


async def _click(page: FirefoxPage, id: str) -> None:
    await page.until(f"!document.getElementById('{id}').hidden")
    await page.evaluate(f"document.getElementById('{id}').click()")


async def test_a_guest_drives_with_firefox_comes_back_with_its_key_and_stops(
    tmp_path: Path,
) -> None:
    if find_firefox() is None:
        missing("firefox-esr is not installed")
    async with running_hub(tmp_path, TOYS) as hub, Firefox() as browser:
        await hub.with_devices(1)
        [device] = hub.app.hub.devices.values()
        started = time.monotonic()
        page = await browser.page(await link_of(hub))
        await _click(page, "start")
        await page.until(OPEN)
        slide = """(slide => { slide.value = 0.5; slide.dispatchEvent(new Event('input')); })
            (document.querySelector('.slide'))"""
        await page.until("document.querySelector('.slide')")
        await page.evaluate(slide)
        await until(lambda: device.running, "the toy moving", 5)
        print(f"firefox: from the link to the first value {time.monotonic() - started:.2f} s")
        # Loaded again: what it drove stops, the link is taken already, and its key opens it.
        await page.evaluate("location.reload()")
        await until(lambda: not device.running, "the stop", 2)
        await page.until("document.body.innerText.includes('Welcome back')")
        assert await page.evaluate("location.hash") == ""
        await _click(page, "start")
        await page.until(OPEN)
        await page.until("document.querySelector('.slide')")
        await page.evaluate(slide)
        await until(lambda: device.running, "the toy moving again", 5)
        # Its script does not come to anything else for a while.
        await page.evaluate(
            "setTimeout(() => { const ends = Date.now() + 2000; while (Date.now() < ends); })"
        )
        started = time.monotonic()
        await until(lambda: not device.running, "the stop", 5)
        assert time.monotonic() - started <= 1.15
        await asyncio.sleep(1.5)
        assert not device.running
        _, shares = await hub.ask("GET", "/shares")
        assert isinstance(shares, list)
        [guest] = shares[0]["guests"]
        assert guest["browser"] == "Firefox on Linux"
