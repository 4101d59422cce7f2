"""How fast the page is. Not a test: figures for people, from this machine as it is now.

    python -m tests.web.measure             everything
    python -m tests.web.measure busy 10     only how a busy toy sees the page end, ten times each

Time from opening the page of a paired phone to the first byte at the toy, and the way hub → page →
toy for single commands, each over loopback and with a real browser's Bluetooth code. Then what the
toy sees when the page ends: at rest, and with a radio that is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from relay.link.messages import Output, Packet
from relay.radio.simulated.faults import WRITES, FaultPoint
from relay.radio.simulated.toy import Toy
from tests.doubles.chromium_bluez import PhoneRig, phone_rig
from tests.doubles.chromium_hub import PAGE

ROUNDS = 10
COMMANDS = 300
# A busy radio: a toy of two motors, two packets each so many seconds, so long a write.
BUSY_EVERY_S = 0.1
BUSY_WRITE_S = 0.03
TWO_STOPS = (b"Vibrate1:0;", b"Vibrate2:0;")


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
    rig.link.tell(Output(id, 1, (Packet(rig.tx, data, keys=(0,)),)))
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


@contextlib.asynccontextmanager
async def busy() -> AsyncIterator[PhoneRig]:
    """A rig whose toy gets 20 slow writes a second."""
    async with phone_rig("Lovense Edge") as rig:
        await rig.pair()
        await rig.connect(await rig.choose())
        await rig.link.arm(1, *(Packet(rig.tx, data) for data in TWO_STOPS))
        rig.toy.faults.latency_of.update(dict.fromkeys(WRITES, BUSY_WRITE_S))

        async def stream() -> None:
            for number in range(10_000):
                level = 5 + number % 10
                packets = tuple(
                    Packet(rig.tx, b"Vibrate%d:%d;" % (motor, level), keys=(motor,))
                    for motor in (1, 2)
                )
                rig.link.tell(Output(rig.link.id(), 1, packets))
                await asyncio.sleep(BUSY_EVERY_S)

        streaming = asyncio.create_task(stream())
        await asyncio.sleep(1)
        try:
            yield rig
        finally:
            streaming.cancel()


def state(toy: Toy) -> str:
    stopped = "stopped" if toy.at_rest else "RUNS"
    return f"{stopped}, {'still connected' if toy.connected else 'let go'}"


async def busy_ending(how: Callable[[PhoneRig], Awaitable[None]]) -> str:
    async with busy() as rig:
        mark, began = rig.mark, time.monotonic_ns()
        await how(rig)
        await asyncio.sleep(3)
        after = list(rig.toy.record)[mark:]
        stops = [entry for entry in after if entry.data in TWO_STOPS]
        gone = [entry for entry in after if entry.op is FaultPoint.DISCONNECT]
        times = [
            f"{word} {(entries[-1].t_ns - began) / 1e6:.0f} ms"
            for word, entries in (("last stop", stops), ("link ends", gone))
            if entries
        ]
        return f"{state(rig.toy)} ({len(stops)} stops{''.join(', ' + each for each in times)})"


async def measure_busy(rounds: int) -> None:
    for how in (stop_button, reloaded, closed, frozen, hidden, hub_silent):
        seen = [await busy_ending(how) for _ in range(rounds)]
        print(f"busy, {how.__name__.replace('_', ' ')}")
        for one in seen:
            print(f"    {one}")


async def main() -> None:
    if sys.argv[1:2] == ["busy"]:
        await measure_busy(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
        return
    async with phone_rig() as rig:
        await rig.drive()
        ways = [await command(rig, number) for number in range(COMMANDS)]
        print(f"hub → page → toy          {spread(ways)}")
        rounds = [await opening(rig) for _ in range(ROUNDS)]
        print(f"page opened → linked      {spread([one for one, _ in rounds])}")
        print(f"page opened → first byte  {spread([one for _, one in rounds])}")
    for how in ENDINGS:
        print(f"{how.__name__.replace('_', ' '):26}{await ending(how)}")
    await measure_busy(3)
    print(f"page weight               {weight(PAGE)} bytes")


def weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    asyncio.run(main())
