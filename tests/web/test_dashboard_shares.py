"""Sharing on the dashboard: the link, the question, who is in control, and the end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from forwarder.connectors.base import LinkPath, PathKind
from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import running_hub
from tests.system.processes import until
from tests.web.test_dashboard import Desk, desk_with
from tests.web.test_look import look
from tests.web.test_remote import OPEN, Guest, link_of

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Chromium, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_with(browser, tmp_path) as desk:
        yield desk


async def _made(desk: Desk) -> str:
    """Fill in the form, and read the link."""
    page = desk.page
    await page.click("#share")
    await page.evaluate("document.getElementById('share-name').value = 'Marie'; 0")
    await page.evaluate(
        "(slider => { slider.value = 60; slider.dispatchEvent(new Event('input')); })"
        "(document.getElementById('share-level'))"
    )
    await look(page, "dashboard-share-form")
    await page.click("#share-form button[type=submit]")
    await page.until("Boolean(document.querySelector('#sharing-qr svg'))")
    await page.until("document.getElementById('sharing-state').innerText.includes('Nobody')")
    await look(page, "dashboard-share-link")
    link: str = await page.evaluate("document.getElementById('sharing-link').value")
    return link


async def test_a_link_is_made_its_guest_allowed_shown_limited_and_ended(
    desk: Desk, browser: Chromium
) -> None:
    link = await _made(desk)
    page = desk.page
    guest = Guest(desk.hub, await browser.page(link, apart=True))
    await guest.start()
    await page.until("document.getElementById('sharing-state').innerText.includes('waits')")
    await page.click("#sharing-close")
    await page.until("document.getElementById('sharing-link').value === ''")
    await page.until("document.getElementById('guests-asked').innerText.includes('wants to drive')")
    await look(page, "dashboard-share-asked")
    await page.click("#guests-asked .yes")
    await guest.page.until(OPEN)
    await guest.says("Up to 60 %")
    await guest.drive()
    await page.until(
        "document.getElementById('share-list').innerText.includes('drives Lovense Edge')", 2
    )
    await look(page, "dashboard-share-drives")
    await page.click("#share-list > li > .row .end")
    await guest.stops()
    await guest.says("This share has ended", 1)
    await page.until("!document.getElementById('no-shares').hidden")
    await guest.page.close()


async def test_one_guest_of_several_is_ended_and_all_at_once(desk: Desk, browser: Chromium) -> None:
    link = await link_of(desk.hub, uses=2)
    first = Guest(desk.hub, await browser.page(link, apart=True))
    await first.open()
    await first.drive()
    second = Guest(desk.hub, await browser.page(link, apart=True))
    await second.open()
    await desk.page.until("document.querySelectorAll('.guests .end').length === 2")
    await desk.page.click(".guests li:first-child .end")
    await first.stops()
    await first.says("not allowed in", 1)
    await second.drive()
    await desk.page.click("#shares-end")
    await second.stops()
    await second.says("This share has ended", 1)
    for guest in (first, second):
        await guest.page.close()


async def test_a_guest_is_refused(desk: Desk, browser: Chromium) -> None:
    guest = Guest(desk.hub, await browser.page(await link_of(desk.hub, ask=True), apart=True))
    await guest.start()
    await desk.page.until("Boolean(document.querySelector('#guests-asked .no'))")
    await desk.page.click("#guests-asked .no")
    await guest.says("not allowed in")
    await until(lambda: not list(desk.hub.app.shared.staying()), "the guest leaving", 2)
    await guest.page.close()


async def test_a_link_of_another_hub_is_accepted_shown_and_left(desk: Desk, tmp_path: Path) -> None:
    page = desk.page
    before = len(desk.hub.app.hub.devices)
    async with running_hub(tmp_path / "ann", ("Lovense Hush",)) as ann:
        await ann.with_devices(1)
        link = await link_of(ann)
        await page.click("#accept")
        await page.evaluate("document.getElementById('accept-link').value = 'nonsense'; 0")
        await page.click("#accept-take")
        await page.until("document.getElementById('accept-error').innerText.includes('share link')")
        await look(page, "dashboard-accept-wrong")
        await page.evaluate(
            f"document.getElementById('accept-link').value = {json.dumps(link)};"
            "document.getElementById('accept-name').value = 'Ann'; 0"
        )
        await look(page, "dashboard-accept")
        await page.click("#accept-take")
        await page.until("!document.getElementById('accepting').open")
        await page.until("document.getElementById('accepted-list').innerText.includes('1 device')")
        await until(lambda: len(desk.hub.app.hub.devices) == before + 1, "the shared device")
        assert await page.evaluate("document.getElementById('accept-link').value") == ""
        await page.evaluate("document.getElementById('accepted-title').scrollIntoView(); 0")
        await look(page, "dashboard-accepted")
        await page.click("#accepted-list .leave")
        await page.click("#sure-yes")
        await page.until("document.getElementById('accepted-list').hidden")
        await until(lambda: len(desk.hub.app.hub.devices) == before, "it is left")


@pytest.mark.parametrize(
    ("path", "shown", "where"),
    [
        (LinkPath(PathKind.MEETING, "meet.example.org"), "meeting point · ", "by meet.example.org"),
        (LinkPath(PathKind.DIRECT, "203.0.113.5:4"), "direct · ", "from 203.0.113.5:4"),
    ],
    ids=["meeting", "direct"],
)
async def test_a_relay_says_what_carries_its_link_and_its_round_trip(
    desk: Desk, path: LinkPath, shown: str, where: str
) -> None:
    (relay,) = desk.hub.app.relays.relays.values()
    relay.path = lambda: path
    row = "document.getElementById('relay-list').innerText"
    await desk.page.until(f"{row}.includes({shown!r}) && {row}.includes({where!r})")
    assert " ms" in await desk.page.evaluate(row)
