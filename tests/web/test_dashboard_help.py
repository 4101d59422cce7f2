"""Help on the dashboard, in a browser: what is in the way, mended, and looked at again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from tests.doubles.chromium import Chromium, DevToolsError, Page
from tests.doubles.running_hub import running_hub

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

STATE = "document.getElementById('doctor-state')?.textContent"


async def test_help_says_what_is_wrong_and_that_it_is_mended(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, ()) as hub:
        key = tmp_path / "hub.key"
        os.chmod(tmp_path, 0o700)
        os.chmod(key, 0o644)
        page = await browser.page(f"{hub.url}/")
        await _shows(page, "String(document.getElementById('board')?.hidden)", "false")
        await page.click("#doctor-open")
        await _shows(page, STATE, "1 problem found.")
        # What is in the way comes first, with its next step.
        first = "document.querySelector('#doctor-list li').innerText"
        assert f"chmod 600 {key}" in str(await page.evaluate(first))
        code = "document.querySelector('#doctor-list li code').textContent"
        assert await page.evaluate(code) == f"chmod 600 {key}"
        await page.click("#doctor .stop-all")
        await page.until("!document.getElementById('hold').hidden")
        os.chmod(key, 0o600)
        async with asyncio.timeout(20):
            while await page.evaluate(STATE) != "Nothing is wrong.":
                await page.click("#doctor-again")
                await asyncio.sleep(0.2)
        said = str(await page.evaluate("document.getElementById('doctor-list').innerText"))
        assert "Everything is stopped" in said
        await page.click("#doctor-close")
        assert not await page.evaluate("document.getElementById('doctor').open")
        await page.close()


async def _shows(page: Page, shown: str, wanted: str) -> None:
    """The page may load itself anew, so a question may get no answer."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(DevToolsError):
                if await page.evaluate(shown) == wanted:
                    return
            await asyncio.sleep(0.05)
