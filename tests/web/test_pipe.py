"""The page dials all places of a hub, each with a head start over the next."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from tests.doubles.chromium import Page
from tests.system.processes import free_ports

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.asyncio(loop_scope="session"),
]

_DIAL = """
import('/relay/pipe.js').then(async ({ Dials }) => {
  const began = performance.now();
  const dials = new Dials(places);
  const heard = [];
  for await (const { place, pipe, error } of dials.answers()) {
    heard.push([place, error ? error.message : 'open', performance.now() - began]);
    if (pipe) { pipe.close(); break; }
  }
  dials.stop();
  return heard;
})
"""


async def test_a_place_that_swallows_packets_does_not_hold_up_the_next(modules: Page) -> None:
    mute, good, nobody = free_ports(3)

    async def upgrade(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        return ws

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    app = web.Application()
    app.router.add_get("/link", upgrade)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", good).start()
    silent = await asyncio.start_server(swallow, "127.0.0.1", mute)
    try:
        places = [f"ws://127.0.0.1:{port}/link" for port in (mute, nobody, good)]
        heard = await modules.evaluate(f"(places => {_DIAL})({json.dumps(places)})")
    finally:
        silent.close()
        await runner.cleanup()
    assert [(place, how) for place, how, _ in heard] == [
        (places[1], "unreachable"),
        (places[2], "open"),
    ]
    # Two head starts of a quarter of a second, not the five seconds of the silent one.
    assert 450 <= heard[-1][2] < 2500
