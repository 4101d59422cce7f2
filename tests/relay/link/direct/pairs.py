"""Both ends of a direct path on loopback, by the genuine library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.link.direct.channel import DirectChannel
from relay.link.direct.endpoint import DirectEndpoint, DirectMissing, dial_direct
from tests.needs import missing


@asynccontextmanager
async def listening(secret: bytes | None = None) -> AsyncIterator[DirectEndpoint]:
    """An endpoint on loopback. Skips the test where the library is not there."""
    try:
        endpoint = await DirectEndpoint.open(secret=secret, host="127.0.0.1")
    except DirectMissing:
        missing("iroh is not installed")
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def by_direct_path() -> AsyncIterator[tuple[DirectChannel, DirectChannel]]:
    """The hub's end and the relay's."""
    async with listening() as endpoint, asyncio.timeout(20):

        async def dial() -> DirectChannel:
            channel = await dial_direct(endpoint.place())
            # QUIC shows a stream once something comes over it.
            await channel.send(b"first")
            return channel

        dialing = asyncio.ensure_future(dial())
        visitor = await endpoint.next_visitor()
        joined = await visitor.join()
        dialed = await dialing
        assert await joined.receive() == b"first"
        try:
            yield joined, dialed
        finally:
            await asyncio.gather(joined.close(), dialed.close())
