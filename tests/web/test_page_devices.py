"""The relay page with what is not Bluetooth, end to end in a real browser: a T-Code machine on a
cable and a game pad under the same gate, leases and stops as any toy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from relay.link.messages import (
    Advertisements,
    Connected,
    Debts,
    Disconnected,
    Done,
    Failed,
    Interests,
    Packet,
    StopCause,
    Stopped,
)
from relay.link.stand_ins import stand_in
from relay.radio.gamepad.radio import LEVELS
from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_devices import with_devices
from tests.doubles.chromium_hub import WebHub
from tests.doubles.linkhub import LinkHub

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

TX = 1
SERIAL, PAD = stand_in("serial/tcode-v03"), stand_in("gamepad")
STOP, GO = b"DSTOP\n", b"L09999I30000\n"
FULL, OFF = LEVELS.pack(0xFFFF, 0xFFFF, 0, 0), LEVELS.pack(0, 0, 0, 0)
# The lease of 0.9 s and the stop itself, on a busy machine.
OFF_S = 2.5


@dataclass
class Rig:
    hub: WebHub
    page: Page
    link: LinkHub

    async def meet(self) -> LinkHub:
        self.link = await self.hub.link()
        self.link.tell(Interests((SERIAL, PAD), ()))
        return self.link

    async def choose(self, kind: str) -> str:
        """Tap the button and be offered what it brings; returns its address."""
        await tap(self.page, f"#add-{kind}")
        return await self.offered()

    async def offered(self) -> str:
        said = await self.link.hear(Advertisements)
        return said.items[0].address

    async def drive(self, address: str, stop: bytes, go: bytes) -> None:
        answer = await self.link.connect(1, address)
        assert isinstance(answer, Connected), answer
        await self.link.arm(1, Packet(TX, stop, keys=(1,)))
        done = await self.link.output(1, Packet(TX, go, keys=(1,)))
        assert isinstance(done, Done), done

    async def stopped(self, since: float) -> float:
        """Seconds until the machine was told to stop, the last thing that it was told."""
        await self.page.until("machine.told.at(-1)[1] === 'DSTOP\\n'", OFF_S)
        told = await self.page.evaluate("machine.told")
        first = next(at for at, text in told if at >= since - 0.005 and text == "DSTOP\n")
        return float(first - since)


async def tap(page: Page, selector: str) -> None:
    """Once it can be; by the element itself, as a page that still finds its shape moves it."""
    button = f"document.querySelector('{selector}')"
    await page.until(f"{button} && !{button}.hidden && !{button}.disabled")
    await page.evaluate(f"{button}.click()")


@pytest_asyncio.fixture(loop_scope="session")
async def rig(browser: Chromium) -> AsyncIterator[Rig]:
    async with WebHub() as hub:
        page = await with_devices(browser)
        await page.goto(hub.url("/blank"))
        await page.evaluate("localStorage.clear()")
        await page.goto(hub.pairing_page())
        made = Rig(hub, page, LinkHub.__new__(LinkHub))
        await made.meet()
        yield made
        assert page.errors == [], "the page's scripts complained"
        await page.close()


async def test_a_stroker_on_a_cable_runs_on_a_lease_and_stops_without_one(rig: Rig) -> None:
    address = await rig.choose("serial")
    (item,) = (await rig.link.hear(Advertisements)).items
    assert (item.name, item.services) == ("TCode L0 V0", (SERIAL,))
    answer = await rig.link.connect(1, address)
    assert isinstance(answer, Connected)
    refused = await rig.link.output(1, Packet(TX, GO, keys=(1,)))
    assert isinstance(refused, Failed), "nothing is armed"
    await rig.link.arm(1, Packet(TX, STOP, keys=(1,)))
    assert isinstance(await rig.link.output(1, Packet(TX, GO, keys=(1,))), Done)
    assert (await rig.page.evaluate("machine.sent")).count(GO.decode()) == 1
    since = time.time()
    rig.link.beating = False
    assert await rig.stopped(since) < OFF_S


async def test_the_wearers_stop_and_a_page_that_is_left_stop_it(rig: Rig) -> None:
    address = await rig.choose("serial")
    await rig.drive(address, STOP, GO)
    since = time.time()
    await tap(rig.page, "#stop")
    assert await rig.stopped(since) < OFF_S
    assert (await rig.link.hear(Stopped)).cause is StopCause.EMERGENCY
    await tap(rig.page, "#pause")
    await rig.page.until("!document.body.classList.contains('stopped')")
    await rig.link.arm(1, Packet(TX, STOP, keys=(1,)))
    assert isinstance(await rig.link.output(1, Packet(TX, GO, keys=(1,))), Done)
    since = time.time()
    await rig.page.goto(rig.hub.url())
    assert await rig.stopped(since) < OFF_S


async def test_one_that_is_unplugged_while_it_runs_is_stopped_when_it_is_back(rig: Rig) -> None:
    address = await rig.choose("serial")
    await rig.drive(address, STOP, GO)
    await rig.page.evaluate("machine.unplug()")
    await rig.link.hear(Disconnected)
    assert (await rig.link.hear(Debts)).items[0].address == address
    since = time.time()
    await rig.page.evaluate("machine.plug()")
    assert await rig.stopped(since) < OFF_S
    wanted = r"'D1\n,DSTOP\n,DSTOP\n'"
    await rig.page.until(f"machine.sent.slice(-3).join() === {wanted}", OFF_S)


async def test_a_game_pad_rumbles_on_a_lease_and_rests_without_one(rig: Rig) -> None:
    await rig.page.evaluate("pad.pull()")
    await tap(rig.page, "#add-pad")
    await rig.page.until("!document.getElementById('add-hint').hidden")
    await rig.page.evaluate("pad.press()")
    address = await rig.choose("pad")
    (item,) = (await rig.link.hear(Advertisements)).items
    assert item.services == (PAD,)
    assert (item.name or "").startswith("Test Pad")
    await rig.drive(address, OFF, FULL)
    assert await rig.page.evaluate("pad.vibrationActuator.running")
    rig.link.beating = False
    await rig.page.until("!pad.vibrationActuator.running", OFF_S)
    assert (await rig.link.hear(Stopped)).ok
    told = await rig.page.evaluate("pad.told.at(-1).slice(1)")
    assert told == [0, 0], "it was stopped, and did not end by itself"


async def test_a_pad_that_went_while_it_rumbled_is_stopped_when_it_is_back(rig: Rig) -> None:
    address = await rig.choose("pad")
    await rig.drive(address, OFF, FULL)
    await rig.page.evaluate("pad.pull()")
    await rig.link.hear(Disconnected)
    rig.link.heard.clear()
    count = await rig.page.evaluate("pad.told.length")
    await rig.page.evaluate("pad.press()")
    assert await rig.offered() == address
    told = await rig.page.evaluate(f"pad.told.slice({count}).map(one => one.slice(1))")
    assert told[:1] == [[0, 0]]
    assert not await rig.page.evaluate("pad.vibrationActuator.running")
