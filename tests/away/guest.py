"""A guest's browser in a network namespace: `python -m tests.away.guest LINK`. It takes the link,
drives the first slider, and stays until it is ended."""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.doubles.chromium import Chromium

_SLIDE = """(slide => { slide.value = 1; slide.dispatchEvent(new Event('input')); return true; })
    (document.querySelector('.slide'))"""


async def main(link: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # The meeting point's certificate is of the test's own making.
    async with Chromium(["--ignore-certificate-errors"]) as browser:
        page = await browser.page(link)
        await page.until("!document.getElementById('start').hidden", 20)
        print("loaded", flush=True)
        await page.click("#start")
        await page.until("Boolean(document.querySelector('.slide'))", 20)
        await page.evaluate(_SLIDE)
        print("driven", flush=True)
        await stop.wait()
    print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
