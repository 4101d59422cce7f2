"""The floor: a frame through as many processes and websockets as a command, and nothing else.

client → middle process → end process → middle → client. The end stamps each frame with the
monotonic clock as it arrives, as the trace of a relay does; text it sends back as it is.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time

import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType, web

STAMP = struct.Struct("<q")


async def _end(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            await ws.send_bytes(STAMP.pack(time.monotonic_ns()))
        elif message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


async def _pass(to: web.WebSocketResponse | ClientWebSocketResponse, message: WSMessage) -> None:
    if message.type is WSMsgType.TEXT:
        await to.send_str(message.data)
    else:
        await to.send_bytes(message.data)


def _middle(next_port: int) -> web.Application:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        async with (
            ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{next_port}/") as onward,
            asyncio.TaskGroup() as tasks,
        ):

            async def back() -> None:
                async for message in onward:
                    await _pass(ws, message)

            returning = tasks.create_task(back())
            async for message in ws:
                await _pass(onward, message)
            returning.cancel()
        return ws

    app = web.Application()
    app.router.add_get("/", serve)
    return app


def main() -> None:
    """`python -m tests.benchmarks.floor PORT [NEXT_PORT]`: the end, or the middle before it."""
    ports = [int(text) for text in sys.argv[1:]]
    if len(ports) == 2:
        app = _middle(ports[1])
    else:
        app = web.Application()
        app.router.add_get("/", _end)
    loop = uvloop.new_event_loop()  # as hub and relay
    web.run_app(app, host="127.0.0.1", port=ports[0], print=None, loop=loop)


if __name__ == "__main__":
    main()
