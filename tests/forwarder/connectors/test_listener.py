from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from forwarder.access.tls import own_certificate
from forwarder.connectors.bounds import KNOCKING, PeerOrigin
from forwarder.connectors.doors import Place
from forwarder.connectors.listener import SHOWS_TOKEN, Listener
from forwarder.connectors.websocket_server import WebSocketServer
from relay.link.websocket import dial
from tests.forwarder.connectors.serving import serving

Loop = Callable[[], asyncio.AbstractEventLoop]


def loops() -> list[Loop]:
    """The event loops a hub runs on."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return [asyncio.new_event_loop]
    return [asyncio.new_event_loop, new_event_loop]


def server_tls(folder: Path) -> ssl.SSLContext:
    return own_certificate(folder, ["localhost"], datetime.now(UTC)).server_context()


def descriptors() -> int:
    gc.collect()  # sockets of earlier tests
    return len(os.listdir("/proc/self/fd"))


async def connect(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@pytest.mark.parametrize("loop", loops())
def test_connections_that_never_finish_tls_cost_a_bounded_number_of_descriptors(
    loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        tls = server_tls(tmp_path)
        async with serving(WebSocketServer(port=0, tls=tls)) as address, AsyncExitStack() as stack:
            port = int(address.rpartition(":")[2])
            before = descriptors()
            for _ in range(300):
                stack.enter_context(await connect(port))
            async with asyncio.timeout(2):
                trusting = ssl.create_default_context()
                trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
                channel = await dial(f"wss://{address}", tls=trusting)
            # 300 are this end's own.
            assert descriptors() - before - 300 <= KNOCKING[PeerOrigin.HERE].most + 5
            await channel.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", loops())
def test_tls_that_is_not_finished_in_time_ends(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        server = WebSocketServer(port=0, tls=server_tls(tmp_path), tls_s=0.2)
        async with serving(server) as address:
            with await connect(int(address.rpartition(":")[2])) as sock:
                async with asyncio.timeout(2):
                    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", loops())
def test_the_end_of_the_listener_ends_connections_in_every_state(
    loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        for tls in (None, server_tls(tmp_path)):
            async with AsyncExitStack() as stack:
                server = WebSocketServer(port=0, tls=tls)
                address = await stack.enter_async_context(serving(server))
                sock = await connect(int(address.rpartition(":")[2]))
                await asyncio.sleep(0.05)
                async with asyncio.timeout(2):
                    await stack.aclose()
                    with sock:
                        assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", loops())
@pytest.mark.parametrize("safe", [False, True], ids=["tcp", "tls"])
def test_a_connection_that_said_nothing_leaves_nothing_for_the_collector(
    loop: Loop, safe: bool, tmp_path: Path
) -> None:
    async def main() -> int:
        tls = server_tls(tmp_path) if safe else None
        async with serving(WebSocketServer(port=0, tls=tls)) as address:
            gc.collect()
            for _ in range(5):
                (await connect(int(address.rpartition(":")[2]))).close()
            await asyncio.sleep(0.2)
            return sum(isinstance(each, Place) for each in gc.get_objects())

    if safe and loop is asyncio.new_event_loop:
        pytest.skip("asyncio's own TLS leaves a circle; a hub has uvloop's where there is one")
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(main()) == 0
    finally:
        gc.enable()


async def test_what_nobody_reads_of_a_request_is_not_read(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403)

    app = web.Application()
    app.router.add_post("/", refuse)
    listener = Listener(app, port=0)
    port = listener.bind()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(listener.run())
        await listener.ready.wait()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        sent, ended = 0, False
        async with asyncio.timeout(5):
            while not ended:
                writer.write(bytes(1 << 16))
                try:
                    await writer.drain()
                except ConnectionError:
                    ended = True
                sent += 1 << 16
        assert sent < 16 << 20  # what the sockets of both ends hold
        writer.close()
        running.cancel()


async def test_hundreds_of_requests_in_a_packet_hold_up_nobody() -> None:
    answered = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal answered
        answered += 1
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    listener = Listener(app, port=0)
    listener.bind()
    running = asyncio.create_task(listener.run())
    ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with AsyncExitStack() as stack:
        stack.callback(running.cancel)
        for _ in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            stack.callback(writer.close)
            writer.write(ask * 500)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        stack.callback(writer.close)
        before = answered
        writer.write(ask)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert answered - before < 100
    await asyncio.wait([running])


async def test_who_shows_a_token_waits_for_no_line_of_strangers_and_keeps_its_place() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    app[SHOWS_TOKEN] = lambda request: request.headers.get("Authorization") == "good"
    listener = Listener(app, port=0)
    listener.bind()
    running = asyncio.create_task(listener.run())
    ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    shown = ask[:-2] + b"Authorization: good\r\n\r\n"
    async with AsyncExitStack() as stack:
        stack.callback(running.cancel)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        stack.callback(writer.close)
        for number in range(3):
            writer.write(shown)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            while await reader.readline() != b"\r\n":
                pass
            # More than there are places for who only knocks.
            for _ in range(150 if number == 0 else 20):
                _, other = await asyncio.open_connection("127.0.0.1", listener.port)
                stack.callback(other.close)
                other.write(ask * 8)
        assert asked.count("good") == 3
    await asyncio.wait([running])
