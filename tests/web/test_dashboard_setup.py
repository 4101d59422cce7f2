"""Setup on the dashboard, in a browser: a switch, a hub that starts anew, a page that is back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.chromium import Chromium, Page
from tests.system.processes import Program, free_ports, until
from tests.web.test_first_toy import BOARD, shows

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def setting_up(
    browser: Chromium, folder: Path, *, before: str = "", link: str = "", behind: str = ""
) -> AsyncIterator[tuple[Program, Page]]:
    """A hub with parts of a hub.toml, and its dashboard."""
    client, port = free_ports(2)
    config = folder / "hub.toml"
    config.write_text(
        f"{before}[clients]\nport = {client}\n[link]\nport = {port}\nhttps_port = 0\n{link}{behind}"
    )
    words = ["run", "--state", str(folder / "s"), "--config", str(config)]
    hub = Program("forwarder", words, folder, "hub")
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        page = await browser.page(f"http://127.0.0.1:{port}/")
        # It goes to the address that only this hub has.
        await shows(page, BOARD)
        yield hub, page
        await page.close()
    finally:
        await hub.end()


async def _open_setup(page: Page) -> None:
    await page.click("#setup-open")
    await page.until("document.getElementById('setup').open")


async def _save(hub: Program, page: Page) -> None:
    """Returns when the hub has started anew."""
    await page.click("#setup-save")
    await page.until("document.getElementById('sure').open")
    await page.click("#sure-yes")
    await until(lambda: hub.text.count("Relays, dashboard") == 2, "the second start")


async def test_a_toy_is_switched_on_with_nothing_but_the_mouse(
    browser: Chromium, tmp_path: Path
) -> None:
    async with setting_up(
        browser, tmp_path, before="name = 'Desk'\n", link="direct_port = 0\n"
    ) as (hub, page):
        await _open_setup(page)
        # hub.toml has decided the name, and is named with its line.
        assert await page.evaluate("document.getElementById('setup-name').disabled")
        hint = await page.evaluate("document.getElementById('setup-name-hint').textContent")
        assert hint.endswith("hub.toml, line 1.")
        # What cannot be switched is named, with the reason.
        only = await page.evaluate("document.getElementById('setup-only').textContent")
        assert "--trace It fills the disk" in only
        # What direct paths tell, and whom, stands beside their switch.
        told = "document.getElementById('setup-link-direct-hint').textContent"
        assert "Your router is asked for a port" in await page.evaluate(told)
        await page.click("#setup-link-direct")
        await page.evaluate(
            "document.getElementById('setup-radio-simulate').value = 'Lovense Hush'"
        )
        await _save(hub, page)
        # By itself: the page asks for another token, and shows what the new hub has.
        relay = "document.querySelector('#relay-list h3')?.textContent"
        await shows(page, f"{relay} === 'simulated toys'")
        assert not await page.evaluate("document.getElementById('setup').open")
        about = "document.getElementById('about')?.textContent.includes('direct paths')"
        await shows(page, about)


async def test_a_group_and_a_stand_in_are_made_with_the_mouse_and_are_there_after_the_start(
    browser: Chromium, tmp_path: Path
) -> None:
    radio = "[radio]\nsimulate = ['Lovense Hush', 'Lovense Edge']\n"
    async with setting_up(browser, tmp_path, behind=radio) as (hub, page):
        await page.click("#scan")
        count = "document.querySelectorAll('.device h3').length"
        await shows(page, f"{count} === 2")
        await _open_setup(page)
        group, stand_in = "#setup-groups", "#setup-stand_ins"
        await page.click(f"{group} summary")
        await page.evaluate(f"document.querySelector('{group} input[type=text]').value = 'Both'")
        for number in (1, 2):
            await page.click(f"{group} fieldset label:nth-of-type({number}) input")
        await page.click(f"{group} details > button")
        await page.click(f"{stand_in} summary")
        await page.click(f"{stand_in} details > button")
        await page.evaluate("window.before = 'this page'; 0")
        await _save(hub, page)
        # The page loads itself anew, once.
        await shows(page, "window.before === undefined && document.readyState === 'complete'")
        await shows(page, BOARD)
        await page.click("#scan")
        await shows(page, f"{count} === 4")
        names = "[...document.querySelectorAll('.device h3')].map(one => one.textContent).sort()"
        shown = await page.evaluate(names)
        assert "Both" in shown
        # It is named by what it is, and can be ended there.
        await _open_setup(page)
        said = await page.evaluate(f"document.querySelector('{group} .tables').innerText")
        assert "Both: all devices" in said
        await page.click(f"{group} .tables button")
        assert await page.evaluate(f"document.querySelector('{group} .tables').innerText") == ""
