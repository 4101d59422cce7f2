"""The guest's page in Firefox and in WebKit: its key is kept, a toy is driven, and it stops."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.doubles.firefox import Firefox, FirefoxPage, find_firefox
from tests.doubles.running_hub import RunningHub, running_hub
from tests.doubles.webkit import WebKit, find_webkit
from tests.needs import missing
from tests.system.processes import until
from tests.web.test_remote import OPEN, TOYS, link_of

_SLIDE = """(slide => { slide.value = 0.5; slide.dispatchEvent(new Event('input')); return true; })
    (document.querySelector('.slide'))"""


async def _drive(page: FirefoxPage | WebKit, hub: RunningHub) -> None:
    [device] = hub.app.hub.devices.values()
    await page.until("!document.getElementById('start').hidden")
    await page.evaluate("document.getElementById('start').click()")
    await page.until(f"{OPEN} && document.querySelector('.slide')")
    await page.evaluate(_SLIDE)
    await until(lambda: device.running, "the toy moving", 5)


async def _comes_and_comes_back(page: FirefoxPage | WebKit, hub: RunningHub, name: str) -> None:
    [device] = hub.app.hub.devices.values()
    started = time.monotonic()
    await page.goto(await link_of(hub))
    await _drive(page, hub)
    print(f"{name}: from the link to the first value {time.monotonic() - started:.2f} s")
    # Loaded again: what it drove stops, the link is taken already, and its key opens it.
    await page.reload()
    await until(lambda: not device.running, "the stop", 2)
    await page.until("document.body.innerText.includes('Welcome back')")
    assert await page.evaluate("location.hash") == ""
    await _drive(page, hub)
    _, shares = await hub.ask("GET", "/shares")
    assert isinstance(shares, list)
    [guest] = shares[0]["guests"]
    assert guest["browser"] == f"{name} on Linux"
    # Its script does not come to anything else for a while.
    await page.evaluate(
        "setTimeout(() => { const ends = Date.now() + 2500; while (Date.now() < ends); }, 50)"
    )
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await until(lambda: not device.running, "the stop", 5)
    took = time.monotonic() - started
    print(f"{name}: off {took:.2f} s after its script stood still")
    # By the lease, 0.9 s, and not by the script, which goes on after 2.5. How exact the lease is
    # does not depend on the browser: forwarder/clients/test_page_lease.py,
    # forwarder/shares/test_sessions.py.
    assert took < 2.0


async def test_a_guest_drives_with_firefox_comes_back_with_its_key_and_stops(
    tmp_path: Path,
) -> None:
    if find_firefox() is None:
        missing("firefox-esr is not installed")
    async with running_hub(tmp_path, TOYS) as hub, Firefox() as browser:
        await hub.with_devices(1)
        await _comes_and_comes_back(await browser.page("about:blank"), hub, "Firefox")


async def test_a_guest_drives_with_webkit_comes_back_with_its_key_and_stops(
    tmp_path: Path,
) -> None:
    if find_webkit() is None:
        missing("webkit2gtk-driver or xvfb is not installed")
    async with running_hub(tmp_path, TOYS) as hub, WebKit() as page:
        await hub.with_devices(1)
        await _comes_and_comes_back(page, hub, "Safari")
