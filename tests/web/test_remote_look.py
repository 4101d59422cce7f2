"""How the guest's page looks in each state, from 320 px up, light and dark.

With `FORWARDER_SCREENSHOTS` set to a folder, every state is also kept there as pictures, at 320,
390,
768 and 1440 px. With `AXE_CORE` set to an axe.min.js, axe judges every state as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forwarder.stop.person import Person
from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import running_hub
from tests.web.test_look import _FAULTS, LEAST_TARGET_PX, axe
from tests.web.test_remote import OPEN, Guest, link_of, shared

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

SIZES = ((320, 640), (390, 844), (768, 1024), (1440, 900))
TOYS = ("Lovense Edge", "Lovense Nora", "Vorze Piston")


async def look(page: Page, name: str, at: str = "body") -> None:
    """Check what is shown at every width, and keep its pictures if somebody wants them; of what is
    longer than the screen from `at` on, a selector."""
    folder = os.environ.get("FORWARDER_SCREENSHOTS")
    for width, height in SIZES if folder else (SIZES[0], SIZES[-1]):
        for dark in (False, True):
            await page.phone(width, height, dark=dark)
            await page.evaluate(f"document.querySelector('{at}').scrollIntoView(); 0")
            await page.evaluate("new Promise(done => setTimeout(done, 150))")
            if folder:
                shade = "dark" if dark else "light"
                await page.screenshot(Path(folder, f"remote-{name}-{width}-{shade}.png"))
            faults = await page.evaluate(_FAULTS.replace("LEAST", str(LEAST_TARGET_PX)))
            assert faults == [], f"{name}, {width} px, dark {dark}"
    if "AXE_CORE" in os.environ:
        assert await axe(page) == [], name


async def test_before_the_link_is_taken(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, TOYS[:1], ask=True) as guest:
        await guest.page.until("!document.getElementById('start').hidden")
        await look(guest.page, "start")
        await guest.start()
        await guest.says("Waiting to be allowed")
        await look(guest.page, "asked")
        await guest.hub.ask("POST", "/shares/refuse", {"name": "Marie"})
        await guest.says("not allowed in")
        await look(guest.page, "refused")
        url = guest.hub.url + "/remote/"
        await guest.page.click("#forget")
        await guest.says("No share here")
        await look(guest.page, "none")
        await guest.page.goto("about:blank")
        await guest.page.goto(url + "#short")
        await guest.says("not whole")
        await look(guest.page, "broken")


async def test_inside_another_app(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, TOYS[:1]) as guest:
        page = await browser.page("about:blank")
        agent = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0"
        await page.call("Emulation.setUserAgentOverride", userAgent=agent)
        await page.goto(await link_of(guest.hub, name="Kim"))
        await page.until("document.body.innerText.includes('The app is Instagram')")
        await look(page, "inside")
        await page.close()


async def test_driving(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, TOYS, percent=60, for_s=7200) as guest:
        await guest.open()
        page = guest.page
        await page.until("document.querySelectorAll('.device').length === 3")
        await look(page, "rest")
        await guest.slide(0.7)
        await page.evaluate("document.querySelectorAll('[data-mode=wave]')[1].click()")
        await page.evaluate(
            "document.querySelectorAll('.device')[2].querySelector('[data-mode=loop]').click()"
        )
        await look(page, "driving")
        await look(page, "loop", ".device:nth-of-type(3)")
        await page.click("#stop")
        await page.evaluate("scrollTo(0, 0)")
        Person(guest.hub.app.hub).pause("Kim")
        await guest.says("paused by Kim")
        await look(page, "held")
        Person(guest.hub.app.hub).resume("Kim")
        await page.until("!document.getElementById('devices').inert")
        await guest.hub.ask("DELETE", "/shares/Marie")
        await guest.says("has ended")
        await look(page, "ended")


async def test_without_a_toy_and_without_the_hub(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, TOYS[:1], devices=["nothing"]) as guest:
        await guest.start()
        await guest.page.until(OPEN)
        await guest.says("No toy is here now")
        await look(guest.page, "empty")


async def test_when_it_comes_back_or_cannot(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, TOYS[:1], uses=2) as guest:
        page = guest.page
        await guest.open()
        other = await browser.page(await link_of(guest.hub, name="Kim"), apart=True)
        taken = Guest(guest.hub, other)
        await taken.open()
        await page.call("Page.reload")
        await guest.says("Welcome back")
        await look(page, "again")
        await guest.open()
        await guest.hub.ask("POST", "/shares/renew", {"name": "Kim"})
        await taken.says("There is a new link")
        await look(other, "renewed")
        await other.close()
        link = guest.hub.app._ports.link
        link.close()
        for session in list(guest.hub.app.shared._here.values()):
            await session.channel.close()
        await guest.says("Not connected")
        await look(page, "waiting")


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("old", "delete SubtleCrypto.prototype.generateKey", "too old"),
        ("insecure", "Object.defineProperty(window, 'isSecureContext', { value: false })", "https"),
    ],
)
async def test_a_browser_that_cannot(
    browser: Chromium, tmp_path: Path, name: str, spoil: str, words: str
) -> None:
    async with running_hub(tmp_path, TOYS[:1]) as hub:
        page = await browser.page("about:blank")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=spoil)
        await page.goto(await link_of(hub))
        await page.until(f"document.body.innerText.includes({words!r})")
        await look(page, name)
        await page.close()
