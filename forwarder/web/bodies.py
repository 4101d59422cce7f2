"""Bodies of requests: taken in as they were sent, within a time and a size."""

from __future__ import annotations

import asyncio

from aiohttp import web

from forwarder.errors import MessageError
from relay.link.tasks.groups import drop_frames


async def read_body(request: web.Request, most_bytes: int, within_s: float) -> bytes:
    """The request's body. Raises MessageError for one that is too large, too late, cut off, or
    packed: half a megabyte of gzip can stand for 500."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise MessageError("A body has to be sent as it is, without a Content-Encoding.")
    if request.content_length is not None and request.content_length > most_bytes:
        raise MessageError(f"A body has {most_bytes} bytes at most.")
    if request.content.at_eof():
        # There is none, or it was looked at before (forwarder.api.control): then aiohttp keeps it.
        return await request.read()
    chunks = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_any():
                chunks += chunk
                if len(chunks) > most_bytes:
                    raise MessageError(f"A body has {most_bytes} bytes at most.")
    except TimeoutError:
        raise MessageError("The body did not come in time.") from None
    except ConnectionError as error:
        drop_frames(error)  # the body keeps it
        raise MessageError("The connection ended before the body did.") from None
    return bytes(chunks)
