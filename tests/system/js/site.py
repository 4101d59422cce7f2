"""A web site on this machine whose page holds one official client in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiohttp import web

from tests.doubles.chromium import Chromium
from tests.system.js.clients import HERE, PageClient
from tests.system.js.packages import Package, installed


@asynccontextmanager
async def site(package: Package) -> AsyncIterator[int]:
    """Serve the package's bundle and its adapter on loopback; gives the port."""
    app = web.Application()
    app.router.add_get("/page", _page)
    app.router.add_static("/adapters", HERE)
    app.router.add_static("/package", installed(package))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


async def _page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(HERE / "page.html")


@asynccontextmanager
async def in_page(
    browser: Chromium, package: Package, *, host: str = "localhost"
) -> AsyncIterator[PageClient]:
    """`package` in a page of `browser` that was loaded from `host`."""
    async with site(package) as port:
        question = urlencode({"adapter": package.adapter, "bundle": package.web})
        page = await browser.page(f"http://{host}:{port}/page?{question}")
        try:
            await page.until("window.client || window.failed")
            assert await page.evaluate("window.failed ?? null") is None
            yield PageClient(page)
        finally:
            await page.close()
