"""A body comes whole, in time and unpacked, or it is refused in words."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from forwarder.errors import MessageError
from forwarder.web.bodies import read_body

MOST = 100


class Reader:
    """A server that tells what it read, or why not."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.found: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.app = web.Application()
        self.app.router.add_post("/", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        self.began.set()
        try:
            self.found.put_nowait(await read_body(request, MOST, 0.1))
        except MessageError as error:
            self.found.put_nowait(str(error))
        return web.Response()


@pytest.mark.parametrize(
    ("headers", "sent", "ends", "wanted"),
    [
        (b"Content-Length: 5", b"whole", False, b"whole"),
        (b"Content-Length: 0", b"", False, b""),
        (b"Content-Length: 50", b"a part", False, "did not come in time"),
        (b"Content-Length: 50", b"a part", True, "ended before the body did"),
        (b"Content-Length: 101", b"", False, "100 bytes at most"),
        (b"Transfer-Encoding: chunked", b"65\r\n" + b"x" * 101 + b"\r\n", False, "100 bytes"),
        (b"Content-Length: 5\r\nContent-Encoding: gzip", b"small", False, "as it is"),
    ],
)
async def test_a_body_is_read_or_refused_in_words(
    headers: bytes, sent: bytes, ends: bool, wanted: bytes | str
) -> None:
    reader = Reader()
    # As the hub's own ports: whoever closes cancels nothing.
    runner = web.AppRunner(reader.app, handler_cancellation=False, lingering_time=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with asyncio.timeout(5):
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\n" + headers + b"\r\n\r\n" + sent)
        if ends:
            await reader.began.wait()
            writer.close()
        got = await reader.found.get()
        writer.close()
    await runner.cleanup()
    assert wanted == got if isinstance(wanted, bytes) else wanted in str(got)
