"""How fast the page is. Not a test: figures for people, from this machine as it is now.

    python -m tests.web.measure

Time from opening the page of a paired phone to the first byte at the toy, and the way hub → page →
toy for single commands, each over loopback and with a real browser's Bluetooth code.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from relay.link.messages import Output, Packet
from tests.doubles.chromium_bluez import PhoneRig, phone_rig
from tests.doubles.chromium_hub import PAGE

ROUNDS = 10
COMMANDS = 300


def spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[int(len(ordered) * 0.95)]
    return (
        f"median {statistics.median(ordered) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms,"
        f" worst {ordered[-1] * 1000:.1f} ms of {len(ordered)}"
    )


async def arrival(rig: PhoneRig, data: bytes) -> None:
    """Return when the toy has `data`."""
    seen = asyncio.get_running_loop().create_future()

    def look(operation: object) -> None:
        if getattr(operation, "data", b"") == data and not seen.done():
            seen.set_result(None)

    unwatch = rig.toy.watch(look)
    try:
        await asyncio.wait_for(seen, 5)
    finally:
        unwatch()


async def command(rig: PhoneRig, number: int) -> float:
    data = b"Vibrate:%d;" % (1 + number % 19)
    arrives = asyncio.ensure_future(arrival(rig, data))
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    id = rig.link.id()
    rig.link.tell(Output(id, 1, (Packet(rig.tx, data, k=(0,)),)))
    await arrives
    took = time.perf_counter() - began
    await rig.link.reply(id)
    return took


async def opening(rig: PhoneRig) -> tuple[float, float]:
    """Seconds from navigation to Hello, and to the first byte; the toy is chosen at once."""
    began = time.perf_counter()
    await rig.page.call("Page.navigate", url=rig.hub.url())
    await rig.meet()
    linked = time.perf_counter() - began
    address = await rig.choose()
    chosen = time.perf_counter()
    await rig.connect(address)
    await rig.set_level(0.5)
    return linked, linked + time.perf_counter() - chosen


async def hub_silent(rig: PhoneRig) -> None:
    rig.link.beating = False


async def hub_gone(rig: PhoneRig) -> None:
    await rig.hub.stop()


async def stop_button(rig: PhoneRig) -> None:
    await rig.page.click("#stop")


async def hidden(rig: PhoneRig) -> None:
    await rig.hide()


async def hidden_and_hub_silent(rig: PhoneRig) -> None:
    await rig.tap_in("#settings", "#leave-stops")
    await rig.hide()
    rig.link.beating = False


async def frozen(rig: PhoneRig) -> None:
    await rig.page.call("Page.setWebLifecycleState", state="frozen")


async def reloaded(rig: PhoneRig) -> None:
    await rig.page.call("Page.reload")


async def closed(rig: PhoneRig) -> None:
    await rig.browser.page()
    await rig.page.close()


async def browser_closed(rig: PhoneRig) -> None:
    await rig.browser.root.call("Browser.close")


async def crashed(rig: PhoneRig) -> None:
    await rig.crash()


ENDINGS = (
    stop_button,
    hub_silent,
    hub_gone,
    hidden,
    hidden_and_hub_silent,
    frozen,
    reloaded,
    closed,
    browser_closed,
    crashed,
)


async def ending(how: Callable[[PhoneRig], Awaitable[None]]) -> str:
    """What a running toy sees when this happens, and after how long."""
    async with phone_rig() as rig:
        await rig.drive()
        mark, began = rig.mark, time.monotonic_ns()
        await how(rig)
        await asyncio.sleep(3)
        seen = [
            f"{entry.data.decode() or entry.op.value} after {(entry.t_ns - began) / 1e6:.0f} ms"
            for entry in list(rig.toy.record)[mark:]
        ]
        return f"{', '.join(seen) or 'nothing in 3 s'}; at rest: {rig.toy.at_rest}"


async def main() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        ways = [await command(rig, number) for number in range(COMMANDS)]
        print(f"hub → page → toy          {spread(ways)}")
        rounds = [await opening(rig) for _ in range(ROUNDS)]
        print(f"page opened → linked      {spread([one for one, _ in rounds])}")
        print(f"page opened → first byte  {spread([one for _, one in rounds])}")
    for how in ENDINGS:
        print(f"{how.__name__.replace('_', ' '):26}{await ending(how)}")
    print(f"page weight               {weight(PAGE)} bytes")


def weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    asyncio.run(main())
