"""From an empty state folder to a moving toy, with nothing but the mouse, in two browsers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from forwarder.connectors.host_addresses import addresses
from tests.doubles.chromium import Chromium, DevToolsError
from tests.doubles.chromium_bluez import phone_rig
from tests.doubles.fake_bluez_process import bluez_process
from tests.doubles.firefox import BiDiError, Firefox, find_firefox
from tests.needs import missing
from tests.system.processes import Program, free_ports, until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

LIMIT_S = 40.0


class Window(Protocol):
    """What both browsers' pages have."""

    async def evaluate(self, expression: str) -> object: ...
    async def click(self, selector: str) -> None: ...


@asynccontextmanager
async def fresh(folder: Path, *, https: bool = False) -> AsyncIterator[tuple[Program, str]]:
    """A hub that nobody has ever set up, and its address."""
    client, link, page = free_ports(3)
    config = folder / "hub.toml"
    config.write_text(
        f"[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = {page if https else 0}\n"
    )
    hub = Program(
        "forwarder",
        ["run", "--state", str(folder / "s"), "--config", str(config)],
        folder,
        "hub",
    )
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        yield hub, f"http://127.0.0.1:{link}/"
    finally:
        await hub.end()


async def shows(page: Window, expression: str) -> None:
    """It may be loading itself anew, and give no answer."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(DevToolsError, BiDiError):
                if await page.evaluate(f"String({expression})") == "true":
                    return
            await asyncio.sleep(0.05)


BOARD = "document.getElementById('board')?.hidden === false"


class Mouse:
    """Clicks on a page, and counts them."""

    def __init__(self, page: Window) -> None:
        self.page = page
        self.clicks = 0

    async def click(self, selector: str) -> None:
        self.clicks += 1
        await self.page.click(selector)


async def restarted(page: Window, hub: Program) -> None:
    """The hub has started anew, and the page with it."""
    await until(lambda: hub.text.count("Relays, dashboard") == 2, "the second start", LIMIT_S)
    await shows(page, f"window.before === undefined && {BOARD}")


async def plays(mouse: Mouse) -> None:
    """The first toy is found and moves."""
    page = mouse.page
    await shows(page, "document.getElementById('scan-here').getClientRects().length > 0")
    await mouse.click("#scan-here")
    await shows(page, "document.querySelector('.device .play')?.getClientRects().length > 0")
    await mouse.click(".device .play")
    await shows(page, "document.getElementById('play').open")
    await mouse.click("#play-start")
    await shows(page, "document.querySelector('.device.running') !== null")


async def to_a_moving_toy(page: Window, hub: Program, switch: str) -> int:
    """By what this switch of Setup opens; returns how many clicks it took."""
    mouse = Mouse(page)
    await shows(page, f"{BOARD} && document.getElementById('no-relays').hidden === false")
    await mouse.click("#setup-here")
    await shows(page, "document.getElementById('setup').open")
    await mouse.click(switch)
    await page.evaluate("window.before = 'this page'; 0")
    await mouse.click("#setup-save")
    await shows(page, "document.getElementById('sure').open")
    await mouse.click("#sure-yes")
    await restarted(page, hub)
    await plays(mouse)
    return mouse.clicks


SIMULATED, BLUETOOTH = "#setup-radio-simulate-more", "#setup-radio-local"


@asynccontextmanager
async def window(name: str, browser: Chromium, url: str) -> AsyncIterator[Window]:
    if name == "chromium":
        page = await browser.page(url)
        try:
            yield page
        finally:
            await page.close()
        return
    if find_firefox() is None:
        missing("firefox-esr is not installed")
    async with Firefox() as firefox:
        yield await firefox.page(url)


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_simulated_toy_takes_seven_clicks(
    name: str, browser: Chromium, tmp_path: Path
) -> None:
    async with fresh(tmp_path) as (hub, url), window(name, browser, url) as page:
        assert await to_a_moving_toy(page, hub, SIMULATED) == 7


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_toy_of_this_computers_bluetooth_takes_seven_clicks(
    name: str, browser: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bluez_process("Lovense Hush", tmp_path / "record") as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        async with fresh(tmp_path) as (hub, url), window(name, browser, url) as page:
            assert await to_a_moving_toy(page, hub, BLUETOOTH) == 7
            # The dashboard shows what was handed over; a moment later the radio has it.
            half = b"Vibrate:10;".hex()
            await until(lambda: half in [one.get("data") for one in bluez.record()], "it runs")


# What Chrome asks before it shows a page with the hub's own certificate: Advanced, Proceed.
WARNING_TAPS = 2


async def test_a_phone_is_paired_by_three_taps_after_two_clicks(tmp_path: Path) -> None:
    if not addresses():
        pytest.skip("this machine is in no network")
    async with phone_rig() as rig, fresh(tmp_path, https=True) as (hub, url):
        desk = await rig.browser.page(url, apart=True)
        mouse = Mouse(desk)
        await shows(desk, f"{BOARD} && document.getElementById('no-relays').hidden === false")
        await mouse.click("#pair-here")
        await shows(desk, "document.getElementById('pairing-shut').hidden === false")
        await desk.evaluate("window.before = 'this page'; 0")
        await mouse.click("#pairing-let-in")
        await restarted(desk, hub)
        # It goes on by itself where it was.
        await shows(desk, "document.querySelector('#qr svg path')?.getClientRects().length > 0")
        assert mouse.clicks == 2
        link = await desk.evaluate("document.getElementById('pairing-link').value")

        # The camera's tap on the code, and what Chrome asks; the page itself asks nothing.
        phone = Mouse(rig.page)
        await rig.page.call("Security.setIgnoreCertificateErrors", ignore=True)
        await rig.page.goto(link)
        phone.clicks += 1 + WARNING_TAPS
        await shows(desk, "document.getElementById('pairing-state').innerText.includes('joined')")
        assert phone.clicks <= 3

        # Its toy: a tap on Add, and one in the browser's list.
        await shows(rig.page, "document.getElementById('add').disabled === false")
        await phone.click("#add")
        await mouse.click("#pairing-close")
        await plays(mouse)
        await until(lambda: not rig.toy.at_rest, "the toy moving", 5)
        assert (phone.clicks, mouse.clicks) == (4, 6)
        await desk.close()
