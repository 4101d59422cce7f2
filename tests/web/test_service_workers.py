"""Service workers that another program left at the hub's address, in a real browser."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from forwarder.config import Link
from tests.doubles.chromium import Chromium, DevToolsError, Page
from tests.doubles.running_hub import config_for, running_hub
from tests.system.processes import free_ports

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

TAKES_OVER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));
"""
# It passes everything on, and keeps what it has seen where any page of this origin can look.
READS = (
    TAKES_OVER
    + """
self.addEventListener('fetch', event => event.respondWith((async () => {
  const answer = await fetch(event.request);
  const seen = await caches.open('seen');
  await seen.put('/seen' + new URL(event.request.url).pathname, answer.clone()).catch(() => null);
  return answer;
})()));
"""
)
# Nobody comes past it: every page is the one it was made for, and it asks for the owner's token
# itself, by the words of the hub's own page.
STANDS_IN = (
    TAKES_OVER
    + """
self.addEventListener('fetch', event => event.respondWith((async () => {
  const answer = await fetch('/api/v1/page', { method: 'POST' });
  const seen = await caches.open('seen');
  await seen.put('/seen/api/v1/page', answer).catch(() => null);
  const headers = { 'Content-Type': 'text/html' };
  return new Response('<title>the old program</title>', { headers });
})()));
"""
)
READY = "navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready)"
OWNER = "!document.getElementById('board').hidden"


async def leave_worker(browser: Chromium, port: int, script: str) -> None:
    """Another program has `port` for a while."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<title>other</title>", content_type="text/html")

    async def worker(_: web.Request) -> web.Response:
        return web.Response(text=script, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/sw.js", worker)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        other = await browser.page(f"http://127.0.0.1:{port}/")
        await other.evaluate(f"{READY}.then(() => 0)")
        await other.until("Boolean(navigator.serviceWorker.controller)")
        await other.close()
    finally:
        await runner.cleanup()


async def shows_the_board(page: Page) -> None:
    """Wait for it, over pages that are loaded again."""
    async with asyncio.timeout(30):
        while True:
            with suppress(DevToolsError):  # it navigates
                if await page.evaluate(f"Boolean(document.getElementById('board')) && {OWNER}"):
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("script", [READS, STANDS_IN], ids=["reads", "stands in"])
async def test_one_that_is_left_gets_no_token_and_the_dashboard_opens_at_the_hubs_own_address(
    browser: Chromium, tmp_path: Path, script: str
) -> None:
    (port,) = free_ports(1)
    await leave_worker(browser, port, script)
    config = config_for(tmp_path, ("Lovense Edge",), link=Link(port=port, https_port=0))
    async with running_hub(tmp_path, config=config) as hub:
        page = await browser.page(f"http://127.0.0.1:{port}/")
        try:
            await shows_the_board(page)
            assert await page.evaluate("location.origin") == hub.url != f"http://127.0.0.1:{port}"
            assert await page.evaluate("navigator.serviceWorker.controller") is None
        finally:
            await page.close()
        page = await browser.page(f"http://127.0.0.1:{port}/relay/")
        try:
            left = "navigator.serviceWorker.getRegistrations().then(all => all.length)"
            assert await page.evaluate(left) == 0
            seen = """caches.match('/seen/api/v1/page')
                .then(it => it ? it.text().then(text => [it.status, text]) : [0, ''])"""
            status, text = await page.evaluate(seen)
            assert status in (0, 403)
            assert "bpfp_" not in text
        finally:
            await page.close()


async def test_the_dashboard_is_its_owners_by_whatever_name_of_this_machine_it_is_opened(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path) as hub:
        port = hub.app.link_url.rpartition(":")[2]
        for name in ("127.0.0.1", "localhost"):
            page = await browser.page(f"http://{name}:{port}/")
            try:
                await shows_the_board(page)
                assert await page.evaluate("location.origin") == hub.url
            finally:
                await page.close()


async def test_where_the_hubs_own_address_leads_nowhere_the_page_says_how_to_sign_in(
    browser: Chromium, tmp_path: Path
) -> None:
    """At the end of a tunnel: the browser is not on the hub's machine."""
    async with running_hub(tmp_path) as hub:
        port = hub.app.link_url.rpartition(":")[2]
        page = await browser.page("about:blank")
        try:
            await page.call("Network.enable")
            await page.call("Network.setBlockedURLs", urls=[f"{hub.url}/*"])
            await page.goto(f"http://127.0.0.1:{port}/")
            await page.until("!document.getElementById('sign-in').hidden")
            said = await page.evaluate("document.getElementById('sign-in-error').textContent")
            assert "forwarder token admin" in said
        finally:
            await page.close()
