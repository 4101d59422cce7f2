"""How the dashboard looks in each state, on a phone and on a desktop, light and dark; and that
people with a keyboard or a screen reader can use it.

With `FORWARDER_SCREENSHOTS` set to a folder, every state is also kept there as a picture.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import running_hub
from tests.needs import missing
from tests.web.test_dashboard import SHOWN, Desk
from tests.web.test_look import axe as axe_finds
from tests.web.test_look import look

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

TOYS = ("Lovense Edge", "Lovense Nora", "Vorze UFO SA", "Vorze Piston", "Lovense Hush")
# Serious means that somebody cannot use the page; lesser findings are matters of taste.
SEVERE = ("serious", "critical")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Chromium, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(len(TOYS))
        page = await browser.page(hub.url + "/")
        try:
            await page.until(SHOWN)
            await page.until("Boolean(document.querySelector('.device h3'))")
            yield Desk(hub, page)
            assert page.errors == []
        finally:
            await page.close()


async def busy(desk: Desk) -> None:
    """An app moves everything, a web page asks, and a relay is away."""
    hub = desk.hub
    outputs = [
        (index, feature.feature_index, kind.value, offered.value[1] * (25 + 15 * index) // 100)
        for index, device in sorted(hub.app.hub.devices.items())
        for feature in device.features
        for kind, offered in (feature.output or {}).items()
    ]
    await desk.with_app("Game Vibes", outputs)
    hub.app.origins.judge("https://game.example.com", "127.0.0.1")
    hub.app.trust.book.add(b"k" * 32, "Kim's phone")


async def desktop(page: Page, name: str) -> None:
    """Pictures of the page as a desktop shows it."""
    for dark in (False, True):
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=1280, height=860, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await page.call("Emulation.setEmulatedMedia", features=[scheme])
        await page.evaluate("new Promise(done => setTimeout(done, 150))")
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{name} is wider than the window"
        if folder := os.environ.get("FORWARDER_SCREENSHOTS"):
            path = Path(folder, f"dashboard-{name}-desktop-{'dark' if dark else 'light'}")
            await page.screenshot(path.with_suffix(".png"))
            await small(page, path.with_suffix(".webp"))


async def small(page: Page, path: Path) -> None:
    """A picture for the documentation, where a large PNG is too much."""
    answer = await page.call("Page.captureScreenshot", format="webp", quality=70)
    await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))


# What else is looked at where pictures are wanted (make look): width, height, scheme, forced
# colours, and how much larger everything is.
_VIEWS = (
    (1440, 900, "light", False, 1.0),
    (1440, 900, "dark", False, 1.0),
    (768, 1024, "light", False, 1.0),
    (768, 1024, "dark", False, 1.0),
    (390, 844, "light", False, 1.0),
    (390, 844, "dark", False, 1.0),
    (1280, 860, "light", False, 2.0),
    (1280, 860, "light", True, 1.0),
    (390, 844, "dark", True, 1.0),
)


async def views(page: Page, name: str) -> None:
    """Every width, scheme, forced colours and 200 %: nothing wider than the window, axe content."""
    for width, height, scheme, forced, zoom in _VIEWS:
        # A browser's zoom makes the window smaller, in CSS pixels.
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=int(width / zoom), height=int(height / zoom), deviceScaleFactor=zoom,
            mobile=width < 500,
        )  # fmt: skip
        await page.call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "forced-colors", "value": "active" if forced else "none"},
            ],
        )
        await page.evaluate("new Promise(done => setTimeout(done, 150))")
        looks = f"{name}-{width}-{scheme}{'-forced' if forced else ''}{'-200' if zoom > 1 else ''}"
        await page.screenshot(Path(os.environ["FORWARDER_SCREENSHOTS"], f"{looks}.png"))
        # A phone's window grows with what sticks out of it.
        seen = int(width / zoom)
        wide = await page.evaluate(f"Math.max(innerWidth, document.body.scrollWidth) > {seen}")
        assert not wide, f"{looks} is wider than the window"
        if "AXE_CORE" in os.environ:
            assert await axe_finds(page) == [], looks
    await page.call("Emulation.setEmulatedMedia", features=[])


async def both(page: Page, name: str) -> None:
    if os.environ.get("FORWARDER_SCREENSHOTS"):
        await views(page, name)
    await desktop(page, name)
    await look(page, f"dashboard-{name}-phone")


async def test_busy(desk: Desk) -> None:
    await busy(desk)
    await desk.page.until("document.querySelectorAll('.device.running').length >= 4")
    await desk.page.until("document.getElementById('asked').childElementCount === 1")
    if os.environ.get("FORWARDER_SCREENSHOTS"):
        await desk.pass_time(40)  # so that the sparklines have something to show
    await both(desk.page, "busy")


async def test_delay_signal_and_battery(desk: Desk) -> None:
    await busy(desk)
    await desk.page.until("Boolean(document.querySelector('.battery:not([hidden])'))")
    await desk.pass_time(2 if not os.environ.get("FORWARDER_SCREENSHOTS") else 40)
    await desk.page.evaluate(
        "document.querySelector('.battery:not([hidden])').closest('.device')"
        ".querySelector('.hops').click()"
    )
    await desk.page.until("document.querySelectorAll('#history .chart').length === 3")
    await both(desk.page, "history")


async def test_settings_and_test_drive(desk: Desk) -> None:
    await desk.page.click(".device .settings")
    await desk.page.click(".device:nth-child(2) .drive")
    await both(desk.page, "settings")


async def test_held(desk: Desk) -> None:
    """Everything is stopped, and an app is muted that is away."""
    await busy(desk)
    await desk.hub.ask("POST", "/apps/mute", {"name": "An older game", "by": "Dashboard"})
    await desk.page.until("document.querySelectorAll('.device.running').length >= 4")
    await desk.page.click("#stop")
    await desk.page.until("!document.getElementById('hold').hidden")
    await desk.page.until("document.getElementById('stop').innerText === 'Stop everything'")
    await desk.page.until("document.getElementById('client-list').innerText.includes('Muted by')")
    await both(desk.page, "held")
    # The way to stop and the way back are on the screen, whatever its size, and do not overlap.
    for width, height in ((1440, 900), (768, 1024), (390, 844), (360, 640)):
        await desk.page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        await desk.page.evaluate("new Promise(done => setTimeout(done, 150))")
        if folder := os.environ.get("FORWARDER_SCREENSHOTS"):
            await desk.page.screenshot(Path(folder, f"held-{width}.png"))
        places = await desk.page.evaluate(_PLACES)
        for name, (left, top, right, bottom) in places.items():
            assert 0 <= left < right <= width, name
            assert 0 <= top < bottom <= height, name
        (_, stop_top, _, _), (_, _, _, resume_bottom) = places["stop"], places["resume"]
        apart = resume_bottom <= stop_top or places["stop"][3] <= places["resume"][1]
        assert apart, f"Stop and Resume side by side at {width}: a finger takes the wrong one"


_PLACES = """Object.fromEntries(['stop', 'pause', 'resume'].map(id => {
    const box = document.getElementById(id).getBoundingClientRect();
    return [id, [box.left, box.top, box.right, box.bottom]];
}))"""


async def test_pairing(desk: Desk) -> None:
    await desk.page.click("#pair")
    await desk.page.until("document.getElementById('pairing').open")
    await desk.page.until("!document.getElementById('pairing-shut').hidden")
    await both(desk.page, "pairing-shut")
    await desk.page.click("input[value=localhost]")
    await desk.page.until("Boolean(document.querySelector('#qr svg path'))")
    await both(desk.page, "pairing")
    await desk.page.click("input[value=computer]")
    # What is above it stands still by then.
    await desk.page.until(
        "document.getElementById('comparing-state').innerText.includes('Waiting')"
    )
    await desk.page.click("#pairing-by-link summary")
    await desk.page.until("document.getElementById('pairing-link').value.includes('relay pair')")
    await both(desk.page, "pairing-computer")


async def test_nothing_connected(browser: Chromium, tmp_path: Path) -> None:
    async with running_hub(tmp_path, ()) as hub:
        page = await browser.page(hub.url + "/")
        await page.until("!document.getElementById('no-relays').hidden")
        await both(page, "empty")
        # The hub ends here.
    await page.until("document.getElementById('dot').className === 'bad'")
    await both(page, "hub-gone")
    await page.close()


async def test_a_question(desk: Desk) -> None:
    await desk.page.click(".device .settings")
    await desk.page.click(".device .deny")
    await both(desk.page, "sure")


async def test_everything_can_be_reached_by_keyboard(desk: Desk) -> None:
    """Tab goes through the page in its order, and what has the focus is shown."""
    reached = []
    for _ in range(70):
        for kind in ("keyDown", "keyUp"):
            await desk.page.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        name = await desk.page.evaluate(
            "document.activeElement.id || document.activeElement.className"
        )
        outlined = await desk.page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        assert outlined or name == "", name
        reached.append(name)
    wanted = ["skip", "scan", "pair", "stop", "stop-one", "drive quiet", "settings quiet", "log"]
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places)


# --- axe -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, from npm; kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "forwarder-tests"
    file = cache / "axe.min.js"
    if not file.exists():
        if shutil.which("npm") is None:
            missing("axe-core comes by npm, which is not installed")
        with tempfile.TemporaryDirectory() as folder:
            got = subprocess.run(
                ["npm", "pack", "axe-core@4", "--silent"],
                cwd=folder, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            if got.returncode != 0:
                missing("npm could not get axe-core: no network?")
            shutil.unpack_archive(next(Path(folder).glob("axe-core-*.tgz")), folder)
            cache.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(folder, "package", "axe.min.js"), file)
    return file.read_text(encoding="utf-8")


async def findings(page: Page, axe: str) -> list[str]:
    # Over DevTools, where the page's own policy does not apply.
    await page.evaluate(f"{axe}; true")
    found = await page.evaluate("axe.run().then(result => result.violations)", timeout=60)
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in SEVERE
    ]


@pytest.mark.parametrize("dark", [False, True])
async def test_axe_finds_nothing_serious(desk: Desk, axe: str, dark: bool) -> None:
    await busy(desk)
    page = desk.page
    await page.phone(dark=dark)
    await page.until("document.getElementById('asked').childElementCount === 1")
    assert await findings(page, axe) == []
    await page.click(".device .settings")
    await page.click(".device:nth-child(2) .drive")
    assert await findings(page, axe) == []
    await page.click("#pair")
    await page.until("document.getElementById('pairing').open")
    await page.click("input[value=localhost]")
    await page.until("Boolean(document.querySelector('#qr svg path'))")
    assert await findings(page, axe) == []
