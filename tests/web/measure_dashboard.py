"""What the dashboard costs in a browser. Not a test: figures for people, from this machine.

    python -m tests.web.measure_dashboard             50 toys, 20 values a second each, 10 s
    python -m tests.web.measure_dashboard 50 20 10    the same, said

A hub, an app that drives every toy so often, and the page in a real Chromium without a graphics
card. Counted is processor time, in percent of one core: of the page's own process, which is what
the page costs anywhere; and of the browser's others, of which most draws without a graphics card.
The browser's "TaskDuration" is no such thing: it is time by the clock, and so also that in which
the page waited for a processor that somebody else had.
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


async def used(browser: Chromium) -> dict[str, float]:
    """Seconds of processor time since the browser began, by kind of process."""
    told = await browser.call("SystemInfo.getProcessInfo", {})
    found: dict[str, float] = {}
    for one in told["processInfo"]:
        kind = str(one["type"])
        # Of the renderers only one has a page: the busiest.
        both = max if kind == "renderer" else float.__add__
        found[kind] = both(found.get(kind, 0.0), float(one["cpuTime"]))
    return found


async def scripts(page: Page) -> dict[str, float]:
    told = await page.call("Performance.getMetrics")
    return {str(one["name"]): float(one["value"]) for one in told["metrics"]}


# Of a core, for the page's own process: what a tablet has to spare beside a game.
MOST_PERCENT = 25.0
PARTS = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration", "TaskDuration")


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


async def measure(toys: int, rate: float, seconds: float) -> bool:
    """Whether the page keeps within MOST_PERCENT."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Chromium([]) as browser,
            running_hub(Path(folder), ()) as hub,
            relays(hub, toys),
        ):
            page = await browser.page(hub.url + "/")
            await page.phone(1440, 900)
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
            wall = after[0] - before[0]
            print(f"toys {toys}, values sent {sent / (SETTLE_S + seconds + 1):.0f}/s")
            for kind in sorted(after[1], key=lambda kind: kind != "renderer"):
                cpu = after[1][kind] - before[1].get(kind, 0.0)
                name = "the page's process" if kind == "renderer" else f"the browser's {kind}"
                print(f"{name:40} {100 * cpu / wall:5.1f} % of a core")
            for part in PARTS:
                took = after[2][part] - before[2][part]
                print(f"{part + ', by the clock':40} {100 * took / wall:5.1f} %")
            print(f"load average     {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            await page.close()
            percent = 100 * (after[1]["renderer"] - before[1]["renderer"]) / wall
            if percent > MOST_PERCENT:
                print(f"FAILED: more than {MOST_PERCENT:.0f} % of a core")
            return percent <= MOST_PERCENT


if __name__ == "__main__":
    said = [float(word) for word in sys.argv[1:]]
    kept = asyncio.run(measure(int(said[0]) if said else 50, *(said[1:] or (20.0, 10.0))))
    sys.exit(0 if kept else 1)
