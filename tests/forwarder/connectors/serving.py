"""A connector that runs while a test does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from forwarder.connectors.base import Handler
from forwarder.connectors.websocket_server import OnVisit, WebSocketServer
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed


async def echo(channel: Channel) -> None:
    """Send back whatever comes, until the channel closes."""
    while True:
        await channel.send(await channel.receive())


@asynccontextmanager
async def serving(
    server: WebSocketServer, handler: Handler = echo, *, visits: OnVisit | None = None
) -> AsyncIterator[str]:
    """Run `server`; gives its address on IPv4."""
    run = server.run_visits(visits) if visits else server.run(handler)
    running = asyncio.create_task(run)
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if running.done():
        running.result()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        running.cancel()
        await asyncio.wait([running])


async def closing(channel: Channel) -> ChannelClosed:
    """Receive until `channel` ends; returns how."""
    while True:
        try:
            await channel.receive()
        except ChannelClosed as closed:
            await channel.close()
            return closed
