"""A direct path in figures: a frame there and back by the genuine library, on loopback. The other
end is a process of its own, as for the meeting point."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from relay.link.direct.endpoint import DirectEndpoint, DirectMissing, dial_direct, require_library
from relay.link.direct.place import DirectPlace
from relay.link.errors import ChannelClosed
from tests.benchmarks.meet import FRAME, percentile
from tests.benchmarks.row import Row
from tests.system.processes import Program

RATE_HZ = 50


async def round_trips(place: DirectPlace, seconds: float) -> list[float]:
    """Milliseconds for a frame there and back."""
    times = []
    channel = await dial_direct(place)
    for number in range(int(seconds * RATE_HZ) + 10):
        sent = time.monotonic_ns()
        await channel.send(FRAME)
        await channel.receive()
        if number >= 10:  # the first ones pay for what is made once
            times.append((time.monotonic_ns() - sent) / 1e6)
        await asyncio.sleep(1 / RATE_HZ)
    await channel.close()
    return times


async def rows(seconds: float, folder: Path) -> list[Row]:
    try:
        require_library()
    except DirectMissing:
        return []
    echo = Program("tests.benchmarks.direct", [], folder, "echo-direct")
    await echo.start()
    try:
        await echo.until_said("iroh://")
        times = await round_trips(DirectPlace.parse(echo.text.split()[0]), seconds)
    finally:
        await echo.end()
    p50, p99 = statistics.median(times), percentile(times, 0.99)
    said = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
    return [Row("direct path, there and back", said, clock=True)]


async def _echo() -> None:
    endpoint = await DirectEndpoint.open(host="127.0.0.1")
    print(endpoint.place().url, flush=True)
    channel = await (await endpoint.next_visitor()).join()
    try:
        while True:
            await channel.send(await channel.receive())
    except ChannelClosed:
        await channel.close()


if __name__ == "__main__":
    asyncio.run(_echo())
