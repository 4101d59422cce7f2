"""The relay page end to end: a real browser's Bluetooth code, a simulated toy, a hub's link."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.link.messages import (
    Bye,
    Connected,
    Debts,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    Hello,
    Interests,
    Notification,
    Output,
    Packet,
    StopCause,
    Stopped,
    Wearer,
    Write,
)
from tests.doubles.chromium import Chromium
from tests.doubles.chromium_bluez import STOP, phone_rig
from tests.doubles.chromium_emulation import Chooser

pytestmark = pytest.mark.chromium

# A toy must be off this long after whatever goes wrong: the lease of 0.9 s and the stop itself.
OFF_S = 1.5


async def test_from_the_qr_code_to_the_toy_and_back() -> None:
    async with phone_rig() as rig:
        link = await rig.pair()
        assert await rig.page.evaluate("location.hash + location.search") == ""
        hello = await link.hear(Hello)
        assert hello.version == 2
        assert hello.radio is not None
        assert (hello.radio.kind, hello.radio.on) == ("web", True)
        assert set(hello.capabilities) == {"chooser", "status", "places", "guests", "timed"}
        assert await link.hear(Wearer) == Wearer()
        assert list(rig.hub.relays.values()) == [hello.name]

        address = await rig.choose()
        assert address.startswith("web-")
        connected = await rig.connect(address)
        assert not connected.resumed
        assert await rig.set_level(0.5) == Done(link.id() - 1)
        assert rig.toy.levels == {"vibrate": 0.5}

        await rig.request(Write(link.id(), 1, rig.tx, b"Battery;"))
        await link.wait(lambda: Notification(1, rig.rx, b"85;") in link.heard)
        assert rig.page.errors == []


async def test_it_comes_back_by_itself_after_a_reload_without_the_secret() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        mark = rig.mark
        await rig.page.goto(rig.hub.url())
        link = await rig.meet()
        await link.hear(Hello)
        assert rig.hub.codes == {}
        assert rig.mark == mark
        await rig.page.until("document.getElementById('link').innerText.includes('Connected')")


async def test_a_reload_stops_the_toy_first() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        mark = rig.mark
        await rig.page.goto(rig.hub.url())
        await rig.at_rest(OFF_S)
        await asyncio.sleep(0.3)
        said = rig.since(mark)
        assert said.index(STOP.decode()) < said.index("disconnect")


async def test_two_hundred_notifications_arrive_in_order() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        wanted = [b"%d;" % n for n in range(200)]
        for data in wanted:
            assert rig.toy.notify("rx", data)
            await asyncio.sleep(0.001)  # a bus whose socket is full is closed by dbus-fast
        link = rig.link
        await link.wait(lambda: Notification(1, rig.rx, wanted[-1]) in link.heard)
        got = [message.data for message in link.heard if isinstance(message, Notification)]
        assert got[-200:] == wanted


async def test_the_toy_goes_out_of_range_and_comes_back() -> None:
    async with phone_rig() as rig:
        address = await rig.drive()
        rig.toy.vanish()
        gone = await rig.link.hear(Disconnected)
        assert gone.peripheral == 1
        mark = rig.mark
        await rig.page.until(
            "document.querySelector('.toy-text').innerText.startsWith('May still be running')"
        )
        assert not rig.toy.at_rest, "nobody can reach it"
        told = await rig.link.hear(Debts)
        assert [(debt.address, debt.name) for debt in told.items] == [
            (address, rig.toy.advertisement.name)
        ]
        rig.link.heard.clear()
        rig.toy.appear()
        await rig.at_rest(5)
        assert await rig.offered() == address, "the page offers it again by itself"
        async with asyncio.timeout(5):
            await rig.toy.until(lambda toy: not toy.connected)
        assert rig.since(mark)[:4] == ["connect", STOP.decode(), STOP.decode(), "disconnect"]
        assert Debts(()) in rig.link.heard
        await rig.connect(address)
        await rig.set_level(0.25)
        assert rig.toy.levels == {"vibrate": 0.25}
        await rig.request(Write(rig.link.id(), 1, rig.tx, b"Battery;"))
        await rig.link.wait(lambda: Notification(1, rig.rx, b"85;") in rig.link.heard)


async def test_the_hub_restarts_and_the_toy_is_resumed() -> None:
    async with phone_rig() as rig:
        address = await rig.drive()
        mark = rig.mark
        await rig.hub.stop()
        await rig.at_rest(OFF_S)
        assert rig.toy.connected
        await rig.page.until("document.getElementById('link').innerText.includes('Not connected')")
        await rig.hub.start()
        link = await rig.meet()
        hello = await link.hear(Hello)
        assert [held.address for held in hello.held] == [address]
        answer = await link.connect(1, address)
        assert isinstance(answer, Connected)
        assert answer.resumed
        assert "connect" not in rig.since(mark)
        await link.arm(1, Packet(rig.tx, STOP))
        await rig.set_level(0.75)
        assert rig.toy.levels == {"vibrate": 0.75}


async def test_a_hub_that_falls_silent_is_a_hub_that_is_gone() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.link.beating = False
        await rig.at_rest(OFF_S)
        stopped = await rig.link.hear(Stopped)
        assert (stopped.cause, stopped.ok, stopped.number) == (StopCause.LEASE, True, 1)
        refused = await rig.set_level(1)
        assert isinstance(refused, Failed)
        assert refused.code is ErrorCode.GATE


async def test_hidden_page_pauses_unless_the_wearer_wants_otherwise() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        await rig.hide()
        await rig.at_rest(OFF_S)
        assert (await rig.link.hear(Stopped)).cause is StopCause.PAUSE
        await rig.link.wait(lambda: Wearer(paused=True) in rig.link.heard)
        assert isinstance(await rig.set_level(1), Failed)
        await rig.show()
        await rig.link.wait(lambda: rig.link.heard.count(Wearer()) == 2)

        await rig.tap_in("#settings", "#leave-stops")
        await rig.link.arm(1, Packet(rig.tx, STOP))
        await rig.set_level(0.5)
        await rig.hide()
        await asyncio.sleep(1.5)
        assert rig.toy.levels == {"vibrate": 0.5}
        # Timers of hidden pages run late; the page's clock does not.
        rig.link.beating = False
        assert await rig.at_rest(OFF_S) < 1.2


async def test_freezing_stops_the_toy_and_closes_the_link() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        await rig.tap_in("#settings", "#leave-stops")
        mark = rig.mark
        await rig.page.call("Page.setWebLifecycleState", state="frozen")
        await rig.at_rest(OFF_S)
        assert set(rig.since(mark)) == {STOP.decode()}
        await rig.page.call("Page.setWebLifecycleState", state="active")
        link = await rig.meet()
        await link.hear(Hello)


async def test_a_page_that_goes_connects_nothing_any_more_until_it_is_back() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.vanish()
        await rig.page.until("document.querySelector('.toy').className.includes('failing')")
        await rig.page.call("Page.setWebLifecycleState", state="frozen")
        mark = rig.mark
        rig.toy.appear()
        await asyncio.sleep(3)
        assert rig.since(mark) == []
        await rig.page.call("Page.setWebLifecycleState", state="active")
        await rig.at_rest(8)


async def test_closing_the_tab_stops_the_toy() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        mark = rig.mark
        await rig.browser.page()
        await rig.page.close()
        await rig.at_rest(OFF_S)
        await asyncio.sleep(0.3)
        assert rig.since(mark)[0] == STOP.decode()
        assert "disconnect" in rig.since(mark)


async def test_a_crashed_page_stops_nothing_which_the_page_says_beforehand() -> None:
    """The limit of this relay, kept here so that nobody claims otherwise."""
    async with phone_rig() as rig:
        await rig.drive()
        await rig.page.until(
            "document.getElementById('cannot').textContent.includes('Switch the toy off by hand')"
        )
        mark = rig.mark
        await rig.crash()
        await asyncio.sleep(2)
        assert rig.since(mark) == [], "Chromium leaves the link up and the toy running"
        assert not rig.toy.at_rest
        await rig.browser.page()
        await rig.page.close()
        await asyncio.sleep(0.5)
        assert rig.since(mark)[-1] == "disconnect", "only closing the dead tab ends the link"


async def test_stop_holds_until_the_wearer_resumes() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        await rig.page.click("#stop")
        assert await rig.at_rest(OFF_S) < 0.3
        assert (await rig.link.hear(Stopped)).cause is StopCause.EMERGENCY
        await rig.link.wait(lambda: Wearer(stopped=True) in rig.link.heard)
        assert isinstance(await rig.set_level(1), Failed)
        # A reload does not undo it.
        await rig.page.goto(rig.hub.url())
        link = await rig.meet()
        assert await link.hear(Wearer) == Wearer(stopped=True)
        await rig.page.until("document.getElementById('pause').innerText === 'Resume'")
        await rig.page.click("#pause")
        await link.wait(lambda: Wearer() in link.heard)


async def test_pause_escape_and_limits_reach_the_hub() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        link = rig.link
        await rig.page.click("#pause")
        await link.wait(lambda: Wearer(paused=True) in link.heard)
        await rig.at_rest(OFF_S)
        await rig.page.click("#pause")
        await link.wait(lambda: link.heard.count(Wearer()) == 2)
        await rig.page.evaluate(
            "for (const [id, value] of [['limit', 60], ['run-time', 900]]) {"
            " const field = document.getElementById(id); field.value = value;"
            " field.dispatchEvent(new Event('change')); }"
        )
        await link.wait(
            lambda: any(isinstance(m, Wearer) and m.max_run_s == 900 for m in link.heard)
        )
        wearer = [m for m in link.heard if isinstance(m, Wearer)][-1]
        assert [ceiling.level for ceiling in wearer.ceilings] == [0.6]
        for kind in ("keyDown", "keyUp"):
            await rig.page.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape")
        await link.wait(lambda: any(isinstance(m, Wearer) and m.stopped for m in link.heard))


async def test_a_stop_behind_a_hanging_write_lets_the_toy_go() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        link, mark = rig.link, rig.mark
        rig.toy.faults.stall()
        pending = asyncio.create_task(rig.set_level(1))
        await asyncio.sleep(0.2)
        await rig.page.click("#stop")
        await rig.page.until(
            "document.getElementById('notice').innerText.includes('does not take the stop')"
        )
        # An emergency stop is tried for three seconds: whoever pressed it wants the toy stopped.
        await link.hear(Disconnected, 8)
        told = [message for message in link.heard if isinstance(message, Stopped)]
        assert not told, "it was let go, and nobody says that it stopped"
        answer = await pending
        assert isinstance(answer, Failed)
        rig.toy.faults.heal()
        async with asyncio.timeout(5):
            await rig.toy.until(lambda toy: not toy.connected)
        assert "disconnect" in rig.since(mark)


async def test_a_stack_that_takes_one_operation_at_a_time_sees_no_other() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.latency_s = 0.005
        link = rig.link
        ids = [link.id() for _ in range(40)]
        for number, id in enumerate(ids):
            link.tell(Write(id, 1, rig.tx, b"%d;" % number))
        answers = [await link.reply(id) for id in ids]
        assert answers == [Done(id) for id in ids]
        assert rig.toy.writes[-40:] == [b"%d;" % number for number in range(40)]


async def test_a_flood_is_merged_to_the_newest_value() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.toy.faults.latency_s = 0.05
        link, before = rig.link, len(rig.toy.writes)
        ids = [link.id() for _ in range(100)]
        for step, id in enumerate(ids):
            packet = Packet(rig.tx, b"Vibrate:%d;" % (step % 20), keys=(0,))
            link.tell(Output(id, 1, (packet,)))
            await asyncio.sleep(0.001)
        answers = [await link.reply(id) for id in ids]
        assert all(isinstance(answer, Done) for answer in answers)
        assert rig.toy.writes[-1] == b"Vibrate:19;"
        assert len(rig.toy.writes) - before < 20


async def test_two_toys_at_once_and_one_stop_for_both() -> None:
    async with phone_rig("Lovense Hush,Lovense Edge") as rig:
        hush, edge = rig.bluez.toys
        await rig.drive()
        rig.chooser.pick = lambda devices: next(
            (one for one in devices if one["name"] == edge.advertisement.name), None
        )
        services = tuple(service.uuid for toy in rig.bluez.toys for service in toy.services)
        rig.link.tell(Interests(services, ("LVS-*",)))
        rig.link.heard.clear()
        address = await rig.choose()
        answer = await rig.link.connect(2, address)
        assert isinstance(answer, Connected)
        tx = next(
            one.handle
            for service in answer.services
            for one in service.characteristics
            if "write" in one.properties
        )
        stop = (Packet(tx, b"Vibrate1:0;"), Packet(tx, b"Vibrate2:0;"))
        await rig.link.arm(2, *stop)
        await rig.link.output(2, Packet(tx, b"Vibrate1:10;", keys=(0,)))
        assert not hush.at_rest
        assert not edge.at_rest
        await rig.page.click("#stop")
        await rig.at_rest(OFF_S)
        async with asyncio.timeout(OFF_S):
            await edge.until(lambda toy: toy.at_rest)
        told = Stopped(1, StopCause.EMERGENCY, number=1), Stopped(2, StopCause.EMERGENCY, number=1)
        await rig.link.wait(lambda: all(one in rig.link.heard for one in told))


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        b"\x81\xa1t\xa4Tidy",
        b"\x83\xa1t\xa6Output\xa2id\x01\xa1p\x01",
        b"\x84\xa1t\xa6Output\xa2id\x01\xa1p\x01\xa7packets\x91\x81\xa1h\x01",
        bytes(9),
    ],
    ids=["no value", "unknown", "nothing in it", "packet without bytes", "zeros"],
)
async def test_a_hub_that_breaks_the_rules_loses_the_link_and_the_toy_stops(frame: bytes) -> None:
    async with phone_rig() as rig:
        await rig.drive()
        await rig.link.channel.send(frame)
        await rig.at_rest(OFF_S)
        link = await rig.meet()
        assert len((await link.hear(Hello)).held) == 1


async def test_forgetting_the_hub_stops_and_tells_and_asks_for_a_new_code() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        for _ in range(2):
            await rig.tap_in("#hub-details", "#forget-hub")
        await rig.at_rest(OFF_S)
        await rig.link.hear(Bye)
        await rig.page.until("!document.getElementById('pairing').hidden")
        await rig.page.goto(rig.hub.url())
        await rig.page.until("!document.getElementById('pairing').hidden")


async def test_forgetting_everything_makes_a_stranger() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        [first] = rig.hub.relays
        loaded = rig.page.expect("Page.loadEventFired")
        for _ in range(2):
            await rig.tap_in("#hub-details", "#forget-all")
        await asyncio.wait_for(loaded, 10)
        await rig.pair()
        assert len(rig.hub.relays) == 2
        assert first in rig.hub.relays


async def test_a_browser_that_remembers_toys_brings_them_back_without_a_choice() -> None:
    async with phone_rig(features="WebBluetooth,WebBluetoothNewPermissionsBackend") as rig:
        address = await rig.drive()
        await rig.page.goto(rig.hub.url())
        await rig.meet()
        assert await rig.offered() == address
        await rig.connect(address)
        await rig.set_level(0.25)
        assert rig.toy.levels == {"vibrate": 0.25}


async def test_a_toy_that_the_browser_renamed_keeps_its_address(tmp_path: Path) -> None:
    """Ids change when a browser restarts; key, hub and what the toy is called do not."""
    profile = tmp_path / "profile"
    profile.mkdir()
    async with phone_rig() as rig:
        addresses = []
        for start in range(2):
            async with Chromium(
                ["--enable-features=WebBluetooth"],
                env={"DBUS_SYSTEM_BUS_ADDRESS": rig.bus},
                profile=profile,
            ) as browser:
                page = await browser.page()
                await page.phone()
                chooser = await Chooser(page).start()
                again = replace(rig, browser=browser, page=page, chooser=chooser)
                await page.goto(rig.hub.pairing_page() if start == 0 else rig.hub.url())
                await again.meet()
                addresses.append(await again.choose())
        assert len(rig.hub.relays) == 1
        assert addresses[0] == addresses[1]


async def test_the_screen_stays_on_while_the_page_is_in_front() -> None:
    async with phone_rig() as rig:
        await rig.browser.root.call(
            "Browser.setPermission",
            permission={"name": "screen-wake-lock"},
            setting="granted",
        )
        await rig.pair()
        await rig.page.until("document.getElementById('front').innerText.includes('stays on')")
        await rig.page.evaluate(
            "(() => { const { wakeLock } = navigator, ask = wakeLock.request.bind(wakeLock);"
            " window.asked = 0; wakeLock.request = kind => { asked++; return ask(kind); }; })()"
        )
        await rig.hide()
        await rig.show()
        await rig.page.until("asked === 1")


async def test_a_device_without_any_service_that_the_hub_knows_is_refused() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        rig.link.tell(Interests(("0000abcd-0000-1000-8000-00805f9b34fb",), ("LVS-*",)))
        address = await rig.choose()
        answer = await rig.link.connect(1, address)
        assert isinstance(answer, Failed)
        assert answer.code is ErrorCode.UNSUPPORTED
        await rig.page.until(
            "document.querySelector('.toy-text').innerText.startsWith('Cannot be used')"
        )


async def test_only_one_tab_is_the_radio() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        second = await rig.browser.page(rig.hub.url())
        await second.until("document.getElementById('notice').innerText.includes('another tab')")
        await second.click("#notice-action")
        await rig.at_rest(OFF_S)
        link = await rig.meet()
        assert (await link.hear(Hello)).held == ()
        await rig.page.until("document.getElementById('notice').innerText.includes('another tab')")


async def test_an_old_page_says_that_the_hub_has_a_newer_one_while_nothing_runs() -> None:
    async with phone_rig() as rig:
        rig.hub.build, rig.hub.page = "old", "new"
        newer = (
            "!document.getElementById('notice').hidden"
            " && document.getElementById('notice').innerText.includes('newer page')"
        )
        await rig.pair()
        assert (await rig.link.hear(Hello)).software == "relay page old"
        await rig.page.until(newer)
        await rig.connect(await rig.choose())
        await rig.set_level(0.5)
        await rig.page.until(f"!({newer})")
        await rig.page.click("#pause")
        await rig.at_rest(OFF_S)
        await rig.page.click("#pause")  # it says Resume
        await rig.page.until(newer)
        rig.hub.build = "new"
        loaded = rig.page.expect("Page.loadEventFired")
        await rig.page.click("#notice-action")
        await asyncio.wait_for(loaded, 10)
        await rig.meet()
        await rig.page.until("!document.getElementById('add').disabled")
        assert not await rig.page.evaluate(newer)
