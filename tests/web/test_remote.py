"""The guest's page in a real browser: from the link to the toy, and everything that ends it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from forwarder.stop.person import Person
from relay.radio.simulated.radio import SimulatedRadio
from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

TOYS = ("Lovense Edge",)
OFF_S = 1.0
OPEN = "!document.getElementById('board').hidden"


@dataclass(slots=True)
class Guest:
    hub: RunningHub
    page: Page

    @property
    def running(self) -> bool:
        """Whether a toy moves, by what has reached it."""
        radio = self.hub.app.agents[0]._radio
        assert isinstance(radio, SimulatedRadio)
        return not all(toy.at_rest for toy in radio.toys)

    async def start(self) -> None:
        await self.page.until("!document.getElementById('start').hidden")
        await self.page.click("#start")

    async def open(self) -> None:
        await self.start()
        await self.page.until(f"{OPEN} && document.querySelectorAll('.slide').length > 0")

    async def slide(self, part: float, number: int = 0) -> None:
        """Move a slider as a thumb would."""
        await self.page.evaluate(
            f"""(slide => {{
                slide.value = {part};
                slide.dispatchEvent(new Event('input'));
            }})(document.querySelectorAll('.slide')[{number}])"""
        )

    async def drive(self, part: float = 0.5) -> None:
        await self.slide(part)
        await until(lambda: self.running, "the toy moving", 5)

    async def stops(self, limit_s: float = OFF_S) -> None:
        """Within `limit_s` from now; the rest is for a busy machine."""
        started = time.monotonic()
        await until(lambda: not self.running, "the stop", 5)
        took = time.monotonic() - started
        assert took <= limit_s + 0.15, f"{took:.2f} s"

    async def says(self, words: str, limit_s: float = 5) -> None:
        await self.page.until(f"document.body.innerText.includes({words!r})", limit_s)


async def link_of(hub: RunningHub, **more: object) -> str:
    body: dict[str, object] = {"name": "Marie", "ask": False, **more}
    status, made = await hub.ask("POST", "/shares", body)
    assert status == 201, made
    assert isinstance(made, dict)
    link: str = made["link"]
    return link


@asynccontextmanager
async def shared(
    browser: Chromium, folder: Path, toys: tuple[str, ...] = TOYS, **more: object
) -> AsyncIterator[Guest]:
    async with running_hub(folder, toys) as hub:
        await hub.with_devices(len(toys))
        page = await browser.page(await link_of(hub, **more))
        try:
            yield Guest(hub, page)
            assert page.errors == []
        finally:
            await page.evaluate("indexedDB.deleteDatabase('forwarder-remote'); 0")
            await page.close()


async def test_from_the_link_to_the_toy_it_takes_one_tap_and_less_than_two_seconds(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(1)
        took = []
        for number in range(3):
            link = await link_of(hub, name=f"Marie {number}")
            started = time.monotonic()
            page = await browser.page(link)
            guest = Guest(hub, page)
            await guest.open()
            assert await page.evaluate("location.hash") == ""
            await guest.drive()
            took.append(time.monotonic() - started)
            await page.click("#stop")
            await guest.stops()
            await page.close()
        print(f"from the link to the first value at the toy: {[f'{each:.2f} s' for each in took]}")
        assert statistics.median(took) <= 2


async def test_loading_the_page_takes_nothing_and_loading_it_again_loses_nothing(
    browser: Chromium, tmp_path: Path
) -> None:
    async with shared(browser, tmp_path) as guest:
        await guest.says("works in this browser only")
        await guest.page.evaluate("location.reload(), 0")
        await guest.says("works in this browser only")
        _, shares = await guest.hub.ask("GET", "/shares")
        assert isinstance(shares, list)
        assert shares[0]["guests"] == []
        await guest.open()
        await guest.says("Desk’s toys")
        await guest.says("Shared with Marie")


async def test_a_guest_is_asked_about_and_allowed_once(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path, ask=True) as guest:
        await guest.start()
        await guest.says("Waiting to be allowed")
        _, shares = await guest.hub.ask("GET", "/shares")
        assert isinstance(shares, list)
        [one] = shares[0]["guests"]
        assert (one["state"], one["here"]) == ("asked", True)
        assert one["browser"].startswith("Chrome on ")
        await guest.hub.ask("POST", "/shares/allow", {"name": "Marie"})
        await guest.page.until(OPEN)
        await guest.drive()


async def test_hidden_it_says_stop_itself_and_nothing_starts_when_it_is_seen_again(
    browser: Chromium, tmp_path: Path
) -> None:
    async with shared(browser, tmp_path) as guest:
        await guest.open()
        await guest.drive()
        hide = (
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {0} }});"
        )
        seen = "document.dispatchEvent(new Event('visibilitychange')); 0"
        await guest.page.evaluate(hide.format("true") + seen)
        await guest.stops(0.3)
        await asyncio.sleep(1.2)
        await guest.page.evaluate(hide.format("false") + seen)
        await guest.says("Stopped, because this page was hidden.")
        await asyncio.sleep(0.5)
        assert not guest.running
        await guest.drive()


async def test_a_closed_page_stops(browser: Chromium, tmp_path: Path) -> None:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(1)
        guest = Guest(hub, await browser.page(await link_of(hub)))
        await guest.open()
        await guest.drive()
        await guest.page.close()
        await guest.stops()


async def test_a_frozen_page_stops_though_its_browser_answers_pings(
    browser: Chromium, tmp_path: Path
) -> None:
    async with shared(browser, tmp_path) as guest:
        await guest.open()
        await guest.drive()
        # Its script does not come to anything else for a while.
        await guest.page.evaluate(
            "setTimeout(() => { const ends = Date.now() + 2500; while (Date.now() < ends); }); 0"
        )
        await guest.stops()
        assert [True for _ in guest.hub.app.shared.staying()] == [True]
        await guest.page.until("document.querySelector('.value').textContent === 'off'")
        assert not guest.running
        await guest.page.until("!document.getElementById('devices').inert")
        await guest.drive()
        await guest.page.call("Page.setWebLifecycleState", state="frozen")
        await guest.stops()
        await guest.page.call("Page.setWebLifecycleState", state="active")


class Cable:
    """A way to a port that can be cut, so that nobody is told, and mended again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.whole = asyncio.Event()
        self.whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1")
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self.whole.wait()
            sink.write(data)
        sink.close()


async def test_a_cable_that_is_cut_stops_the_toy_and_what_was_on_its_way_moves_nothing(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(1)
        link = await link_of(hub)
        port = int(hub.url.rpartition(":")[2])
        async with Cable(port) as cable:
            guest = Guest(hub, await browser.page(link.replace(f":{port}/", f":{cable.port}/")))
            await guest.open()
            await guest.drive()
            cable.whole.clear()
            started = time.monotonic()
            await guest.stops()
            print(f"cut: off after {time.monotonic() - started:.2f} s")
            # What a hand still does in a dead line, before the page says that it is.
            await guest.slide(0.9)
            await guest.says("The other side is silent", 3)
            await asyncio.sleep(0.5)
            cable.whole.set()
            await asyncio.sleep(0.7)
            assert not guest.running
            await guest.says("Shared with Marie", 8)
            await guest.page.until("!document.getElementById('devices').inert")
            await guest.drive()
            await guest.page.close()


async def test_a_pattern_plays_within_the_ceiling_until_stop(
    browser: Chromium, tmp_path: Path
) -> None:
    async with shared(browser, tmp_path, percent=40) as guest:
        await guest.open()
        await guest.says("Up to 40 %")
        seen: set[int] = set()
        [device] = guest.hub.app.hub.devices.values()
        await guest.page.click("[data-mode=wave]")

        async def watch() -> None:
            while len(seen) < 6:
                seen.update(value for _, value, _ in device.levels.values())
                await asyncio.sleep(0.02)

        await asyncio.wait_for(watch(), 5)
        assert max(seen) <= 8
        await guest.page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape")
        await guest.stops()
        await asyncio.sleep(0.3)
        assert not guest.running


async def test_an_end_a_level_and_a_pause_show_at_once(browser: Chromium, tmp_path: Path) -> None:
    async with shared(browser, tmp_path) as guest:
        await guest.open()
        await guest.drive()
        await guest.hub.ask("POST", "/shares/limit", {"name": "Marie", "percent": 25})
        await guest.stops(0.3)
        await guest.says("Up to 25 %", 1)
        await guest.page.until("document.querySelector('.value').textContent === 'off'", 1)
        await guest.drive(1)
        Person(guest.hub.app.hub).pause("Kim")
        await guest.says("Everything was paused by Kim", 1)
        await guest.page.until("document.getElementById('devices').inert")
        Person(guest.hub.app.hub).resume("Kim")
        await guest.page.until("!document.getElementById('devices').inert")
        await guest.drive()
        await guest.hub.ask("DELETE", "/shares/Marie")
        await guest.stops()
        await guest.says("This share has ended", 1)


async def test_a_hub_that_is_silent_is_said_and_comes_back_without_starting_anything(
    browser: Chromium, tmp_path: Path
) -> None:
    async with shared(browser, tmp_path) as guest:
        await guest.open()
        await guest.drive()
        await guest.page.call("Network.enable")
        sessions = list(guest.hub.app.shared._here.values())
        await sessions[0].channel.close()  # as a cable that is pulled at the hub's side
        await guest.stops()
        await guest.says("Shared with Marie", 5)
        await asyncio.sleep(0.5)
        assert not guest.running
        await guest.drive()


async def test_a_link_that_was_passed_on_or_renewed_is_refused_in_words(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(1)
        link = await link_of(hub)
        first = Guest(hub, await browser.page(link))
        await first.open()
        second = Guest(hub, await browser.page(link, apart=True))
        await second.start()
        await second.says("This link is taken")
        assert [True for _ in hub.app.shared.staying()] == [True]
        await first.drive()
        await hub.ask("POST", "/shares/renew", {"name": "Marie"})
        await first.stops()
        await first.says("There is a new link", 1)
        await first.page.close()
        await second.page.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("delete SubtleCrypto.prototype.generateKey", "too old"),
        ("IDBObjectStore.prototype.put = () => { throw new Error() }", "keeps nothing"),
        ("Object.defineProperty(window, 'isSecureContext', { value: false })", "by https"),
        (
            "Object.defineProperty(navigator, 'userAgent', { value: 'Mozilla/5.0 (iPhone)"
            " AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0' })",
            "The app is Instagram",
        ),
    ],
    ids=["old", "forgetful", "insecure", "inside"],
)
async def test_a_browser_that_cannot_is_told_before_the_link_is_taken(
    browser: Chromium, tmp_path: Path, spoil: str, words: str
) -> None:
    async with running_hub(tmp_path, TOYS) as hub:
        page = await browser.page("about:blank")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=spoil)
        await page.goto(await link_of(hub))
        if "put" in spoil:
            await page.until("!document.getElementById('start').hidden")
            await page.click("#start")
        await page.until(f"document.body.innerText.includes({words!r})")
        _, shares = await hub.ask("GET", "/shares")
        assert isinstance(shares, list)
        assert shares[0]["guests"] == []
        await page.close()
