"""Peers that have not proven anything."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl

import aiohttp

from tests.hostile.pace import HOST, Peer, Target, crowd


async def _read(ws: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in ws:
        pass


async def gzip_bombs(target: Target) -> None:
    """Row 1: half a megabyte that stands for 500."""
    body = gzip.compress(bytes(10 << 20), 9) * 50  # members of one file

    async def post(peer: Peer) -> None:
        _, writer = await asyncio.open_connection(HOST, target.link)
        writer.write(
            b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    await crowd(target, post)


async def bodies(target: Target) -> None:
    """The same at every route that reads one: in pieces, too long, without an end."""
    paths = ("stop", "pause", "tokens", "pairing", "page", "scan", "devices/0/outputs", "nothing")
    heads = (b"Transfer-Encoding: chunked", b"Content-Length: 99999999", b"Content-Length: 65536",
             b"Content-Encoding: deflate\r\nContent-Length: 65536")  # fmt: skip

    async def post(peer: Peer) -> None:
        number = target.acts
        _, writer = await asyncio.open_connection(HOST, target.link)
        try:
            writer.write(
                b"POST /api/v1/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"%b\r\n\r\n" % (paths[number % len(paths)].encode(), heads[number % len(heads)])
            )
            for _ in range(16):
                writer.write(b"1000\r\n" + b"[" * 4096 + b"\r\n")
                await writer.drain()
                await peer.turn()
        finally:
            writer.close()

    await crowd(target, post)


async def unfinished_tls(target: Target) -> None:
    """Row 2: connections that never finish the handshake; half begin it."""

    async def knock(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection(HOST, target.https)
        try:
            if target.acts % 2:
                writer.write(
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
                )  # a ClientHello begins
            await peer.hold(reader.read(1))
        finally:
            writer.close()

    await crowd(target, knock)


async def tls_handshakes(target: Target) -> None:
    """Handshakes that are finished, as many as there can be."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    async def shake(peer: Peer) -> None:
        _, writer = await asyncio.open_connection(HOST, target.https, ssl=tls)
        writer.close()
        await writer.wait_closed()

    await crowd(target, shake)


async def slow_requests(target: Target) -> None:
    """A byte each time: headers that never end."""

    async def drip(peer: Peer) -> None:
        _, writer = await asyncio.open_connection(HOST, target.link)
        try:
            for byte in b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 4000:
                writer.write(bytes([byte]))
                await writer.drain()
                await peer.turn()
        finally:
            writer.close()

    await crowd(target, drip)


async def event_sockets(target: Target) -> None:
    """Row 3: all places of one kind."""

    async def listen(peer: Peer) -> None:
        url = f"ws://{HOST}:{target.link}/api/v1/events"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.send_str(json.dumps({"t": "hello"}))
            await peer.hold(_read(ws))

    await crowd(target, listen)


async def link_sockets(target: Target) -> None:
    """The same at the door of relays, and half a handshake."""

    async def knock(peer: Peer) -> None:
        url = f"ws://{HOST}:{target.link}/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.send_bytes(bytes([1]) * 96)
            await peer.hold(_read(ws))

    await crowd(target, knock)


async def pages(target: Target) -> None:
    """Row 10: pages that have this machine's browser ask, for images and for a token."""
    url = f"http://{HOST}:{target.link}"
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def look(peer: Peer) -> None:
            number = target.acts
            if number % 2:
                async with session.get(f"{url}/?{number}", headers=evil) as response:
                    await response.read()
            else:
                # A program of this machine may say what it likes.
                headers = evil if number % 4 else {"Origin": url}
                async with session.post(f"{url}/api/v1/page", headers=headers) as response:
                    await response.read()

        await crowd(target, look)


async def tokens(target: Target) -> None:
    """Tokens that there are not, wherever one may be given, and bytes that are none."""

    async def guess(peer: Peer) -> None:
        number = target.acts
        places = (
            f"GET /api/v1/devices HTTP/1.1\r\nAuthorization: Bearer bpft_{number}".encode(),
            b"GET /api/v1/devices HTTP/1.1\r\nAuthorization: Bearer \xff\xfe",
            f"GET /api/v1/devices?token=bpfa_{number} HTTP/1.1".encode(),
            f"GET /bpft_{number} HTTP/1.1\r\nUpgrade: websocket".encode(),
            f"GET /token/{number} HTTP/1.1\r\nUpgrade: websocket".encode(),
            b"GET /link HTTP/1.1\r\nUpgrade: websocket\r\nAuthorization: Basic \xff",
        )
        port = target.link if number % 2 else target.clients
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(places[number % len(places)] + b"\r\nHost: 127.0.0.1\r\n\r\n")
            await reader.read(1000)
        finally:
            writer.close()

    await crowd(target, guess)


async def pipelines(target: Target) -> None:
    """Hundreds of requests in one packet, for whatever costs most to answer."""
    paths = ("/api/v1/status", "/api/v1/devices", "/api/v1/openapi.json", "/", "/relay/page.js")
    burst = b"".join(
        f"GET {paths[n % len(paths)]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        for n in range(500)
    )

    async def send(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection(HOST, target.link)
        try:
            while True:
                writer.write(burst)
                await writer.drain()
                await peer.turn()
                if not await reader.read(1 << 20):
                    return
        finally:
            writer.close()

    await crowd(target, send)


async def pings(target: Target) -> None:
    """Websockets that say nothing but pings, pongs and empty pieces of a frame, thousands at once,
    wherever one can be opened."""
    # RFC 6455, 5.2: masked, empty; a mask of zeros changes nothing.
    kinds = (b"\x89\x80" + bytes(4), b"\x8a\x80" + bytes(4), b"\x00\x80" + bytes(4))
    doors = (
        (target.clients, "/"),
        (target.link, "/link"),
        (target.link, "/api/v1/events"),
        (target.devices, "/"),
    )

    async def send(peer: Peer) -> None:
        number = target.acts
        port, path = doors[number % len(doors)]
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            await reader.read(1000)
            kind = kinds[number % len(kinds)]
            burst = (b"\x01\x80" + bytes(4) if kind[0] == 0 else b"") + kind * 20_000
            while True:
                writer.write(burst)
                await writer.drain()
                await peer.turn()
                if not await reader.read(1 << 20):
                    return
        finally:
            writer.close()

    await crowd(target, send)
