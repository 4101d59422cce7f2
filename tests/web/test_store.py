"""What the browser keeps for the page, and what the page says when it does not."""

from __future__ import annotations

import asyncio

import pytest

from relay.link.messages import Interests
from tests.doubles.chromium import Chromium
from tests.doubles.chromium_bluez import phone_rig
from tests.doubles.chromium_hub import WebHub
from tests.web.test_look import look, notice

pytestmark = pytest.mark.chromium

SILENT = "IDBFactory.prototype.open = () => ({});"
WEDGED = "IDBDatabase.prototype.transaction = () => ({ objectStore: () => ({ put() {} }) });"


async def test_a_storage_that_never_answers_is_said() -> None:
    async with WebHub() as hub, Chromium(["--enable-features=WebBluetooth"]) as browser:
        page = await browser.page()
        await page.phone()
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=SILENT)
        await page.goto(hub.url())
        await notice(page, "storage does not answer")
        await look(page, "storage-silent")


async def test_a_page_of_an_older_version_in_the_way_is_said() -> None:
    async with WebHub() as hub, Chromium(["--enable-features=WebBluetooth"]) as browser:
        old = await browser.page(hub.url("/blank"))
        await old.evaluate(
            "new Promise(done => { window.open = indexedDB.open('forwarder-relay', 1);"
            " window.open.onsuccess = () => done(1); })"
        )
        page = await browser.page(hub.url())
        await notice(page, "older page is in the way")


async def test_forgetting_everything_works_while_another_tab_is_open() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        second = await rig.browser.page(rig.hub.url())
        await notice(second, "another tab")
        # Also one that holds the database.
        await second.evaluate(
            "new Promise(done => { window.open = indexedDB.open('forwarder-relay');"
            " window.open.onsuccess = () => done(1); })"
        )
        await rig.show()
        loaded = rig.page.expect("Page.loadEventFired")
        # Not by a place on the screen: what the page says meanwhile would move it away.
        for _ in range(2):
            await rig.page.evaluate("document.getElementById('forget-all').click()")
        await asyncio.wait_for(loaded, 10)
        await rig.page.until("!document.getElementById('pairing').hidden")


@pytest.mark.parametrize("how", ["cleared", "wedged"])
async def test_a_pause_that_will_not_survive_is_said(how: str) -> None:
    async with phone_rig() as rig:
        await rig.pair()
        await rig.page.until("!document.getElementById('add').disabled")
        if how == "cleared":
            await rig.page.call(
                "Storage.clearDataForOrigin", origin=rig.hub.url(""), storageTypes="indexeddb"
            )
        else:
            await rig.page.evaluate(WEDGED)
            await rig.page.click("#pause")
        await notice(rig.page, "keeps nothing any more")
        await look(rig.page, f"storage-{how}")


async def test_a_name_that_the_browser_does_not_take_leaves_the_others_to_choose_from() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        services = tuple(service.uuid for service in rig.toy.services)
        names = ("LVS-*", "é" * 125, "\U0001d54f" * 100 + "*", "")
        rig.link.tell(Interests((*services, "z" * 36), names))
        assert (await rig.choose()).startswith("web-")
