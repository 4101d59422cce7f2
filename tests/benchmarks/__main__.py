"""`python -m tests.benchmarks [--seconds N]`: a table of figures beside their budgets and what the
last release had (released.json); `--json` keeps them with the commit."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

from forwarder.buttplug.messages import OutputType
from tests.benchmarks import devices, direct, installed, meet, path, start
from tests.benchmarks.floor import STAMP
from tests.benchmarks.pauses import without_gaps
from tests.benchmarks.process import load_average
from tests.benchmarks.row import Row, busy, commit, keep, lines, released, table
from tests.benchmarks.start import listens, resident_kib
from tests.system.processes import House, Program, free_ports, house, until

TOY = "Lovense Hush"
STEPS = 20
# The clients that fill a hub, and the toys they share.
CLIENTS, TOYS, WINDOW = 4, 8, 16
# Fewer than a hub has places for (forwarder.connectors.bounds).
IDLE_SOCKETS = 80


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> str:
    return f"p50 {statistics.median(values):.2f} ms, p99 {percentile(values, 0.99):.2f} ms"


class Client:
    """The fastest client there can be: it knows its answers before they come."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self._ws = ws
        self._id = 0

    async def ask(self, name: str, **fields: object) -> dict[str, object]:
        id = await self.send(name, **fields)
        while True:
            ((_, answer),) = json.loads(await self._ws.receive_str())[0].items()
            if answer["Id"] == id:
                return dict(answer)

    async def send(self, name: str, **fields: object) -> int:
        self._id += 1
        await self._ws.send_str(json.dumps([{name: {"Id": self._id, **fields}}]))
        return self._id

    async def receive(self) -> None:
        await self._ws.receive_str()

    async def vibrate(self, device: int, value: int) -> None:
        command = {OutputType.VIBRATE.value: {"Value": value}}
        await self.send("OutputCmd", DeviceIndex=device, FeatureIndex=0, Command=command)


@asynccontextmanager
async def connected(url: str, devices: int) -> AsyncIterator[Client]:
    async with ClientSession() as session, session.ws_connect(url) as ws:
        client = Client(ws)
        version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        await client.ask("RequestServerInfo", ClientName="bench", **version)
        await client.ask("StartScanning")
        while True:
            listed = await client.ask("RequestDeviceList")
            if len(listed["Devices"]) >= devices:  # type: ignore[arg-type]  # a JSON object
                break
            await asyncio.sleep(0.05)
        await client.ask("StopScanning")
        yield client


async def latency(home: House, rate_hz: float, seconds: float) -> list[float]:
    """Milliseconds from a client's send to the write at the radio, at a steady rate."""
    sent: list[int] = []
    before = len(home.trace.writes())
    async with connected(home.url, 1) as client:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(int(seconds * rate_hz)):
            await asyncio.sleep(max(0.0, start + number / rate_hz - loop.time()))
            sent.append(time.monotonic_ns())
            await client.vibrate(0, 1 + number % STEPS)
            await client.receive()
    writes = [line for line in home.trace.lines() if line.write][before:]
    # A 0 is the stop of a fresh connection.
    driven = (line for line in writes if line.data.startswith(b"Vibrate:"))
    arrived = [line.t_ns for line in driven if line.data != b"Vibrate:0;"]
    return [(t - s) / 1e6 for s, t in zip(sent, arrived, strict=False)]


async def floor(seconds: float, rate_hz: float, folder: Path) -> list[float]:
    """The same for a bare frame over the same hops."""
    end_port, middle_port = free_ports(2)
    end = Program("tests.benchmarks.floor", [str(end_port)], folder, "end")
    middle = Program("tests.benchmarks.floor", [str(middle_port), str(end_port)], folder, "middle")
    await end.start()
    await middle.start()
    times = []
    try:
        await until(lambda: listens(end_port) and listens(middle_port), "the floor listens")
        async with (
            ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{middle_port}/") as ws,
        ):
            for _ in range(int(seconds * rate_hz)):
                sent = time.monotonic_ns()
                await ws.send_bytes(b"x" * 120)
                (arrived,) = STAMP.unpack(await ws.receive_bytes())
                times.append((arrived - sent) / 1e6)
                await asyncio.sleep(1 / rate_hz)
    finally:
        await end.end()
        await middle.end()
    return times


async def throughput(home: House, seconds: float) -> float:
    """Commands per second that are answered Ok, with several clients on several toys."""
    answered = 0

    async def load(client: Client, devices: Sequence[int], until_s: float) -> None:
        nonlocal answered
        loop = asyncio.get_running_loop()
        number = 0
        for number in range(WINDOW):
            await client.vibrate(devices[number % len(devices)], 1 + number % STEPS)
        while loop.time() < until_s:
            await client.receive()
            answered += 1
            number += 1
            await client.vibrate(devices[number % len(devices)], 1 + number % STEPS)

    async with asyncio.TaskGroup() as tasks:
        end = asyncio.get_running_loop().time() + seconds
        per_client = TOYS // CLIENTS

        async def one(number: int) -> None:
            async with connected(home.url, TOYS) as client:
                devices = range(number * per_client, (number + 1) * per_client)
                await load(client, devices, end)

        for number in range(CLIENTS):
            tasks.create_task(one(number))
    return answered / seconds


async def stop_in_a_flood(home: House, rounds: int) -> list[float]:
    """Milliseconds from a stop to its write while its device gets 1,000 values a second."""
    times = []
    async with (
        connected(home.url, 1) as client,
        connected(home.url, 1) as stopper,
        asyncio.TaskGroup() as tasks,
    ):

        async def flood() -> None:
            number = 0
            while True:
                for _ in range(10):
                    number += 1
                    await client.vibrate(0, 1 + number % STEPS)
                    await client.receive()
                await asyncio.sleep(0.01)

        flooding = tasks.create_task(flood())
        for _ in range(rounds):
            await asyncio.sleep(0.1)
            sent = time.monotonic_ns()
            await stopper.ask("StopCmd", DeviceIndex=0)
            off = [line for line in home.trace.lines() if line.data == b"Vibrate:0;"]
            times.append((off[-1].t_ns - sent) / 1e6)
        flooding.cancel()
    return times


async def memory(home: House) -> float:
    """KiB of the hub for each idle client."""
    process = home.hub.process.pid
    await asyncio.sleep(1.0)
    idle = resident_kib(process)
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        sockets = [await session.ws_connect(home.url) for _ in range(IDLE_SOCKETS)]
        hello = '[{"RequestServerInfo":{"Id":1,"ClientName":"idle","MessageVersion":3}}]'
        for ws in sockets:
            await ws.send_str(hello)
            await ws.receive_str()
        await asyncio.sleep(0.5)
        loaded = resident_kib(process)
        for ws in sockets:
            await ws.close()
    return (loaded - idle) / IDLE_SOCKETS


async def measure(seconds: float, folder: Path) -> list[Row]:
    rows = await start.rows(folder)
    bare = await floor(seconds, 50, folder)
    rows.append(Row("floor: bare aiohttp over the same hops, 50/s", spread(bare), clock=True))

    one = folder / "one"
    without_gaps(one, TOY)
    async with house(one, TOY) as home:
        per_socket = await memory(home)
        steady = await latency(home, 50, seconds)
        what, wanted = "client frame in → radio write, 50/s", "p50 1 ms, p99 5 ms"
        rows.append(Row(what, spread(steady), wanted, clock=True))
        ratio = statistics.median(steady) / statistics.median(bare)
        rows.append(Row("  as a multiple of the floor (p50)", f"{ratio:.1f}", "1.6", clock=True))
        stops = await stop_in_a_flood(home, int(seconds * 5))
        rows.append(
            Row("stop during 1,000/s → radio write", spread(stops), "p99 50 ms", clock=True)
        )
    many = folder / "many"
    names = ",".join([TOY] * TOYS)
    without_gaps(many, names)
    async with house(many, names) as home:
        rate = await throughput(home, seconds)
        what = f"commands per second, {CLIENTS} clients, {TOYS} toys"
        rows.append(Row(what, f"{rate:,.0f}/s", "5,000/s", clock=True))
    rows.append(Row("memory per idle client", f"{per_socket:.1f} KiB", "20 KiB"))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each figure")
    parser.add_argument("--away", action="store_true", help="meeting point and direct path alone")
    parser.add_argument("--json", type=Path, help="where they are kept, with the commit")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/performance.md")
    options = parser.parse_args()
    load = load_average()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = [] if options.away else asyncio.run(measure(options.seconds, Path(folder)))
        rows += asyncio.run(meet.rows(options.seconds, Path(folder)))
        rows += asyncio.run(direct.rows(options.seconds, Path(folder)))
    if not options.away:
        rows += path.rows()
        rows += devices.rows()
        rows += installed.rows()
    release, before = released()
    print("\n".join(lines(rows, before)))
    print(f"\ncommit {commit()}; on the right: release {release}")
    if lost := busy(rows, load, load_average()):
        print(lost)
    if options.markdown:
        print("\n" + "\n".join(table(rows, before, release)))
    if options.json is not None:
        keep(options.json, rows, load)
    return 0


if __name__ == "__main__":
    sys.exit(main())
