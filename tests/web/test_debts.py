"""Toys that may run and are not connected: the page itself looks for them, and names them."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from relay.debts import bounds
from relay.link.messages import (
    Arm,
    Connect,
    Connected,
    Debts,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    Forget,
    Hello,
)
from relay.radio.simulated.faults import FaultPoint
from tests.doubles.chromium_bluez import STOP, PhoneRig, phone_rig
from tests.doubles.chromium_hub import PAGE

pytestmark = pytest.mark.chromium

REMEMBERS = "WebBluetooth,WebBluetoothNewPermissionsBackend"
NAMED = (
    "!document.getElementById('notice').hidden"
    " && document.getElementById('notice').innerText.includes('may still be running')"
)
NOT_NAMED = f"!({NAMED})"
RECORDS = """(async () => {
    const open = indexedDB.open('forwarder-relay');
    const db = await new Promise(done => { open.onsuccess = () => done(open.result); });
    const all = db.transaction('records').objectStore('records').getAll();
    const found = await new Promise(done => { all.onsuccess = () => done(all.result); });
    db.close();
    const text = ({ d }) => String.fromCharCode(...d);
    return found.map(({ address, stop }) => [address, stop.map(text)]);
})()"""


async def lost(rig: PhoneRig) -> str:
    """A toy that runs, out of reach. Returns its address."""
    address = await rig.drive()
    rig.toy.vanish()
    await rig.page.until(NAMED)
    assert not rig.toy.at_rest
    return address


async def until_rest(rig: PhoneRig, limit_s: float = 8) -> None:
    """The page has found the toy and stopped it."""
    await rig.at_rest(limit_s)
    await rig.page.until(NOT_NAMED)


async def test_what_may_run_is_written_down_before_its_first_value_until_its_stop() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        address = await rig.choose()
        await rig.connect(address)
        assert await rig.page.evaluate(RECORDS) == []
        rig.toy.faults.latency_s = 0.5
        running = asyncio.create_task(rig.set_level(0.5))
        await asyncio.sleep(0.3)
        assert await rig.page.evaluate(RECORDS) == [[address, [STOP.decode()]]]
        await running
        rig.toy.faults.latency_s = 0
        await rig.page.click("#pause")
        await rig.at_rest(2)
        await asyncio.sleep(0.2)
        assert await rig.page.evaluate(RECORDS) == []


@pytest.mark.parametrize("stop", [None, ()], ids=["being let go", "silence"])
async def test_a_toy_that_stops_by_itself_when_its_link_ends_owes_nothing(
    stop: tuple[()] | None,
) -> None:
    async with phone_rig() as rig:
        await rig.pair()
        await rig.connect(await rig.choose())
        arm = Arm(rig.link.id(), 1, stop, seen=rig.link.seen(1))
        rig.link.tell(arm)
        assert isinstance(await rig.link.reply(arm.id), Done)
        await rig.set_level(0.5)
        assert not rig.toy.at_rest
        assert await rig.page.evaluate(RECORDS) == []
        rig.toy.vanish()
        await rig.link.hear(Disconnected)
        assert await rig.page.evaluate(NOT_NAMED)
        assert await rig.page.evaluate(RECORDS) == []


def test_when_it_looks_and_how_often_it_tries_are_as_at_the_relay() -> None:
    theirs: dict[str, float] = {}
    for name in ("debts.js", "settle.js"):
        for const, value in re.findall(
            r"^const (\w+) = ([\d.]+);", (PAGE / name).read_text(encoding="utf-8"), re.M
        ):
            kind = {"LOOK_S": "DEBTS_LOOK_S", "WRITE_MS": "SETTLING_WRITE_MS"}.get(const, const)
            theirs[kind] = float(value)
    ours = {
        name: vars(bounds)[name] if name.endswith("_S") else 1000 * vars(bounds)[f"{name[:-2]}S"]
        for name in theirs
    }
    assert theirs == ours
    assert len(theirs) == 11


@pytest.mark.parametrize("pressed", ["nothing", "pause", "stop", "hidden"])
async def test_a_lost_toy_is_stopped_whatever_the_wearer_has_pressed(pressed: str) -> None:
    async with phone_rig() as rig:
        await lost(rig)
        if pressed in ("pause", "stop"):
            await rig.page.click(f"#{pressed}")
        elif pressed == "hidden":
            await rig.hide()
        mark = rig.mark
        rig.toy.appear()
        await rig.at_rest(8)
        async with asyncio.timeout(5):
            await rig.toy.until(lambda toy: not toy.connected)
        assert rig.since(mark)[:4] == ["connect", STOP.decode(), STOP.decode(), "disconnect"]
        if pressed == "hidden":
            await rig.show()
        await rig.page.until(NOT_NAMED)


async def test_a_lost_toy_is_stopped_without_any_hub() -> None:
    async with phone_rig() as rig:
        await lost(rig)
        await rig.hub.stop()
        rig.toy.appear()
        await until_rest(rig)


async def test_the_hub_that_asks_meanwhile_gets_the_toy_stopped() -> None:
    async with phone_rig() as rig:
        address = await lost(rig)
        mark = rig.mark
        rig.toy.faults.latency_of[FaultPoint.CONNECT] = 1.0
        rig.toy.appear()
        # A look that has just failed says so to whoever asked meanwhile, who asks again.
        for _ in range(10):
            answer = await rig.link.connect(2, address)
            if isinstance(answer, Connected):
                break
            await asyncio.sleep(0.1)
        assert isinstance(answer, Connected)
        assert not answer.resumed
        assert rig.since(mark)[:2] == ["connect", STOP.decode()]
        assert rig.toy.connected
        assert rig.toy.at_rest
        await rig.page.until(NOT_NAMED)


async def test_pressing_stop_looks_at_once() -> None:
    async with phone_rig() as rig:
        await lost(rig)
        await rig.page.evaluate(
            "(() => { const { now } = performance; const begin = now.call(performance);"
            " window.skip = 0; performance.now = () => now.call(performance) + skip; })()"
        )
        # The two minutes at full rate are over, and it has just been looked for.
        await rig.page.evaluate("void (skip = 130000)")
        await asyncio.sleep(23)
        rig.toy.appear()
        mark, began = rig.mark, time.monotonic()
        await rig.page.click("#stop")
        await rig.at_rest(5)
        assert time.monotonic() - began < 4
        assert rig.since(mark)[0] == "connect"


async def test_it_is_off_ends_it_here_and_from_the_hub() -> None:
    async with phone_rig() as rig:
        address = await lost(rig)
        await rig.link.wait(lambda: any(isinstance(m, Debts) and m.items for m in rig.link.heard))
        await rig.page.click("#notice-action")
        await rig.page.until(NOT_NAMED)
        await rig.link.wait(lambda: Debts(()) in rig.link.heard)
        assert await rig.page.evaluate(RECORDS) == []
        rig.link.heard.clear()

        rig.toy.appear()
        assert await rig.offered() == address
        await rig.connect(address)
        await rig.set_level(0.5)
        rig.toy.vanish()
        await rig.page.until(NAMED)
        id = rig.link.id()
        rig.link.tell(Forget(id, address))
        assert await rig.link.reply(id) == Done(id)
        await rig.page.until(NOT_NAMED)


async def test_after_a_reload_it_is_named_and_stopped_by_itself_where_the_browser_knows_it() -> (
    None
):
    async with phone_rig(features=REMEMBERS) as rig:
        address = await lost(rig)
        await rig.page.goto(rig.hub.url())
        await rig.page.until(NAMED)
        link = await rig.meet()
        told = await link.hear(Debts)
        assert [debt.address for debt in told.items] == [address]
        rig.toy.appear()
        await until_rest(rig)


async def test_a_toy_that_ran_when_the_page_was_loaded_again_is_soon_in_order() -> None:
    async with phone_rig(features=REMEMBERS) as rig:
        address = await rig.drive()
        await rig.page.goto(rig.hub.url())
        await rig.meet()
        await rig.at_rest(2)
        await rig.page.until(NOT_NAMED)
        assert await rig.offered() == address
        await rig.connect(address)


@pytest.mark.parametrize("paired", [True, False])
async def test_after_a_reload_it_is_stopped_with_one_tap_where_the_browser_forgets(
    paired: bool,
) -> None:
    async with phone_rig() as rig:
        await lost(rig)
        if not paired:
            for _ in range(2):
                await rig.tap_in("#hub-details", "#forget-hub")
            await rig.page.until("!document.getElementById('pairing').hidden")
        await rig.page.goto(rig.hub.url())
        await rig.page.until(NAMED)
        rig.toy.appear()
        mark = rig.mark
        prompted = rig.page.expect("DeviceAccess.deviceRequestPrompted")
        await rig.page.until("document.getElementById('notice-action').innerText === 'Find it'")
        await rig.page.click("#notice-action")
        await asyncio.wait_for(prompted, 5)
        await until_rest(rig)
        assert rig.since(mark)[:3] == ["connect", STOP.decode(), STOP.decode()]


async def test_a_crashed_page_is_made_good_by_the_next_one() -> None:
    async with phone_rig(features=REMEMBERS) as rig:
        await rig.drive()
        await rig.crash()
        await asyncio.sleep(1)
        assert not rig.toy.at_rest
        page = await rig.browser.page()
        await page.phone()
        await page.goto(rig.hub.url())
        await rig.at_rest(8)
        rig.page = page
        await page.until(NOT_NAMED)


# --- the ways out ------------------------------------------------------------------------------


async def test_removing_a_toy_that_takes_no_stop_leaves_it_named_and_looked_for() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.fail(times=None)
        for _ in range(2):
            await rig.page.click(".toy-forget")
        await rig.page.until(NAMED, 15)
        assert await rig.page.evaluate("document.querySelector('.toy').hidden")
        await rig.page.goto(rig.hub.url())
        await rig.page.until(NAMED)
        assert await rig.page.evaluate("document.querySelector('.toy').hidden")
        rig.toy.faults.heal()
        await rig.page.until("document.getElementById('notice-action').innerText === 'Find it'")
        await rig.page.click("#notice-action")
        await until_rest(rig)


async def test_a_toy_that_was_put_away_and_stopped_is_gone() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        for _ in range(2):
            await rig.page.click(".toy-forget")
        await rig.at_rest(3)
        await rig.page.until("!document.querySelector('.toy')")
        assert await rig.page.evaluate(RECORDS) == []


async def test_forgetting_the_hub_tries_the_stop_again_before_it_lets_go() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.fail(times=3)
        mark = rig.mark
        for _ in range(2):
            await rig.tap_in("#hub-details", "#forget-hub")
        await rig.at_rest(3)
        await rig.page.until("!document.getElementById('pairing').hidden")
        said = rig.since(mark)
        assert "disconnect" in said
        assert said.index(STOP.decode()) < said.index("disconnect")


async def test_a_hub_that_was_forgotten_takes_no_debt_along() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.fail(times=None)
        for _ in range(2):
            await rig.tap_in("#hub-details", "#forget-hub")
        await rig.page.until("!document.getElementById('pairing').hidden", 15)
        await rig.page.until(NAMED)
        rig.toy.faults.heal()
        await until_rest(rig)


async def test_the_tab_that_takes_over_names_what_the_other_could_not_stop() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.fail(times=None)
        second = await rig.browser.page(rig.hub.url())
        await second.until("document.getElementById('notice').innerText.includes('another tab')")
        await second.click("#notice-action")
        await second.until(NAMED, 20)
        assert not rig.toy.at_rest
        # The first tab still has it, and goes on trying; what it did is known in the second.
        rig.toy.faults.heal()
        await rig.at_rest(8)
        await second.until(NOT_NAMED)


# --- links and emergencies ------------------------------------------------------------------------


async def test_a_connection_whose_link_ended_is_offered_to_the_next_link() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        address = await rig.choose()
        rig.toy.faults.latency_of[FaultPoint.CONNECT] = 1.0
        rig.link.tell(Connect(rig.link.id(), 1, address))
        await asyncio.sleep(0.3)
        await rig.hub.stop()
        async with asyncio.timeout(5):
            await rig.toy.until(lambda toy: toy.connected)
        await asyncio.sleep(0.3)
        await rig.hub.start()
        link = await rig.meet()
        assert [held.address for held in (await link.hear(Hello)).held] == [address]
        assert not [m for m in link.heard if isinstance(m, Connected | Failed)], "of the old link"
        answer = await link.connect(1, address)
        assert isinstance(answer, Connected)
        assert not answer.resumed, "nobody has set it up"


async def test_a_toy_that_is_being_let_go_is_not_handed_out() -> None:
    async with phone_rig() as rig:
        address = await rig.drive()
        rig.toy.faults.fail(times=None)
        leaving = rig.link.id()
        rig.link.tell(Disconnect(leaving, 1))
        answer = await rig.link.connect(2, address)
        assert isinstance(answer, Failed)
        assert answer.code is ErrorCode.BUSY
        await rig.link.reply(leaving)
        rig.toy.faults.heal()
        await until_rest(rig)


async def test_every_connect_is_refused_while_stopped_and_what_took_no_stop_is_chased() -> None:
    async with phone_rig() as rig:
        address = await rig.drive()
        rig.toy.faults.fail(times=None)
        await rig.page.click("#stop")
        await rig.page.until(NAMED, 15)
        refused = await rig.link.connect(2, address)
        assert isinstance(refused, Failed)
        assert refused.code is ErrorCode.GATE
        rig.link.heard.clear()
        rig.toy.faults.heal()
        await until_rest(rig)
        refused = await rig.link.connect(2, address)
        assert isinstance(refused, Failed)
        assert refused.code is ErrorCode.GATE
        rig.link.heard.clear()
        await rig.page.click("#pause")  # it says Resume
        assert await rig.offered() == address, "without a chooser"
        await rig.connect(address)
        await rig.set_level(0.5)
        assert rig.toy.levels == {"vibrate": 0.5}


async def test_hello_tells_how_long_toys_are_kept() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        assert (await rig.link.hear(Hello)).grace_ms == 180_000
