"""The pages in German, as the browser asks for it; and a person who wants another language."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_hub import WebHub
from tests.doubles.running_hub import running_hub
from tests.web.test_dashboard_look import both
from tests.web.test_first_toy import shows

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


async def german(page: Page) -> None:
    agent = await page.evaluate("navigator.userAgent")
    await page.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage="de-DE,de")


async def test_the_dashboard_speaks_german_until_a_person_wants_english(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        page = await browser.page("about:blank")
        try:
            await german(page)
            await page.goto(hub.url + "/")
            await page.until("document.querySelectorAll('.device h3').length === 2", 30)
            assert await page.evaluate("document.documentElement.lang") == "de"
            assert await page.evaluate("document.getElementById('stop').innerText") == (
                "Alles stoppen"
            )
            await page.until("document.querySelector('.battery').innerText === 'Akku 85 %'", 30)
            await both(page, "german")
            await page.click("#setup-open")
            await page.until("document.getElementById('setup').open")
            shown = await page.evaluate("document.getElementById('setup').innerText")
            assert "Handys und andere Computer" in shown
            assert "Phones" not in shown
            await both(page, "german-setup")
            await page.click("#setup-close")
            await page.evaluate(
                """(select => {
                    window.before = true;
                    select.value = 'en';
                    select.dispatchEvent(new Event('change'));
                })(document.getElementById('language'))"""
            )
            # The page is loaded anew, during which it gives no answer.
            english = "document.getElementById('stop')?.innerText === 'Stop everything'"
            await shows(page, f"window.before === undefined && {english}")
            # It is remembered, at this address.
            await page.goto(hub.url + "/")
            await page.until("document.getElementById('stop').innerText === 'Stop everything'")
            assert page.errors == []
        finally:
            await page.close()


async def test_the_phones_page_changes_its_language_without_being_loaded_anew(
    browser: Chromium,
) -> None:
    async with WebHub() as hub:
        page = await browser.page("about:blank")
        try:
            await german(page)
            await page.goto(hub.url())
            await page.until("!document.getElementById('pairing').hidden")
            title = "document.querySelector('#pairing h2').innerText"
            assert await page.evaluate(title) == "Verbinde dieses Handy mit deinem Hub"
            assert await page.evaluate("document.querySelector('#pairing li b').innerText") == (
                "Koppeln"
            )
            await page.evaluate(
                """(select => {
                    window.before = true;
                    select.value = 'en';
                    select.dispatchEvent(new Event('change'));
                })(document.getElementById('language'))"""
            )
            await page.until(f"{title} === 'Connect this phone to your hub'")
            assert await page.evaluate("window.before")
        finally:
            await page.close()


async def test_a_guest_is_spoken_to_in_german(browser: Chromium, tmp_path: Path) -> None:
    async with running_hub(tmp_path, ()) as hub:
        page = await browser.page("about:blank")
        try:
            await german(page)
            await page.goto(hub.url + "/remote/")
            await page.until("!document.getElementById('card').hidden")
            shown = await page.evaluate("document.getElementById('card').innerText")
            assert shown.startswith("Hier ist keine Freigabe")
            assert page.errors == []
        finally:
            await page.close()
