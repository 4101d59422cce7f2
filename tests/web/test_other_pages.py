"""A page of another site uses the API, in a browser: its own rules decide what it may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_hub import WebHub
from tests.doubles.running_hub import running_hub

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


async def asked(page: Page, url: str, token: str = "", method: str = "GET") -> object:
    """The status of the answer, or the name of what the browser throws instead."""
    init = f"{{method: {method!r}, headers: {{'Content-Type': 'application/json'"
    init += f", Authorization: 'Bearer {token}'}}}}" if token else "}}"
    return await page.evaluate(f"fetch({url!r}, {init}).then(r => r.status, e => e.name)")


async def test_only_an_allowed_page_reads_answers_and_only_its_token_opens_them(
    browser: Chromium, tmp_path: Path
) -> None:
    async with WebHub() as elsewhere, running_hub(tmp_path, ()) as hub:
        page = await browser.page(elsewhere.url("/blank"))
        origin = str(await page.evaluate("location.origin"))
        status, stop = f"{hub.url}/api/v1/status", f"{hub.url}/api/v1/stop"
        assert await asked(page, status, hub.admin) == "TypeError"
        await hub.ask("POST", "/origins", {"origin": origin})
        assert await asked(page, status) == 401
        assert await asked(page, status, hub.admin) == 200
        # This one the browser asks about first.
        assert await asked(page, stop, hub.admin, "POST") == 200
        assert await asked(page, f"{hub.url}/metrics", hub.admin) == "TypeError"
        await hub.ask("DELETE", f"/origins?origin={origin}")
        assert await asked(page, status, hub.admin) == "TypeError"
        await page.close()
