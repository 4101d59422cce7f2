"""A phone's browser that cannot be a relay keeps the code, and says which one can."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import quote

import pytest

from forwarder.web.pages import RELAY
from tests.doubles.chromium import Chromium
from tests.doubles.chromium_hub import WebHub
from tests.needs import needs

_FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0"
_IPAD = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.4 Safari/605.1.15"
)
# Without Web Bluetooth, as that browser has none.
_WITHOUT = "delete Navigator.prototype.bluetooth;"
# As Chrome was before 133.
_WITHOUT_X25519 = (
    "const make = SubtleCrypto.prototype.generateKey;"
    "SubtleCrypto.prototype.generateKey = function (kind, ...more) {"
    " return kind.name === 'X25519' ? Promise.reject(new DOMException('', 'NotSupportedError'))"
    " : make.call(this, kind, ...more); };"
)
_TOUCH = "Object.defineProperty(Navigator.prototype, 'maxTouchPoints', { get: () => 5 });"


@pytest.mark.chromium
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("agent", "title", "first", "second"),
    [
        (_FIREFOX, "This browser has no Bluetooth for pages", "Open in Chrome", "Copy the link"),
        (_IPAD, "iPhones and iPads cannot do this", "Copy the link", ""),
    ],
)
async def test_the_code_is_kept_for_a_browser_that_can(
    browser: Chromium, agent: str, title: str, first: str, second: str
) -> None:
    async with WebHub() as hub:
        page = await browser.page("about:blank")
        try:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=_WITHOUT + _TOUCH)
            await page.call("Emulation.setUserAgentOverride", userAgent=agent)
            link = hub.pairing_page()
            await page.goto(link)
            for _ in range(2):
                await page.until("!document.getElementById('notice').hidden")
                shown = await page.evaluate(
                    "['notice-title', 'notice-action', 'notice-other']"
                    ".map(id => document.getElementById(id).innerText)"
                )
                assert shown == [title, first, second]
                assert await page.evaluate("location.href") == link
                # Also when it is loaded again.
                await page.evaluate("location.reload()")
                await page.until("document.readyState === 'complete'")
            assert not hub.relays
        finally:
            await page.close()


@pytest.mark.chromium
@pytest.mark.asyncio(loop_scope="session")
async def test_a_browser_that_is_too_old_is_told_which_one_it_takes(browser: Chromium) -> None:
    async with WebHub() as hub:
        page = await browser.page("about:blank")
        try:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=_WITHOUT_X25519)
            await page.goto(hub.url())
            await page.until("!document.getElementById('notice').hidden")
            said = await page.evaluate("document.getElementById('notice').innerText")
            assert "133" in said
            assert not hub.relays
        finally:
            await page.close()


def test_where_chrome_is_opened_and_who_is_an_ipad() -> None:
    script = """
      const { inChrome, isApple } = await import(process.argv[1]);
      console.log(JSON.stringify([
        inChrome('https://hub:12347/relay/?h=a#SECRET', 'Android 14'),
        inChrome('https://hub:12347/relay/#SECRET', 'iPhone'), inChrome('bpforward://x', 'Android'),
        isApple('iPhone'), isApple('Macintosh', 5), isApple('Macintosh', 0), isApple('Android', 5),
      ]));
    """
    done = subprocess.run(
        [
            needs("node", "nodejs"), "--input-type=module",
            "-e", script, f"data:text/javascript,{quote((RELAY / 'elsewhere.js').read_text())}",
        ],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "intent://hub:12347/relay/?h=a#SECRET#Intent;scheme=https;package=com.android.chrome;end",
        None, None, True, True, False, False,
    ]  # fmt: skip
