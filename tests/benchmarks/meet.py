"""A meeting point in figures: what it adds to a round trip, what an idle hub costs, what many pairs
see. Everything but the meeting point is in this process; the pairs' ends are as bare as can be.

Each socket says by X-Forwarded-For that it has an address of its own: the bounds per address are
not what is measured.
"""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import shutil
import statistics
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from forwarder.connectors.bounds import SETTLED, Bound, Purpose
from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds, SettleVisit
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed
from relay.link.security.meeting import (
    HUB_PATH,
    JOIN_PATH,
    VISIT_PATH,
    Registered,
    Registering,
    Visitor,
    hub_id,
)
from relay.link.security.noise import KeyPair
from tests.benchmarks.row import Row
from tests.benchmarks.start import listens, resident_kib
from tests.system.processes import Program, free_ports, until

FRAME = b"x" * 120
# What strangers say here (bytes), so that the hub knows them.
STRANGERS = 96
IDLE = 10_000
PAIRS, PAIR_HZ = 1_000, 20
# Of the pairs of one hub.
EACH = 50
# Each tells its own latency; the others are only load.
WATCHED = 50
_DESCRIPTORS = 2 * IDLE + 1_000


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> str:
    return f"p50 {statistics.median(values):.2f} ms, p99 {percentile(values, 0.99):.2f} ms"


class Bare(asyncio.Protocol):
    """A websocket client that says one frame again and again, and stamps what comes."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._answer = b""
        self._bytes = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.arrived: list[int] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self._bytes += len(data)
            while len(self.arrived) < self._bytes // (len(FRAME) + 2):
                self.arrived.append(time.monotonic_ns())
            return
        self._answer += data
        if b"\r\n\r\n" in self._answer:
            good = self._answer.startswith(b"HTTP/1.1 101")
            error = None if good else OSError(self._answer.decode(errors="replace"))
            self.opened.set_exception(error) if error else self.opened.set_result(None)

    def say(self) -> None:
        self.transport.write(_MASKED)


# RFC 6455, 5.2: binary, masked by zeros.
_MASKED = bytes([0x82, 0x80 | len(FRAME)]) + bytes(4) + FRAME


async def bare(port: int, path: str, number: int) -> Bare:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: {address(number)}\r\n\r\n"
    )
    _, made = await asyncio.get_running_loop().create_connection(
        lambda: Bare(head.encode()), "127.0.0.1", port
    )
    await made.opened
    return made


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


@asynccontextmanager
async def meeting_point(folder: Path, *more: str) -> AsyncIterator[tuple[Program, int]]:
    (port,) = free_ports(1)
    words = ["meet", "--host", "127.0.0.1", "--port", str(port), *more]
    program = Program("forwarder", words, folder, f"meet-{port}")
    await program.start()
    try:
        await program.until_said("Meeting point at")
        yield program, port
    finally:
        await program.end()


# --- the round trip ------------------------------------------------------------------------------


async def round_trips(url: str, seconds: float, rate_hz: float = 50) -> list[float]:
    """Milliseconds for a frame there and back."""
    times = []
    async with ClientSession() as session, session.ws_connect(url) as ws:
        for number in range(int(seconds * rate_hz) + 10):
            sent = time.monotonic_ns()
            await ws.send_bytes(FRAME)
            await ws.receive_bytes()
            if number >= 10:  # the first ones pay for what is made once
                times.append((time.monotonic_ns() - sent) / 1e6)
            await asyncio.sleep(1 / rate_hz)
    return times


async def bare_hops(seconds: float, folder: Path) -> list[float]:
    end_port, middle_port = free_ports(2)
    end = Program("tests.benchmarks.floor", [str(end_port)], folder, "echo")
    middle = Program(
        "tests.benchmarks.floor", [str(middle_port), str(end_port)], folder, "echo-middle"
    )
    await end.start()
    await middle.start()
    try:
        await until(lambda: listens(end_port) and listens(middle_port), "the floor listens")
        return await round_trips(f"ws://127.0.0.1:{middle_port}/", seconds)
    finally:
        await end.end()
        await middle.end()


async def by_meeting_point(seconds: float, folder: Path) -> list[float]:
    """The hub's end is a process of its own, as the end of the floor is."""
    async with meeting_point(folder) as (_, port):
        hub = Program("tests.benchmarks.meet", [str(port)], folder, "echo-hub")
        await hub.start()
        try:
            await hub.until_said("registered")
            id = hub_id(KeyPair(bytes(range(32))).public)
            return await round_trips(f"ws://127.0.0.1:{port}{VISIT_PATH}{id}", seconds)
        finally:
            await hub.end()


async def by_two_nodes(seconds: float, folder: Path) -> list[float] | None:
    """The hub at one node and the visitor at another; None where there is no nats-server."""
    server = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if server is None:
        return None
    (nats,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        server, "-a", "127.0.0.1", "-p", str(nats), stdout=DEVNULL, stderr=DEVNULL
    )
    joined = ("--nats", f"nats://127.0.0.1:{nats}")
    try:
        await until(lambda: listens(nats), "NATS listens")
        async with (
            meeting_point(folder, *joined) as (_, near),
            meeting_point(folder, *joined) as (_, far),
        ):
            hub = Program("tests.benchmarks.meet", [str(near)], folder, "echo-far")
            await hub.start()
            try:
                await hub.until_said("registered")
                await asyncio.sleep(0.5)  # until the other node can ask for it
                id = hub_id(KeyPair(bytes(range(32))).public)
                return await round_trips(f"ws://127.0.0.1:{far}{VISIT_PATH}{id}", seconds)
            finally:
                await hub.end()
    finally:
        process.kill()
        await process.wait()


async def _echo_hub(port: int, *, share: bool) -> None:
    """A hub that sends back what its visitors say; with `share`, those of one share too."""

    async def echo(channel: Channel) -> None:
        try:
            while True:
                await channel.send(await channel.receive())
        except ChannelClosed:
            return

    async def visited(channel: Channel, settle: SettleVisit) -> None:
        first = await channel.receive()
        if len(first) == STRANGERS:
            await channel.receive()  # who proves nothing is sent away in its time
        settle(secrets.token_bytes(8))
        await channel.send(first)
        await echo(channel)

    key = KeyPair(bytes(range(32)))
    ids = MeetingIds(key.public)
    if share:
        ids.add(bytes(16), lambda channel, _: echo(channel))
    doors = Doors(settled={**SETTLED, Purpose.MEETING: Bound(64, 64)})
    point = MeetingPoint(f"http://localhost:{port}", key, doors, ids=ids)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(point.run_visits(visited))
        await until(lambda: point.registered, "a registration")
        print("registered", flush=True)


# --- idle hubs -----------------------------------------------------------------------------------


async def registered(
    session: ClientSession, port: int, number: int
) -> tuple[ClientWebSocketResponse, Registering, KeyPair]:
    key = KeyPair.generate()
    registering = Registering(key, f"http://localhost:{port}")
    ws = await session.ws_connect(
        f"ws://127.0.0.1:{port}{HUB_PATH}",
        headers={"X-Forwarded-For": address(number)},
        autoping=True,
    )
    await ws.send_bytes(registering.start())
    await ws.send_bytes(registering.receive(await ws.receive_bytes()))
    assert registering.news(await ws.receive_bytes()) == Registered(hub_id(key.public))
    return ws, registering, key


async def idle_hubs(folder: Path, count: int = IDLE) -> float:
    """KiB of the meeting point for each hub that is registered and says nothing but pings."""
    async with (
        meeting_point(folder) as (program, port),
        ClientSession(connector=TCPConnector(limit=0)) as session,
    ):
        hubs = [(await registered(session, port, 0))[0]]
        await asyncio.sleep(1)
        before = resident_kib(program.process.pid)

        async def ping() -> None:
            while True:
                for number, ws in enumerate(tuple(hubs)):
                    await ws.ping()
                    if number % 100 == 99:
                        await asyncio.sleep(0.05)
                await asyncio.sleep(1)

        pinging = asyncio.ensure_future(ping())
        try:
            for first in range(1, count, 20):
                wave = range(first, min(first + 20, count))
                made = await asyncio.gather(*(registered(session, port, n) for n in wave))
                hubs += [ws for ws, _, _ in made]
            await asyncio.sleep(1)
            async with session.get(f"http://127.0.0.1:{port}/") as answer:
                text = await answer.text()
                assert f"Hubs here now: {count}." in text, text
            return (resident_kib(program.process.pid) - before) / (count - 1)
        finally:
            pinging.cancel()


# --- many pairs ----------------------------------------------------------------------------------


async def pairs(
    folder: Path, seconds: float, count: int = PAIRS
) -> tuple[list[float], float, float]:
    """Milliseconds of the watched pairs' frames, one way; what share of a core the meeting point
    took; and how many frames a second each pair said, which is less where this machine has no core
    for those who say them."""
    async with (
        meeting_point(folder) as (program, port),
        ClientSession(connector=TCPConnector(limit=0)) as session,
    ):
        visitors: list[Bare] = []
        ends: list[Bare] = []
        for first in range(0, count, EACH):
            ws, registering, key = await registered(session, port, 60_000 + first)
            for number in range(first, min(first + EACH, count)):
                visitors.append(await bare(port, VISIT_PATH + hub_id(key.public), number))
                news = await ws.receive()
                assert news.type is WSMsgType.BINARY
                visitor = registering.news(news.data)
                assert isinstance(visitor, Visitor)
                ends.append(await bare(port, JOIN_PATH + visitor.ticket, 60_000 + first))
        sent: list[list[int]] = [[] for _ in visitors]
        loop = asyncio.get_running_loop()
        before, begun = cpu_s(program.process.pid), loop.time()
        # One after the other over the whole of each period: nobody's toys beat in step.
        for turn in range(int(seconds * PAIR_HZ)):
            for number, one in enumerate(visitors):
                due = begun + (turn + number / count) / PAIR_HZ
                if number % 10 == 0:
                    await asyncio.sleep(max(0.0, due - loop.time()))
                if number < WATCHED:
                    sent[number].append(time.monotonic_ns())
                one.say()
        took = loop.time() - begun
        used = (cpu_s(program.process.pid) - before) / took
        await asyncio.sleep(2)
        return (
            [
                (there - here) / 1e6
                for here_each, end in zip(sent[:WATCHED], ends, strict=False)
                for here, there in zip(here_each, end.arrived, strict=False)
            ],
            used,
            int(seconds * PAIR_HZ) / took,
        )


def cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def rows(seconds: float, folder: Path) -> list[Row]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _DESCRIPTORS), hard))
    floor = await bare_hops(seconds, folder)
    met = await by_meeting_point(seconds, folder)
    far = await by_two_nodes(seconds, folder)
    ratio = statistics.median(met) / statistics.median(floor)
    times, used, rate = await pairs(folder, seconds)
    what = f"  {PAIRS:,} pairs at {rate:.0f} frames/s (of {PAIR_HZ}), one way"
    return [
        Row("meeting point: bare two-hop echo, there and back", spread(floor), clock=True),
        Row("  the same by a meeting point", spread(met), clock=True),
        Row("  as a multiple of that (p50)", f"{ratio:.2f}", "1.5", clock=True),
        *([] if far is None else [Row("  by two nodes and NATS", spread(far), clock=True)]),
        Row(what, spread(times), clock=True),
        Row("  of a core, meanwhile", f"{used:.0%}", "100%"),
        Row(f"  memory per idle hub, of {IDLE:,}", f"{await idle_hubs(folder):.1f} KiB", "25 KiB"),
    ]


if __name__ == "__main__":
    import sys

    asyncio.run(_echo_hub(int(sys.argv[1]), share=sys.argv[2:] == ["share"]))
