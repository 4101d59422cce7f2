"""A phone's page in a network namespace, with a toy by fake Bluetooth: `python -m tests.away.phone
URL`. It is paired by the page's address, lends the toy, and says when that moves and rests."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from tests.doubles.chromium_bluez import phone_rig

LOOK_S = 0.002


async def main(url: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with phone_rig() as rig:
        # The meeting point's certificate is of the test's own making.
        await rig.page.call("Security.setIgnoreCertificateErrors", ignore=True)
        await rig.page.goto(url)
        await rig.page.until("!document.getElementById('add').disabled", 20)
        await rig.page.click("#add")
        print("lent", flush=True)
        rests = True
        while not stop.is_set():
            if rig.toy.at_rest is not rests:
                rests = rig.toy.at_rest
                print("rests" if rests else "moves", time.monotonic_ns(), flush=True)
            await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
