"""What the dashboard costs in a browser. Not a test: figures for people, from this machine.

    python -m tests.web.measure_dashboard             50 toys, 20 values a second each, 10 s
    python -m tests.web.measure_dashboard 50 20 10    the same, said

A hub, an app that drives every toy so often, and the page in a real Chromium without a graphics
card. Counted is the processor time of the page's own process, as the browser says it, in percent
of one core; and of its main thread alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from forwarder.buttplug.messages import OutputType
from tests.benchmarks.swarm import key_of
from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until
from tests.web.test_dashboard import Desk

PER_RELAY = 10
STEPS = 20
# Until scanning, opening and the first drawing are over.
SETTLE_S = 3.0


async def busy(desk: Desk, rate: float, ends: float) -> int:
    """Drive every toy `rate` times a second, until `ends`; returns how many values were sent."""
    clock = asyncio.get_running_loop().time
    sent, due = 0, clock()
    (app,) = desk.apps
    while clock() < ends:
        for index in sorted(desk.hub.app.hub.devices):
            sent += 1
            command = {"Id": 10 + sent, "DeviceIndex": index, "FeatureIndex": 0}
            value = {"Value": 1 + sent % STEPS}
            await app.send_json(
                [{"OutputCmd": {**command, "Command": {OutputType.VIBRATE.value: value}}}]
            )
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - clock()))
    return sent


async def used(browser: Chromium) -> float:
    """Seconds of processor time of the busiest renderer, since it began."""
    told = await browser.call("SystemInfo.getProcessInfo", {})
    return max(float(one["cpuTime"]) for one in told["processInfo"] if one["type"] == "renderer")


async def scripts(page: Page) -> float:
    told = await page.call("Performance.getMetrics")
    return float(next(one["value"] for one in told["metrics"] if one["name"] == "TaskDuration"))


@asynccontextmanager
async def relays(hub: RunningHub, toys: int) -> AsyncIterator[None]:
    """Enough paired relays, in a process of their own, for so many toys."""
    count = -(-toys // PER_RELAY)
    for number in range(count):
        hub.app.trust.book.add(key_of(number).public, f"Room {number}")
    port = hub.url.rpartition(":")[2]
    key = hub.app.trust.key.public.hex()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.swarm", port, key, "0", str(count),
        str(PER_RELAY), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await hub.ask("POST", "/scan", {"for_s": 30})
        await until(lambda: len(hub.app.hub.devices) >= toys, f"{toys} devices")
        await hub.ask("DELETE", "/scan")
        yield
    finally:
        process.terminate()
        await process.wait()


async def measure(toys: int, rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Chromium([]) as browser,
            running_hub(Path(folder), ()) as hub,
            relays(hub, toys),
        ):
            page = await browser.page(hub.url + "/")
            await page.until(f"document.querySelectorAll('.device h3').length === {toys}", 30)
            desk = Desk(hub, page)
            await desk.with_app(outputs=())
            await page.call("Performance.enable")
            async with asyncio.TaskGroup() as tasks:
                clock = asyncio.get_running_loop().time
                begin = clock() + SETTLE_S
                driving = tasks.create_task(busy(desk, rate, begin + seconds + 1))
                reading = tasks.create_task(desk.pass_time(SETTLE_S + seconds + 2))
                await asyncio.sleep(SETTLE_S)
                before = time.monotonic(), await used(browser), await scripts(page)
                await asyncio.sleep(seconds)
                after = time.monotonic(), await used(browser), await scripts(page)
                sent = await driving
                await reading
            wall, cpu, main = (b - a for a, b in zip(before, after, strict=True))
            print(f"toys {toys}, values sent {sent / (SETTLE_S + seconds + 1):.0f}/s")
            print(f"page's process   {100 * cpu / wall:5.1f} % of a core")
            print(f"its tasks, by the clock {100 * main / wall:5.1f} % of a core")
            print(f"load average     {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            await page.close()


if __name__ == "__main__":
    said = [float(word) for word in sys.argv[1:]]
    asyncio.run(measure(int(said[0]) if said else 50, *(said[1:] or (20.0, 10.0))))
