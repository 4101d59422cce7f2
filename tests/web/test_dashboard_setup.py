"""Setup on the dashboard, in a browser: a switch, a hub that starts anew, a page that is back."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.doubles.chromium import Chromium, DevToolsError, Page
from tests.system.processes import Program, free_ports, until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


async def test_a_toy_is_switched_on_with_nothing_but_the_mouse(
    browser: Chromium, tmp_path: Path
) -> None:
    client, link = free_ports(2)
    config = tmp_path / "hub.toml"
    config.write_text(
        f"name = 'Desk'\n[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = 0\n"
        "direct_port = 0\n"
    )
    hub = Program(
        "forwarder",
        ["run", "--state", str(tmp_path / "s"), "--config", str(config)],
        tmp_path,
        "hub",
    )
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        page = await browser.page(f"http://127.0.0.1:{link}/")
        # It goes to the address that only this hub has.
        await _shows(page, "String(document.getElementById('board')?.hidden)", "false")
        await page.click("#setup-open")
        await page.until("document.getElementById('setup').open")
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
        await page.click("#setup-save")
        await page.until("document.getElementById('sure').open")
        await page.click("#sure-yes")
        await until(lambda: hub.text.count("Relays, dashboard") == 2, "the second start")
        # By itself: the page asks for another token, and shows what the new hub has.
        await _shows(
            page, "document.querySelector('#relay-list h3')?.textContent", "simulated toys"
        )
        assert not await page.evaluate("document.getElementById('setup').open")
        about = "document.getElementById('about')?.textContent.includes('direct paths')"
        await _shows(page, f"String({about})", "true")
        await page.close()
    finally:
        await hub.end()


async def _shows(page: Page, shown: str, wanted: str) -> None:
    """It loads itself anew, so a question may get no answer."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(DevToolsError):
                if await page.evaluate(shown) == wanted:
                    return
            await asyncio.sleep(0.05)


async def test_a_group_and_a_stand_in_are_made_with_the_mouse_and_are_there_after_the_start(
    browser: Chromium, tmp_path: Path
) -> None:
    client, link = free_ports(2)
    config = tmp_path / "hub.toml"
    config.write_text(
        f"[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = 0\n[radio]\n"
        "simulate = ['Lovense Hush', 'Lovense Edge']\n"
    )
    hub = Program(
        "forwarder",
        ["run", "--state", str(tmp_path / "s"), "--config", str(config)],
        tmp_path,
        "hub",
    )
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        page = await browser.page(f"http://127.0.0.1:{link}/")
        await _shows(page, "String(document.getElementById('board')?.hidden)", "false")
        await page.click("#scan")
        count = "String(document.querySelectorAll('.device h3').length)"
        await _shows(page, count, "2")
        await page.click("#setup-open")
        await page.until("document.getElementById('setup').open")
        group, stand_in = "#setup-groups", "#setup-stand_ins"
        await page.click(f"{group} summary")
        await page.evaluate(f"document.querySelector('{group} input[type=text]').value = 'Both'")
        for number in (1, 2):
            await page.click(f"{group} fieldset label:nth-of-type({number}) input")
        await page.click(f"{group} details > button")
        await page.click(f"{stand_in} summary")
        await page.click(f"{stand_in} details > button")
        await page.evaluate("window.before = 'this page'; 0")
        await page.click("#setup-save")
        await page.until("document.getElementById('sure').open")
        await page.click("#sure-yes")
        await until(lambda: hub.text.count("Relays, dashboard") == 2, "the second start")
        # The page loads itself anew, once.
        await _shows(page, "String(window.before ?? document.readyState)", "complete")
        await _shows(page, "String(document.getElementById('board')?.hidden)", "false")
        await page.click("#scan")
        await _shows(page, count, "4")
        names = "[...document.querySelectorAll('.device h3')].map(one => one.textContent).sort()"
        shown = await page.evaluate(names)
        assert "Both" in shown
        # It is named by what it is, and can be ended there.
        await page.click("#setup-open")
        await page.until("document.getElementById('setup').open")
        said = await page.evaluate(f"document.querySelector('{group} .tables').innerText")
        assert "Both: all devices" in said
        await page.click(f"{group} .tables button")
        assert await page.evaluate(f"document.querySelector('{group} .tables').innerText") == ""
        await page.close()
    finally:
        await hub.end()
