"""A bare listener: what the same load does to a machine without a hub.

`python -m tests.hostile.bare STATE PORT …`: takes whatever comes at each port, and reads it. The
third port speaks TLS.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from forwarder.access.tls import own_certificate


async def _take(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() == "websocket":
        ws = web.WebSocketResponse(max_msg_size=1 << 20)
        await ws.prepare(request)
        async for _ in ws:
            pass
        return ws
    async for _ in request.content.iter_any():
        pass
    return web.Response(status=204)


async def main(state: Path, ports: list[int]) -> None:
    tls = own_certificate(state, (), datetime.now(UTC)).server_context()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _take)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    for number, port in enumerate(ports):
        await web.TCPSite(
            runner, "127.0.0.1", port, ssl_context=tls if number == 2 else None
        ).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), list(map(int, sys.argv[2:]))))
