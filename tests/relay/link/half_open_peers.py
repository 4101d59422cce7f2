"""Strangers in a process of their own: `python -m tests.relay.link.half_open_peers PORT COUNT`.

Each opens a websocket at /link; a third say nothing, a third begin to pair, a third begin a frame
of 4 KiB and stop half-way. Prints how many the hub hung up on, and the longest wait in seconds.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time

from relay.link.security.handshake import RelayHandshake
from relay.link.security.noise import KeyPair

# The hub under test knows this secret, so that its handshake goes as far as a stranger's can.
SECRET = bytes(range(32))


def _frame(payload: bytes) -> bytes:
    """A masked binary frame of a client (RFC 6455, 5.2); a mask of zeros changes nothing."""
    size = len(payload)
    head = bytes([0x82, 0x80 | size]) if size < 126 else b"\x82\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


async def _peer(port: int, number: int) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    # Each claims an address of its own, as far as the server under test believes it.
    writer.write(
        f"GET /link HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nX-Peer: 10.0.{number}\r\n\r\n"
        .encode()
    )  # fmt: skip
    await reader.readuntil(b"\r\n\r\n")
    started = time.monotonic()
    if number % 3 == 1:
        writer.write(_frame(RelayHandshake(KeyPair.generate(), secret=SECRET).start()))
    elif number % 3 == 2:
        writer.write(_frame(bytes(4096))[:2000])
    while await reader.read(4096):
        pass
    writer.close()
    return time.monotonic() - started


async def _main(port: int, count: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        peers = [tasks.create_task(_peer(port, number)) for number in range(count)]
    waits = [peer.result() for peer in peers]
    print(len(waits), max(waits))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
