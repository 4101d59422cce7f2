"""The dashboard in a real browser, on a whole hub with simulated toys."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from forwarder.config import Link
from forwarder.connectors.host_addresses import addresses
from relay.link.messages import Debt
from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.forwarder.api.dashboard.test_guest import Guest as TokenGuest
from tests.system.processes import free_ports, house, until
from tests.web.test_first_toy import shows
from tests.web.test_service_workers import shows_the_board

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

# Device, feature, type, steps.
Output = tuple[int, int, str, int]
SHOWN = "!document.getElementById('board').hidden"


@dataclass(slots=True)
class Desk:
    """A hub with an Edge at index 0, and its dashboard in a browser."""

    hub: RunningHub
    page: Page
    apps: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return any(device.running for device in self.hub.app.hub.devices.values())

    async def test_drive(self, share: float = 0.5) -> None:
        """Move the first slider as a hand would."""
        # The board is shown before the browser has had time to draw it.
        await self.page.until("Boolean(document.querySelector('.device .drive'))")
        await self.page.click(".device .drive")
        await self.page.evaluate(
            f"""(slider => {{
                slider.value = slider.max * {share};
                slider.dispatchEvent(new Event('input'));
            }})(document.querySelector('.output input'))"""
        )
        await until(lambda: self.running, "the toy moving", 5)

    async def key(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            await self.page.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key if key != " " else "Space",
                text=text,
            )  # fmt: skip

    async def with_app(
        self, name: str = "Game Vibes", outputs: Sequence[Output] = ((0, 1, "Vibrate", 8),)
    ) -> None:
        """An app drives these outputs until the hub ends; alone, the Edge's second motor."""
        ws = await self.hub.http.ws_connect(self.hub.app.client_url)
        self.apps.append(ws)
        hello = {"Id": 1, "ClientName": name, "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        await ws.send_str(json.dumps([{"RequestServerInfo": hello}]))
        await ws.receive()
        for device, feature, kind, steps in outputs:
            value = {"Value": steps, **({"Duration": 500} if kind.startswith("Hw") else {})}
            output = {
                "Id": 2, "DeviceIndex": device, "FeatureIndex": feature, "Command": {kind: value},
            }  # fmt: skip
            await ws.send_str(json.dumps([{"OutputCmd": output}]))
            await ws.receive()

    async def pass_time(self, seconds: float) -> None:
        """Wait, and have the apps read what they are sent: one that does not is dropped."""
        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(_read(app)) for app in self.apps]
            await asyncio.sleep(seconds)
            for reader in readers:
                reader.cancel()


async def _read(app: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in app:
        pass


@asynccontextmanager
async def desk_with(
    browser: Chromium, folder: Path, *, devices: bool = True
) -> AsyncIterator[Desk]:
    async with running_hub(folder, ("Lovense Edge",)) as hub:
        if devices:
            await hub.with_devices(1)
        page = await browser.page(hub.url + "/")
        try:
            await page.until(SHOWN)
            if devices:
                # What is shown is drawn a moment later.
                await page.until("Boolean(document.querySelector('.device h3'))")
            desk = Desk(hub, page)
            try:
                yield desk
                assert page.errors == []
            finally:
                for app in desk.apps:
                    await app.close()
        finally:
            await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Chromium, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_with(browser, tmp_path) as desk:
        yield desk


async def test_it_shows_devices_levels_batteries_relays_and_who_drives(desk: Desk) -> None:
    await desk.with_app()
    page = desk.page
    await page.until("document.querySelector('.device h3').innerText === 'Lovense Edge'")
    await page.until("document.querySelector('.battery').innerText === 'Battery 85 %'")
    await page.until(
        "document.querySelectorAll('.output .value')[1].innerText === '40 % by Game Vibes'"
    )
    assert await page.evaluate("document.querySelectorAll('meter')[1].value") == 0.4
    assert "simulated toys" in await page.evaluate(
        "document.getElementById('relay-list').innerText"
    )
    await page.until(
        "document.getElementById('client-list').innerText.includes('Lovense Edge: vibration 40 %')"
    )
    await page.until("document.getElementById('log').innerText.includes('Lovense Edge connected')")
    # What is behind it is one click away, with a scale.
    await page.click(".device .hops")
    await page.until("document.querySelector('#history polyline')?.points.length >= 2")
    assert await page.evaluate("document.querySelectorAll('#history .grid').length") >= 3
    await page.click("#history-close")


async def test_nothing_here_says_what_to_do(browser: Chromium, tmp_path: Path) -> None:
    async with desk_with(browser, tmp_path, devices=False) as desk:
        await desk.page.until("!document.getElementById('no-devices').hidden")
        await desk.page.click("#scan-here")
        await desk.page.until("Boolean(document.querySelector('.device'))")
        await desk.page.until("document.getElementById('scan').innerText === 'Scanning…'")
        await desk.page.click("#scan")
        await desk.page.until("document.getElementById('scan').innerText === 'Scan'")


async def test_a_test_drive_ends_with_the_page(desk: Desk) -> None:
    await desk.test_drive()
    await desk.page.until("document.querySelector('.value').innerText === '50 % by Dashboard'")
    await desk.page.goto("about:blank")
    await until(lambda: not desk.running, "the end of the test drive", 1)


async def test_a_test_drive_ends_when_its_sliders_are_put_away(desk: Desk) -> None:
    await desk.with_app()
    async with asyncio.TaskGroup() as tasks:
        # An app that reads nothing for seconds is dropped, and this machine may be slow.
        reading = tasks.create_task(desk.pass_time(60))
        await desk.test_drive()
        await desk.page.click(".device .drive")
        device = desk.hub.app.hub.devices[0]
        await until(lambda: device.levels[0][1] == 0, "the end of the test drive", 2)
        assert device.levels[1][1] == 8, "what the app drives goes on"
        reading.cancel()


@pytest.mark.parametrize(("key", "text"), [("Escape", ""), (" ", " ")])
async def test_keys_stop_everything_whoever_drives(desk: Desk, key: str, text: str) -> None:
    await desk.with_app()
    await until(lambda: desk.running, "the toy moving", 5)
    await desk.key(key, text)
    await until(lambda: not desk.running, "the stop", 2)
    await desk.page.until("document.getElementById('said').innerText.includes('is stopped')")


async def test_escape_stops_also_from_a_slider_and_a_dialog(desk: Desk) -> None:
    await desk.test_drive()
    await desk.page.evaluate("document.querySelector('.output input').focus()")
    await desk.key(" ", " ")
    await until(lambda: not desk.running, "the stop", 2)
    await desk.page.until("!document.getElementById('hold').hidden")
    await desk.page.click("#resume")
    await until(lambda: not desk.hub.app.hub.hold.holds, "the end of the stop", 2)
    await desk.with_app()
    await until(lambda: desk.running, "the toy moving", 5)
    await desk.page.click("#pair")
    await desk.page.until("document.getElementById('pairing').open")
    await desk.page.click("#pairing .stop-all")
    await until(lambda: not desk.running, "the stop", 2)


async def _game(app: aiohttp.ClientWebSocketResponse, answers: list[str]) -> None:
    """Ten values a second for the second motor, whatever the answers are."""
    for number in range(3, 1000):
        output = {
            "Id": number, "DeviceIndex": 0, "FeatureIndex": 1,
            "Command": {"Vibrate": {"Value": 5 + number % 10}},
        }  # fmt: skip
        await app.send_str(json.dumps([{"OutputCmd": output}]))
        answers.append((await app.receive_str())[:400])
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(("press", "word"), [("Escape", "stopped"), ("#pause", "paused")])
async def test_a_game_that_goes_on_does_not_undo_the_stop(
    desk: Desk, press: str, word: str
) -> None:
    await desk.with_app()
    answers: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        game = tasks.create_task(_game(desk.apps[0], answers))
        await until(lambda: len(answers) > 3, "a game", 5)
        if press == "Escape":
            await desk.key(press)
        else:
            await desk.page.click(press)
        await until(lambda: not desk.running, "the stop", 2)
        await desk.page.until(
            "!document.getElementById('hold').hidden"
            f" && document.getElementById('hold').innerText.includes('Everything is {word}.')"
            " && document.getElementById('hold').innerText.includes('By Dashboard since')"
        )
        for _ in range(20):
            await asyncio.sleep(0.05)
            assert not desk.running
        assert f"{word} by Dashboard" in answers[-1]
        assert await desk.page.evaluate("document.getElementById('pause').disabled")
        await desk.page.click("#resume")
        await until(lambda: desk.running, "the game moving the toy again", 2)
        await desk.page.until("document.getElementById('hold').hidden")
        game.cancel()


async def test_an_app_is_muted_from_its_row_also_while_it_is_away(desk: Desk) -> None:
    await desk.with_app("Game Vibes")
    await until(lambda: desk.running, "the toy moving", 5)
    page = desk.page
    await page.until("Boolean(document.querySelector('#client-list .mute'))")
    await page.click("#client-list .mute")
    await until(lambda: not desk.running, "the mute", 2)
    shown = "document.getElementById('client-list').innerText"
    await page.until(f"{shown}.includes('Muted by Dashboard since')")
    await desk.apps.pop().close()
    await page.until(f"{shown}.includes('away') && {shown}.includes('Game Vibes')")
    await desk.with_app("Game Vibes")
    assert not desk.running
    await page.until(f"!{shown}.includes('away')")
    await page.click("#client-list .unmute")
    await page.until(f"{shown}.includes('Drives nothing now')")
    await page.click("#client-list .end")
    await page.click("#sure-yes")
    await page.until("document.getElementById('client-list').hidden")


async def test_a_toy_that_no_stop_can_reach_stays_named(desk: Desk) -> None:
    (relay,) = desk.hub.app.relays.relays.values()
    owing = desk.hub.app.relays.owing
    owing.told(relay.key, relay.name, [("C4:4F:33:0E:8B:A1", "LVS-Hush")])
    relay.debts = (Debt("C4:4F:33:0E:8B:A1", "LVS-Hush"),)
    shown = "document.getElementById('missing').innerText"
    await desk.page.until(f"{shown}.includes('LVS-Hush is not connected and may be running')")
    await desk.page.click("#stop")
    await until(lambda: desk.hub.app.hub.hold.holds, "the stop", 2)
    # No green "Stopped": it is not.
    await desk.page.until("document.getElementById('stop').innerText === 'Stop everything'")
    assert await desk.page.evaluate("!document.getElementById('stop').classList.contains('done')")
    await desk.page.click("#missing button")
    await desk.page.click("#sure-yes")
    # It answers that it owes nothing; what the page shows comes from what it says next.
    relay.debts = ()
    owing.told(relay.key, relay.name, [])
    await desk.page.until(f"{shown} === ''")


async def test_a_toy_that_is_held_back_says_so_until_the_person_resumes(desk: Desk) -> None:
    (relay,) = desk.hub.app.relays.relays.values()
    shown = "document.getElementById('missing').innerText"
    await desk.page.click("#stop")
    await until(lambda: desk.hub.app.hub.hold.holds, "the stop", 2)
    (opened,) = relay.devices.values()
    desk.hub.app.relays.let_go(opened.device, "a test")
    await desk.page.until(f"{shown}.includes('is not connected: stopped by a person')")
    # Not by its place: what was said moves it about for a moment.
    await desk.page.evaluate("document.getElementById('resume').click()")
    await desk.page.until(f"{shown} === ''")
    await until(lambda: bool(relay.devices), "its connection", 5)


async def test_a_guests_token_opens_the_remote_page_and_never_this_one(desk: Desk) -> None:
    _, made = await desk.hub.ask("POST", "/tokens", {"name": "Marie", "devices": ["0"]})
    assert isinstance(made, dict)
    page = desk.page
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=_WITHOUT_TOKEN + _SHOWN_BOARD)
    await page.goto(desk.hub.url + "/")
    await page.until("!document.getElementById('sign-in').hidden")
    await page.evaluate(f"document.getElementById('token').value = {json.dumps(made['token'])}")
    await page.click("#sign-in-form button")
    await shows(
        page, "location.pathname === '/remote/' && document.querySelector('.slide') !== null"
    )
    assert await page.evaluate("sessionStorage.getItem('shown')") is None
    await page.evaluate(
        "(s => { s.value = 0.5; s.dispatchEvent(new Event('input')); })"
        "(document.querySelector('.slide'))"
    )
    await until(lambda: desk.running, "the toy moving", 5)
    await page.click("#stop")
    await until(lambda: not desk.running, "the stop", 2)
    # A guest stops for the moment, and is stopped by the owner.
    assert not desk.hub.app.hub.hold.holds
    await desk.hub.ask("POST", "/stop", {"by": "Kim"})
    await page.until("document.body.innerText.includes('stopped by Kim')")
    await desk.hub.ask("POST", "/resume")
    # The way back leads here again, until the token is given up or taken away.
    await page.goto(desk.hub.url + "/")
    await shows(
        page, "location.pathname === '/remote/' && document.querySelector('.slide') !== null"
    )
    await desk.hub.ask("DELETE", "/tokens/Marie")
    await page.until("document.body.innerText.includes('does not work any more')")
    await page.click("#sign-out")
    await shows(page, "document.getElementById('sign-in')?.hidden === false")
    assert await page.evaluate("sessionStorage.length") == 0


async def test_news_come_as_toasts_for_whoever_looks_elsewhere(desk: Desk) -> None:
    hub, shown = desk.hub, "document.getElementById('toasts').innerText"
    assert await desk.page.evaluate(shown) == ""  # what is here at first is no news
    device = hub.app.hub.devices[0]
    hub.app.api._batteries.learn(device, 9)
    await desk.page.until(f"{shown}.includes('9 %')")
    _, made = await hub.ask("POST", "/tokens", {"name": "Marie"})
    assert isinstance(made, dict)
    guest = await TokenGuest.come(hub, made["token"])
    await guest.open()
    await desk.page.until(f"{shown}.includes('Marie is here, as a guest.')")
    await guest.ws.close()
    hub.app.relays.let_go(device, "a test")
    await desk.page.until(f"{shown}.includes('Lovense Edge is gone.')")


async def test_a_hub_that_hangs_is_said_and_a_stop_that_does_not_arrive_too(
    browser: Chromium, tmp_path: Path
) -> None:
    async with house(tmp_path, "Lovense Edge", embedded=True) as home:
        page = await browser.page(f"http://127.0.0.1:{home.link_port}/")
        try:
            await shows_the_board(page)
            await page.until("!document.getElementById('no-devices').hidden")
            await page.click("#scan-here")
            await page.until("Boolean(document.querySelector('.device .stop-one'))", 20)
            home.hub.send(signal.SIGSTOP)
            await page.until(
                "document.getElementById('link-text').innerText.includes('hub is silent since')", 4
            )
            pressed = time.monotonic()
            await page.click("#stop")
            await page.until(
                "!document.getElementById('notice').hidden"
                " && document.getElementById('notice').innerText.includes('did not reach the hub')"
                " && document.getElementById('notice').innerText.includes('switch it off by hand')",
                4,
            )
            assert time.monotonic() - pressed < 2.5  # 2 s, and the time to look
            await page.click("#notice-close")
            pressed = time.monotonic()
            # The board is inert by now, for it may be old; a press that was on its way counts.
            await page.evaluate("document.querySelector('.device .stop-one').click()")
            await page.until("!document.getElementById('notice').hidden", 4)
            assert time.monotonic() - pressed < 2.5
            home.hub.send(signal.SIGCONT)
            # It is owed, and sent again: nothing has to be pressed a second time.
            await page.until("!document.getElementById('hold').hidden", 5)
            await page.until(
                "!document.getElementById('link').classList.contains('bad')"
                " && !document.getElementById('board').inert"
            )
        finally:
            home.hub.send(signal.SIGCONT)
            await page.close()


async def test_the_stop_button_says_when_a_stop_does_not_get_through(desk: Desk) -> None:
    await desk.page.call("Network.enable")
    await desk.page.call(
        "Network.emulateNetworkConditions",
        offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
    )  # fmt: skip
    await desk.page.click("#stop")
    await desk.page.until(
        "!document.getElementById('notice').hidden"
        " && document.getElementById('notice').innerText.includes('did not reach the hub')"
    )
    desk.page.errors.clear()


async def test_a_device_is_named_and_limited_and_denied(desk: Desk) -> None:
    page = desk.page
    await page.click(".device .settings")
    await page.evaluate(
        """(() => {
            document.querySelector('.panel .name').value = 'Bob';
            const slider = document.querySelector('.panel .highest');
            slider.value = 50;
            slider.dispatchEvent(new Event('input'));
        })()"""
    )
    await page.click(".panel button[type=submit]")
    await page.until("document.querySelector('.device h3').innerText === 'Bob'")
    assert desk.hub.app.hub.devices[0].features[0].output
    assert desk.hub.app.user.devices()[0].display_name == "Bob"
    assert await page.evaluate("document.querySelector('.output input').max") == "10"
    await page.click(".device .settings")
    assert await page.evaluate("document.querySelector('.panel .top').innerText") == "50 %"
    await page.click(".panel .deny")
    await page.click("#sure-yes")
    await page.until("!document.querySelector('.device')")
    await page.click("#known summary")
    await page.until("document.getElementById('known-list').innerText.includes('Bob (denied)')")
    await page.click("#known-list button")
    await until(lambda: not desk.hub.app.user.devices()[0].deny, "the denial taken back", 5)


async def test_it_says_why_a_toy_is_not_there_and_connects_nothing_for_that(
    browser: Chromium, tmp_path: Path
) -> None:
    async with desk_with(browser, tmp_path, devices=False) as desk:
        page = desk.page
        await page.evaluate("document.getElementById('seen').open = true")
        await page.until("document.querySelector('#seen-list h3')?.innerText === 'LVS-P011'")
        shown = await page.evaluate("document.getElementById('seen-list').innerText")
        for words in ("Lovense Edge", "start a scan", "simulated toys: signal strong"):
            assert words in shown
        assert not desk.hub.app.hub.devices


async def test_a_device_is_pinned_in_each_way_and_its_choice_is_explained(desk: Desk) -> None:
    page = desk.page
    await page.until(
        "document.querySelector('.source').getAttribute('title')?.includes('signal -55')"
    )
    await page.click(".device .settings")
    await page.evaluate(
        """(panel => {
            panel.querySelector('.pin').value = 'simulated toys';
            panel.querySelector('.pin-how').value = 'prefer';
        })(document.querySelector('.device form'))"""
    )
    await page.click(".device form button.main")
    await page.until("document.querySelector('.source').innerText.endsWith('(preferred)')")
    await page.until("document.querySelector('.device form').hidden")
    await page.click(".device .settings")
    assert await page.evaluate("document.querySelector('.pin-how').value") == "prefer"


async def test_a_web_page_that_asks_is_allowed_by_a_click(desk: Desk) -> None:
    desk.hub.app.origins.judge("https://game.example", "127.0.0.1")
    await desk.page.until("document.getElementById('asked').innerText.includes('game.example')")
    await desk.page.click("#asked .main")
    await desk.page.until("!document.getElementById('asked').childElementCount")
    assert desk.hub.app.origins.allowed == {"https://game.example"}
    await desk.page.click("#origins summary")
    await desk.page.click("#origin-list button")
    await until(lambda: not desk.hub.app.origins.allowed, "the page forgotten", 5)


async def test_a_phone_is_paired_by_its_qr_code(desk: Desk) -> None:
    page = desk.page
    await page.click("#pair")
    await page.until("document.getElementById('pairing').open")
    await page.until("!document.getElementById('pairing-shut').hidden")
    assert await page.evaluate("document.getElementById('pairing-code').hidden")
    await page.click("input[value=localhost]")
    await page.until("Boolean(document.querySelector('#qr svg path'))")
    link = await page.evaluate("document.getElementById('pairing-link').value")
    assert link.startswith(f"{desk.hub.app.link_url.replace('127.0.0.1', 'localhost')}/relay/#")
    code = next(iter(desk.hub.app.trust.desk._codes))
    now = asyncio.get_running_loop().time()
    desk.hub.app.trust.file(code, b"k" * 32, "Phone", now)
    await page.until("document.getElementById('pairing-state').innerText === 'Phone has joined.'")
    await page.click("#pairing-close")
    await page.until("document.getElementById('relay-list').innerText.includes('Phone')")
    await page.click("#relay-list .revoke")
    await page.click("#sure-yes")
    await page.until("!document.getElementById('relay-list').innerText.includes('Phone')")
    await page.click("#pair")
    await page.until("document.getElementById('pairing').open")
    await page.until("Boolean(document.querySelector('#qr svg path'))")
    await page.click("#pairing-close")
    await until(lambda: not desk.hub.app.trust.desk._codes, "the code withdrawn", 5)


async def test_the_certificate_is_shown_in_full_before_it_is_scanned(
    browser: Chromium, tmp_path: Path
) -> None:
    if not addresses():
        pytest.skip("this machine is in no network")
    (https_port,) = free_ports(1)
    config = config_for(tmp_path, (), Link(port=0, https_port=https_port, lan=True))
    async with running_hub(tmp_path, (), config) as hub:
        page = await browser.page(hub.url + "/")
        await page.until(SHOWN)
        await page.click("#pair")
        await page.until("document.getElementById('pairing').open")
        await page.until("!document.getElementById('pairing-certificate').hidden")
        parts = await page.evaluate(
            "[...document.getElementById('pairing-certificate').children].map(e => e.innerText)"
        )
        _, status = await hub.ask("GET", "/status")
        assert isinstance(status, dict)
        assert " ".join(parts) == status["hub"]["fingerprint"].replace(":", " ")
        assert [len(part.split()) for part in parts] == [4, 24, 4]
        await page.click("input[value=localhost]")
        await page.until("document.getElementById('pairing-certificate').hidden")
        await page.close()


async def test_it_comes_back_by_itself_after_a_restart_of_the_hub(
    browser: Chromium, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    config = config_for(tmp_path, link=Link(port=port, https_port=0))
    async with running_hub(tmp_path, config=config) as hub:
        page = await browser.page(hub.url + "/")
        await page.until(SHOWN)
    await page.until("document.getElementById('link-text').innerText.includes('cannot be')")
    loaded = page.expect("Page.loadEventFired")
    async with running_hub(tmp_path, config=config):
        async with asyncio.timeout(20):
            await loaded
        await page.until("document.getElementById('dot').className === 'good'", 20)
        assert await page.evaluate("document.querySelectorAll('.device').length") == 0
    await page.close()


# Gives the page no token, and has an empty one refused as it is beyond this machine.
# Remembers that the dashboard was shown, for whoever has left it.
_SHOWN_BOARD = """
addEventListener('load', () => {
    const board = document.getElementById('board');
    const shown = new MutationObserver(() => sessionStorage.setItem('shown', 'yes'));
    const what = { attributes: true, attributeFilter: ['hidden'] };
    if (location.pathname === '/') shown.observe(board, what);
});
"""
_WITHOUT_TOKEN = """
const ask = window.fetch;
window.fetch = (url, ...more) =>
    `${url}`.endsWith('/page') ? Promise.reject(new TypeError('away')) : ask(url, ...more);
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    const said = data === '{"t":"hello","token":""}' ? data.replace('""', '"none"') : data;
    return send.call(this, said);
};
"""


async def test_a_stop_works_though_the_hub_forgot_the_page(desk: Desk) -> None:
    """As after 64 newer dashboards while this one's socket was away."""
    await desk.test_drive()
    desk.hub.app.api.access._pages._open.clear()
    await desk.page.click("#stop")
    await until(lambda: not desk.running, "the toy at rest", 5)
    await desk.page.until("document.getElementById('stop').innerText === 'Stopped'")


async def test_beyond_this_machine_it_asks_for_the_token(desk: Desk) -> None:
    """What a page without a token of its own does; the server's part is in the API's tests."""
    page = desk.page
    await page.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source=_WITHOUT_TOKEN,
    )
    await page.goto(desk.hub.url + "/")
    await page.until("!document.getElementById('sign-in').hidden")
    await page.evaluate("document.getElementById('token').value = 'bpft_wrong'")
    await page.click("#sign-in-form button")
    await page.until("document.getElementById('sign-in-error').innerText.includes('unknown')")
    await page.evaluate(f"document.getElementById('token').value = {json.dumps(desk.hub.admin)}")
    await page.click("#sign-in-form button")
    await page.until(SHOWN)
    await page.until("Boolean(document.querySelector('.device h3'))")


async def test_it_asks_nobody_else_for_anything(desk: Desk) -> None:
    names = await desk.page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert names
    assert all(name.startswith(desk.hub.url) for name in names)
