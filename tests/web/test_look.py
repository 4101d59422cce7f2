"""How the page looks and reads in each state: phone-sized, light and dark, nothing cut off.

With `FORWARDER_SCREENSHOTS` set to a folder, every state is also kept there as a picture. With
`AXE_CORE` set to an axe.min.js (npm pack axe-core), axe judges every state as well.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
from pathlib import Path

import pytest

from relay.link.messages import Driven, Status
from relay.link.security.handshake import RefusalCode
from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_bluez import PhoneRig, phone_rig
from tests.doubles.chromium_hub import WebHub

pytestmark = pytest.mark.chromium

# What a thumb hits: 24 px is what WCAG 2.2 (2.5.8) asks for, phones' guidelines say 44 to 48.
LEAST_TARGET_PX = 44

_FAULTS = """(() => {
    const found = [];
    const wide = document.documentElement.scrollWidth;
    if (wide > innerWidth) found.push(`the page is ${wide} px wide`);
    for (const one of document.querySelectorAll('dialog[open]')) {
        if (one.scrollWidth > one.clientWidth) found.push(`${one.id} is wider than itself`);
    }
    for (const element of document.querySelectorAll('button, input, select, summary')) {
        const box = element.getBoundingClientRect();
        if (!box.width) continue;
        const label = element.closest('.check') ?? element;
        const height = Math.max(box.height, label.getBoundingClientRect().height);
        const name = element.id || element.className || element.tagName;
        if (height < LEAST) found.push(`${name} is ${Math.round(height)} px high`);
        if (box.right > innerWidth + 1 || box.left < -1) found.push(`${name} sticks out`);
    }
    const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const colour = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const back = colour(getComputedStyle(one).backgroundColor);
            if (back.length === 3 || back[3] > 0) return back;
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !element.getClientRects().length) continue;
        if (element.closest('script, option')) continue;
        const [a, b] = [colour(getComputedStyle(element).color), behind(element)].map(luminance);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const text = walker.currentNode.textContent.trim();
        if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(1)}: ${text}`);
    }
    return found;
})()"""


async def look(page: Page, name: str) -> None:
    """Check the state that is shown, light and dark, and keep its picture if somebody wants it."""
    folder = os.environ.get("FORWARDER_SCREENSHOTS")
    for dark in (False, True):
        await page.phone(dark=dark)
        await page.evaluate(
            "new Promise(done => requestAnimationFrame(() => setTimeout(done, 60)))"
        )
        faults = await page.evaluate(_FAULTS.replace("LEAST", str(LEAST_TARGET_PX)))
        if folder:
            path = Path(folder, f"{name}-{'dark' if dark else 'light'}.png")
            await page.screenshot(path)
        assert faults == [], f"{name}, {'dark' if dark else 'light'}"
        if "AXE_CORE" in os.environ:
            assert await axe(page) == [], f"{name}, {'dark' if dark else 'light'}"


async def axe(page: Page) -> list[str]:
    """What axe finds, moderate things included."""
    if not await page.evaluate("'axe' in window"):
        source = await asyncio.to_thread(Path(os.environ["AXE_CORE"]).read_text)
        await page.evaluate(f"{source}; 0")
    found: list[str] = await page.evaluate(
        "axe.run().then(result => result.violations.map(one =>"
        " `${one.impact} ${one.id}: ${one.nodes.map(node => node.html).join(' ')}`))"
    )
    return found


async def notice(page: Page, text: str, limit_s: float = 15) -> None:
    await page.until(
        f"!document.getElementById('notice').hidden"
        f" && document.getElementById('notice').innerText.includes({text!r})",
        limit_s,
    )


async def running(rig: PhoneRig) -> None:
    await rig.drive(0.6)
    rig.link.tell(Status((Driven(1, "Lovense Hush", 0.6, ("Game Vibes",), 85),), 12_000))
    await rig.page.until("document.querySelector('.toy-text').innerText.includes('Game Vibes')")


async def test_first_visit_and_a_bad_link() -> None:
    async with phone_rig() as rig:
        await rig.page.goto(rig.hub.url())
        await rig.page.until("!document.getElementById('pairing').hidden")
        await look(rig.page, "unpaired")
        await rig.page.evaluate("document.getElementById('pair-link').value = 'hello'")
        await rig.page.click("#pair-form button")
        await rig.page.until("document.getElementById('pair-error').innerText")
        await look(rig.page, "bad-link")


async def test_pairing_refused() -> None:
    async with phone_rig() as rig:
        for refusal, words in (
            (RefusalCode.CODE_SPENT, "does not work any more"),
            (RefusalCode.WRONG_CODE, "not right"),
            (RefusalCode.VERSION, "do not fit together"),
        ):
            rig.hub.refuse = refusal
            await rig.page.goto("about:blank")
            await rig.page.goto(rig.hub.pairing_page())
            await notice(rig.page, words)
            await look(rig.page, f"refused-{refusal.name.lower().replace('_', '-')}")


async def test_choosing_running_stopping() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        await rig.page.until("!document.getElementById('add').disabled")
        await look(rig.page, "no-toy")
        rig.chooser.cancel = True
        await rig.page.click("#add")
        await rig.page.until("!document.getElementById('add-hint').hidden")
        await look(rig.page, "none-chosen")
        rig.chooser.cancel = False
        await running(rig)
        await look(rig.page, "running")
        await rig.page.phone(320, 640)
        await rig.page.evaluate("document.documentElement.style.fontSize = '200%'")
        faults = await rig.page.evaluate(_FAULTS.replace("LEAST", str(LEAST_TARGET_PX)))
        assert faults == [], "a narrow phone whose owner has enlarged the text"
        await rig.page.evaluate("document.documentElement.style.fontSize = ''")
        await rig.page.evaluate("document.getElementById('settings').open = true")
        await rig.page.evaluate("document.getElementById('hub-details').open = true")
        await rig.page.evaluate("document.getElementById('settings').scrollIntoView()")
        await look(rig.page, "limits")
        await rig.page.evaluate("document.getElementById('settings').open = false")
        await rig.page.evaluate("document.getElementById('hub-details').open = false")
        await rig.page.evaluate("document.getElementById('cannot').open = true")
        await rig.page.evaluate("document.getElementById('cannot').scrollIntoView()")
        await look(rig.page, "cannot")
        await rig.page.evaluate("document.getElementById('cannot').open = false; scrollTo(0, 0)")
        await rig.page.click("#pause")
        await notice(rig.page, "Paused")
        await look(rig.page, "paused")
        await rig.page.click("#stop")
        await notice(rig.page, "Everything is stopped")
        await look(rig.page, "stopped")


async def test_what_goes_wrong_with_toy_and_radio() -> None:
    async with phone_rig() as rig:
        await running(rig)
        rig.toy.vanish()
        await rig.page.until("document.querySelector('.toy').className.includes('lost')")
        await notice(rig.page, "may still be running")
        await look(rig.page, "toy-lost-running")
        await rig.page.click("#notice-action")
        await rig.page.until("document.getElementById('notice').hidden")
        await look(rig.page, "toy-lost")


async def test_a_toy_that_does_not_stop() -> None:
    async with phone_rig() as rig:
        await running(rig)
        rig.toy.faults.fail(times=None)
        await rig.page.click("#stop")
        await notice(rig.page, "does not take the stop")
        assert (
            await rig.page.evaluate("document.getElementById('notice').getAttribute('role')")
            == "alert"
        )
        await look(rig.page, "stop-fails")


async def test_what_goes_wrong_with_the_hub() -> None:
    async with phone_rig() as rig:
        await running(rig)
        await rig.hub.stop()
        await notice(rig.page, "cannot be reached")
        await look(rig.page, "hub-unreachable")
        rig.hub.relays.clear()
        await rig.hub.start()
        await notice(rig.page, "does not let this phone in", 30)
        await look(rig.page, "revoked")


async def test_another_tab_and_a_forgotten_toy() -> None:
    async with phone_rig() as rig:
        await running(rig)
        second = await rig.browser.page()
        await second.phone()
        await second.goto(rig.hub.url())
        await notice(second, "another tab")
        await look(second, "another-tab")
        await second.close()
        await rig.page.goto(rig.hub.url())
        await rig.meet()
        await rig.page.until(
            "document.querySelector('.toy-text')?.innerText.includes('choose it again')"
        )
        await look(rig.page, "toy-forgotten")


async def test_a_toy_that_may_run_and_is_not_found() -> None:
    async with phone_rig() as rig:
        await running(rig)
        rig.toy.vanish()
        await notice(rig.page, "may still be running")
        await rig.page.click("#stop")
        await rig.page.until("document.body.className === 'stopped'")
        await look(rig.page, "toy-lost-stopped")
        await rig.page.goto(rig.hub.url())
        await notice(rig.page, "may still be running")
        await look(rig.page, "toy-may-run")
        rig.chooser.cancel = True
        await rig.page.click("#notice-action")
        await rig.page.until("document.getElementById('notice-hint').innerText")
        await look(rig.page, "toy-not-found")
        for _ in range(2):
            await rig.tap_in("#hub-details", "#forget-hub")
        await rig.page.until("!document.getElementById('pairing').hidden")
        await notice(rig.page, "may still be running")
        await look(rig.page, "toy-may-run-unpaired")


async def test_a_browser_without_bluetooth() -> None:
    async with WebHub() as hub, Chromium() as browser:
        page = await browser.page()
        await page.phone()
        await page.goto(hub.url())
        await notice(page, "no Bluetooth")
        await look(page, "no-bluetooth")


def test_the_page_is_small() -> None:
    web = Path(__file__).parents[2] / "forwarder" / "web"
    own = [path.read_bytes() for path in (web / "relay").iterdir()]
    # Weak Wi-Fi carries 2 MB a second: a twentieth of one. A third is the machine of a toy.
    assert sum(len(gzip.compress(content)) for content in own) <= 100_000
    # With what it shares with other pages, in English; docs/phone.md says how much that is.
    shared = ("words.js", "en.js", "colours.css")
    all_of_it = own + [(web / "shared" / name).read_bytes() for name in shared]
    text = (web.parents[1] / "docs" / "phone.md").read_text(encoding="utf-8")
    said = re.search(r"(\d+) kB in all, (\d+) kB when compressed", text)
    assert said is not None
    assert int(said[1]) == pytest.approx(sum(map(len, all_of_it)) / 1000, rel=0.03)
    packed = sum(len(gzip.compress(content)) for content in all_of_it)
    assert int(said[2]) == pytest.approx(packed / 1000, rel=0.03)
