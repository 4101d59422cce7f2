"""A bare listener: what the same load does to a machine without a hub.

`python -m tests.hostile.bare STATE PORT …`: at each port it does what a server cannot do without,
and has no bounds: it answers requests, with no, and does not read their bodies; it opens
websockets, and reads and answers each message. The third port speaks TLS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import WSMsgType, web

from forwarder.access.tls import own_certificate
from relay.link.tasks.event_loop import new_event_loop

_OK = json.dumps([{"Ok": {"Id": 1}}])


async def _take(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() == "websocket":
        ws = web.WebSocketResponse(max_msg_size=(1 << 20) + 1, compress=False)
        try:
            await ws.prepare(request)
        except ConnectionError:
            return ws  # it has gone again
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                with suppress(ValueError, RecursionError):
                    json.loads(message.data)
                await ws.send_str(_OK)
            elif message.type is WSMsgType.BINARY:
                with suppress(msgspec.MsgspecError):
                    msgspec.msgpack.decode(message.data)
        return ws
    if request.method == "GET":
        return web.Response(body=bytes(5000))
    return web.Response(status=403, text="no")


async def main(state: Path, ports: list[int]) -> None:
    tls = own_certificate(state, (), datetime.now(UTC)).server_context()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _take)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, lingering_time=0.0)
    await runner.setup()
    for number, port in enumerate(ports):
        await web.TCPSite(
            runner, "127.0.0.1", port, ssl_context=tls if number == 2 else None, backlog=1024
        ).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as _runner:
        _runner.run(main(Path(sys.argv[1]), list(map(int, sys.argv[2:]))))
