"""Connected channels of every kind, for the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import web

from relay.link.bounds import CHANNEL_FRAME_BYTES
from relay.link.channel import Channel, channel_pair
from relay.link.security.handshake import RefusalCode
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_hub, secure_as_relay
from relay.link.websocket import WebSocketChannel, dial

Ends = tuple[Channel, Channel]
Maker = Callable[[], AbstractAsyncContextManager[Ends]]


@asynccontextmanager
async def memory() -> AsyncIterator[Ends]:
    yield channel_pair(bound=16)


@asynccontextmanager
async def websocket(
    *,
    send_s: float = 10.0,
    heartbeat_s: float | None = None,
    max_frame_bytes: int = CHANNEL_FRAME_BYTES,
) -> AsyncIterator[tuple[WebSocketChannel, WebSocketChannel]]:
    """The listening end and the dialing end of a websocket on loopback."""
    accepted: asyncio.Queue[WebSocketChannel] = asyncio.Queue()
    done = asyncio.Event()

    async def upgrade(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(
            autoping=False,
            compress=False,
            timeout=1.0,
            max_msg_size=max_frame_bytes,
            heartbeat=heartbeat_s,
        )
        await ws.prepare(request)
        assert request.transport is not None
        accepted.put_nowait(WebSocketChannel(ws, request.transport, peer="dialer", send_s=send_s))
        await done.wait()
        return ws

    app = web.Application()
    app.router.add_get("/", upgrade)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    dialed = await dial(
        f"ws://{host}:{port}/", heartbeat_s=heartbeat_s, max_frame_bytes=max_frame_bytes
    )
    listened = await accepted.get()
    try:
        yield listened, dialed
    finally:
        # Each end's close waits for the other's.
        async with asyncio.TaskGroup() as group:
            group.create_task(dialed.close())
            group.create_task(listened.close())
        done.set()
        await runner.cleanup()


class KnowsOne:
    """A hub's trust with one relay in it."""

    hub_name = "hub"

    def __init__(self, key: KeyPair, relay: bytes) -> None:
        self.key = key
        self._relay = relay

    def known(self, relay_key: bytes) -> str | None:
        return "relay" if relay_key == self._relay else None

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        raise NotImplementedError

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        raise NotImplementedError


def secured(make: Maker) -> Maker:
    """The relay's and the hub's end of an encrypted channel inside a channel of `make`."""

    @asynccontextmanager
    async def ends() -> AsyncIterator[Ends]:
        hub, relay = KeyPair.generate(), KeyPair.generate()
        async with make() as (one, other), asyncio.TaskGroup() as group:
            trust = KnowsOne(hub, relay.public)
            there = group.create_task(secure_as_hub(other, trust))
            here, _ = await secure_as_relay(one, relay, hub_key=hub.public)
            yield here, (await there)[0]

    return ends


def reversed_ends(make: Maker) -> Maker:
    @asynccontextmanager
    async def swapped() -> AsyncIterator[Ends]:
        async with make() as (one, other):
            yield other, one

    return swapped
