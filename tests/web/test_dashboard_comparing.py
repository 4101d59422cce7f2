"""Pairing another computer on the dashboard: the code is on both screens, and a click keeps it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.hub_link.comparing import ComparingPerson, compare
from relay.link.errors import LinkError
from relay.link.security.noise import KeyPair
from relay.link.websocket import dial
from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import running_hub
from tests.web.test_dashboard_look import both

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

CODE = "document.getElementById('comparing-code')"
STATE = "document.getElementById('comparing-state').innerText"


class Relay:
    """Another computer with a person: what its screen shows, and what they say."""

    def __init__(self) -> None:
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answer = asyncio.Event()

    async def same(self, code: str, hub: str) -> bool:
        self.code.set_result(code)
        await self.answer.wait()
        return True

    async def pair(self, url: str) -> str:
        link = url.replace("http://", "ws://") + "/link"
        person = ComparingPerson(lambda hubs: asyncio.sleep(0, 0), self.same)
        try:
            found = await compare(link, await dial(link), KeyPair.generate(), "Attic", person)
            return found.name
        except LinkError as error:
            return str(error)


async def test_a_computer_is_paired_by_a_code_on_both_screens(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, ()) as hub, asyncio.TaskGroup() as tasks:
        page = await browser.page(hub.url + "/")
        try:
            await page.until("!document.getElementById('no-relays').hidden")
            relay = Relay()
            await page.click("#pair")
            await page.until("document.getElementById('pairing').open")
            await page.click("input[value=computer]")
            await page.until(f"{STATE}.includes('Waiting')")
            await both(page, "comparing-waiting")
            pairing = tasks.create_task(relay.pair(hub.url))
            await page.until(f"!{CODE}.hidden")
            assert await page.evaluate(f"{CODE}.innerText") == await relay.code
            await both(page, "comparing")
            await page.click("#comparing-same")
            await page.until(f"{STATE}.includes('at the other screen')")
            assert not list(hub.app.trust.book)
            relay.answer.set()
            await page.until(f"{STATE} === 'Attic has joined.'")
            assert await pairing == "Desk"
            assert [known.name for known in hub.app.trust.book] == ["Attic"]
            assert page.errors == []
        finally:
            await page.close()


async def test_another_code_keeps_nobody_and_a_link_is_still_to_be_had(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, ()) as hub, asyncio.TaskGroup() as tasks:
        page = await browser.page(hub.url + "/")
        try:
            await page.until("!document.getElementById('no-relays').hidden")
            relay = Relay()
            relay.answer.set()
            await page.click("#pair")
            await page.until("document.getElementById('pairing').open")
            await page.click("input[value=computer]")
            await page.until(f"{STATE}.includes('Waiting')")
            pairing = tasks.create_task(relay.pair(hub.url))
            await page.until(f"!{CODE}.hidden")
            await page.click("#comparing-different")
            assert "codes differ" in await pairing
            await page.until(f"{STATE}.includes('next try')")
            await page.click("#pairing-by-link summary")
            link = "document.getElementById('pairing-link').value"
            await page.until(f"{link}.includes('relay pair')")
            assert not list(hub.app.trust.book)
        finally:
            await page.close()
