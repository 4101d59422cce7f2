"""A meeting point, hubs at it and visitors, on real sockets in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds
from forwarder.connectors.websocket_client import Backoff
from forwarder.meet.bounds import DEFAULT, Bounds
from forwarder.meet.server import MeetingServer
from relay.link.bounds import CHANNEL_FRAME_BYTES
from relay.link.channel import Channel
from relay.link.security.noise import KeyPair
from relay.link.websocket import dial
from tests.system.processes import free_ports, until

QUICK = Backoff(0.02, 0.05)


@asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def meeting_server(
    port: int | None = None, bounds: Bounds = DEFAULT, **options: object
) -> AsyncIterator[MeetingServer]:
    port = port or free_ports(1)[0]
    server = MeetingServer(
        port=port, origin=f"http://localhost:{port}", hosts=("127.0.0.1",), bounds=bounds,
        **options,  # type: ignore[arg-type]  # each test gives what there is
    )  # fmt: skip
    server.bind()
    ready = asyncio.Event()
    async with running(server.run(ready.set)):
        await ready.wait()
        yield server


class House:
    """A hub's side: its visitors' channels arrive in `came`."""

    def __init__(self, server: MeetingServer, key: KeyPair | None = None) -> None:
        self.key = key or KeyPair.generate()
        self.doors = Doors()
        self.ids = MeetingIds(self.key.public)
        self.point = MeetingPoint(
            server.origin, self.key, self.doors, ids=self.ids, backoff=QUICK,
            frame_bytes=CHANNEL_FRAME_BYTES,
        )  # fmt: skip
        self.came: asyncio.Queue[Channel] = asyncio.Queue()
        self.over = asyncio.Event()

    async def run(self) -> None:
        await self.point.run(self._serve)

    async def _serve(self, channel: Channel) -> None:
        self.came.put_nowait(channel)
        await self.over.wait()

    async def registered(self) -> None:
        await until(lambda: self.point.registered, "a registration")

    async def visited(self) -> tuple[Channel, Channel]:
        """A visitor's channel, and the hub's end of it."""
        visitor = await dial(self.point.url, heartbeat_s=None)
        return visitor, await self.came.get()


@asynccontextmanager
async def house(server: MeetingServer, key: KeyPair | None = None) -> AsyncIterator[House]:
    hub = House(server, key)
    async with running(hub.run()):
        await hub.registered()
        yield hub
        hub.over.set()


@asynccontextmanager
async def by_meeting_point() -> AsyncIterator[tuple[Channel, Channel]]:
    """The hub's and the visitor's end of a channel that a meeting point joined; it slows nobody."""
    async with meeting_server(bounds=Bounds(bytes_s=1 << 30)) as server, house(server) as hub:
        visitor, there = await hub.visited()
        try:
            yield there, visitor
        finally:
            async with asyncio.TaskGroup() as group:
                group.create_task(visitor.close())
                group.create_task(there.close())
