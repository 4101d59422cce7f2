"""Strangers who knock at a hub's link port: `python -m tests.faults.strangers PORT COUNT PLACES`.

They come from so many addresses (of 127.0.0.0/8, which Linux lets anybody use). A fifth each say
nothing at all, send half a request, open a websocket and say nothing, begin to pair with a code
that there is not, and send half a frame. Prints how many the hub hung up on, and the longest wait
in seconds; one whom it has not hung up on after 12 s counts as 12 s.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time

from relay.link.security.handshake import RelayHandshake
from relay.link.security.noise import KeyPair

PATIENCE_S = 12.0
KINDS = 5


def _frame(payload: bytes) -> bytes:
    """A masked binary frame of a client (RFC 6455, 5.2); a mask of zeros changes nothing."""
    size = len(payload)
    head = bytes([0x82, 0x80 | size]) if size < 126 else b"\x82\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def _request(host: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /link HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


async def _stranger(port: int, number: int, places: int) -> float:
    place = number % places
    source = f"127.1.{place // 250}.{place % 250 + 1}"
    started = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _knock(port, number % KINDS, source)
    except TimeoutError:
        pass
    except OSError:
        pass  # Hung up on before it had said what it wanted.
    return time.monotonic() - started


async def _knock(port: int, kind: int, source: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        request = _request(f"127.0.0.1:{port}")
        if kind == 1:
            writer.write(request[:40])
        elif kind > 1:
            writer.write(request)
        if kind == 3:
            hello = RelayHandshake(
                KeyPair.generate(), secret=os.urandom(32), name="x" * 100
            ).start()
            writer.write(_frame(hello))
        elif kind == 4:
            writer.write(_frame(bytes(4096))[:2000])
        while await reader.read(4096):
            pass
    finally:
        writer.close()


async def _main(port: int, count: int, places: int) -> None:
    async with asyncio.TaskGroup() as group:
        knocks = [group.create_task(_stranger(port, n, places)) for n in range(count)]
    waits = [knock.result() for knock in knocks]
    print(sum(wait < PATIENCE_S for wait in waits), max(waits))


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:4])))
