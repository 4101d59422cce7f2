"""What `make look` shows beside its tests: a house of many toys, every dialog, in one language.

    python -m tests.web.look_more en    pictures in FORWARDER_SCREENSHOTS, axe from AXE_CORE
    python -m tests.web.look_more de

Each state in all widths, colours and at 200 % (tests.web.test_dashboard_look). Whatever is wider
than its window, and what axe finds, is said in the end, and fails.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import running_hub
from tests.web.test_dashboard import SHOWN, Desk
from tests.web.test_dashboard_look import busy, views

TOYS = (
    "Lovense Edge", "Lovense Nora", "Vorze UFO SA", "Vorze Piston", "Lovense Hush", "Lovense Max",
    "Kiiroo Onyx 2", "We-Vibe Chorus", "Lovense Domi", "Lovense Lush",
)  # fmt: skip

LONGEST_S = 3600.0

_TOGETHER = """
const wanted = { 'all-pattern': { value: 'loop' }, 'all-strokes': { checked: true } };
for (const [id, changes] of Object.entries(wanted)) {
    const field = document.getElementById(id);
    Object.assign(field, changes);
    field.dispatchEvent(new Event('change'));
}
document.getElementById('together').scrollIntoView();
"""
_SHARE = """
document.getElementById('share-name').value = 'Marie';
document.querySelector('#share-form button.main').click();
"""


def _opened(button: str, after: str = "") -> str:
    close = "document.querySelectorAll('dialog[open]').forEach(one => one.close());"
    return f"{close} document.querySelector('{button}').click(); {after}"


# Name, what is done for it, and what is to be seen then.
STATES = (
    ("many", "", "document.querySelectorAll('.device.running').length >= 4"),
    ("many-open", "document.querySelector('.device .more').click();"
     " document.querySelectorAll('#seen, #known').forEach(one => { one.open = true; })", "true"),
    ("together", _TOGETHER, "!document.getElementById('all-loop').hidden"),
    ("setup", _opened("#setup-open"), "document.getElementById('setup').open"),
    ("setup-end",
     "document.querySelectorAll('#setup details').forEach(one => { one.open = true; });"
     " document.getElementById('setup').scrollTop = 1e6", "true"),
    ("share", _opened("#share"), "document.getElementById('sharing').open"),
    ("share-made", _SHARE, "!document.getElementById('sharing-made').hidden"),
    ("accept", _opened("#accept"), "document.getElementById('accepting').open"),
    ("doctor", _opened("#doctor-open"), "!document.getElementById('doctor-list').hidden"),
    ("play", _opened(".device .play"), "document.getElementById('play').open"),
    ("pairing-shut", _opened("#pair"), "!document.getElementById('pairing-shut').hidden"),
    ("log", _opened("#log", "document.getElementById('log').scrollIntoView()"), "true"),
    ("held", "document.getElementById('stop').click()",
     "!document.getElementById('hold').hidden"),
)  # fmt: skip


async def main(language: str) -> int:
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        async with Chromium([]) as browser, running_hub(Path(folder), TOYS) as hub:
            await hub.with_devices(len(TOYS))
            page = await browser.page("about:blank")
            agent = await page.evaluate("navigator.userAgent")
            await page.call(
                "Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language
            )
            await page.goto(hub.url + "/")
            await page.until(SHOWN)
            await page.until(f"document.querySelectorAll('.device h3').length === {len(TOYS)}", 30)
            assert await page.evaluate("document.documentElement.lang") == language
            desk = Desk(hub, page)
            await busy(desk)
            # An app that does not read is dropped, and its toys stop.
            reading = asyncio.create_task(desk.pass_time(LONGEST_S))
            for name, do, seen in STATES:
                await page.evaluate(f"(() => {{ {do} }})()")
                await page.until(seen, 30)
                try:
                    await views(page, f"{language}-{name}")
                except AssertionError as error:
                    faults.append(str(error))
            faults += page.errors
            reading.cancel()
            await asyncio.wait([reading])
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
