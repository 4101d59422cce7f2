"""`make workarounds`: each quirk of a library that we work round is still there.

One that fails says good news: what docs/workarounds.md names beside it can go. They are no part of
the suite, for a library's next release must not fail anybody's change.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import sys
import weakref

import aiohttp
import bleak
import msgspec
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

uvloop = pytest.importorskip("uvloop")


def test_uvloop_a_timer_that_is_due_does_not_know_its_time() -> None:
    async def due() -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        return loop.call_at(loop.time() - 1, print)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert not hasattr(runner.run(due()), "when")


def test_uvloop_transports_are_of_no_class_of_asyncio() -> None:
    async def transport() -> object:
        here, there = socket.socketpair()
        made, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=here)
        there.close()
        made.abort()
        return made

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert not isinstance(runner.run(transport()), asyncio.Transport)


def test_aiohttp_all_who_wait_for_room_await_one_future() -> None:
    source = inspect.getsource(BaseProtocol._drain_helper)
    assert "self._drain_waiter" in source
    assert "shield" in source or "await waiter" in source


def test_aiohttp_a_clients_websocket_does_not_show_its_transport() -> None:
    assert not hasattr(aiohttp.ClientWebSocketResponse, "transport")


def test_aiohttp_a_websocket_that_is_dialed_follows_redirects() -> None:
    parameters = inspect.signature(aiohttp.ClientSession._ws_connect).parameters
    assert not any("redirect" in name for name in parameters)


def test_aiohttp_what_came_before_a_websocket_was_open_is_read_in_one_go() -> None:
    source = inspect.getsource(RequestHandler.set_parser)
    assert "feed_data(self._message_tail)" in source
    assert "self._upgraded" in inspect.getsource(RequestHandler.data_received)


async def test_aiohttp_leaves_circles_behind_each_websocket() -> None:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for _ in ws:
            pass
        return ws

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    gc.collect()
    gc.disable()
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(20):
                async with session.ws_connect(f"http://{host}:{port}/"):
                    pass
        await asyncio.sleep(0.1)
        assert gc.collect() > 20
    finally:
        gc.enable()
        await runner.cleanup()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="mended in Python 3.13")
async def test_asyncio_the_error_of_a_group_is_in_a_circle() -> None:
    class Kept:
        pass

    async def fail(kept: Kept) -> None:
        raise ValueError(kept)

    async def scene() -> weakref.ref[Kept]:
        kept = Kept()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail(kept))
        except* ValueError:
            pass
        return weakref.ref(kept)

    gc.disable()
    try:
        assert (await asyncio.create_task(scene()))() is not None
    finally:
        gc.enable()


def test_msgspec_was_tried_up_to_this_release_only() -> None:
    """A union of an array with a Literal corrupts memory, so it cannot be asked for: try it in a
    process of its own."""
    assert tuple(map(int, msgspec.__version__.split(".")[:2])) <= (0, 22)


@pytest.mark.skipif(not hasattr(bleak.BleakScanner, "start"), reason="another bleak")
def test_bleak_a_scan_whose_start_was_cancelled_is_not_stopped_by_it() -> None:
    backend = pytest.importorskip("bleak.backends.bluezdbus.scanner")
    source = inspect.getsource(backend.BleakScannerBlueZDBus.start)
    assert "except" not in source
    assert "finally" not in source


def test_no_library_tells_the_interval_of_a_connection() -> None:
    messages = pytest.importorskip("aioesphomeapi.api_pb2")
    told = [each.name for each in messages.BluetoothDeviceConnectionResponse.DESCRIPTOR.fields]
    assert "mtu" in told
    told += [*dir(bleak.BleakClient), *dir(bleak.backends.client.BaseBleakClient)]
    assert "mtu_size" in told
    assert not [name for name in told if "interval" in name or "parameters" in name]
