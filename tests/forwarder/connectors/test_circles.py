"""A connection that is over leaves nothing in a circle: what it had is freed then and there, and
not when the collector looks at everything."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.running_hub import config_for, running_hub
from tests.hostile.strangers import frame, upgrade
from tests.system.processes import until

AT_ONCE = 5
_PINGS = (b"\x89\x80" + bytes(4)) * 100
_HELLO = frame(
    '[{"RequestServerInfo": {"Id": 1, "ClientName": "x", "ProtocolVersionMajor": 4,'
    ' "ProtocolVersionMinor": 0}}, {"StartScanning": {"Id": 2}}]'
)
_HOST = b"Host: 127.0.0.1\r\n"
# Of the port for relays and pages, if not of that for clients.
KINDS = {
    "half a handshake": upgrade("/link") + frame(bytes([1]) * 96),
    "pings": upgrade("/link") + _PINGS,
    "events": upgrade("/api/v1/events") + frame('{"t":"hello"}'),
    "a stream of events": b"GET /api/v1/events HTTP/1.1\r\n" + _HOST + b"\r\n",
    "half a body": b"POST /api/v1/stop HTTP/1.1\r\n%bContent-Length: 9999\r\n\r\n[" % _HOST,
    "a page": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "client": upgrade("/") + _HELLO,
    "client that says nothing": upgrade("/"),
    "client that pings": upgrade("/") + _PINGS,
    "client with a token that there is not": upgrade("/bpft_x"),
}


@pytest.fixture
def nothing_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("nothing_collected")
async def test_no_connection_leaves_a_circle(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "hub", (), config_for(tmp_path / "hub", ())) as hub:
        link = int(hub.url.rpartition(":")[2])
        clients = int(hub.app.client_url.rpartition(":")[2])
        quiet = hub.app.doors.count

        async def come(kind: str) -> None:
            port = clients if kind.startswith("client") else link
            with socket.create_connection(("127.0.0.1", port)) as sock:
                # Gone without a goodbye: the dearest end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_sendall(sock, KINDS[kind])
                await asyncio.sleep(0.05)

        for kind in KINDS:  # what is made once
            await come(kind)
        left: dict[str, Counter[str]] = {}
        for kind in KINDS:
            await until(lambda: hub.app.doors.count <= quiet, "everybody gone")
            gc.collect()
            await asyncio.gather(*(come(kind) for _ in range(AT_ONCE)))
            await until(lambda: hub.app.doors.count <= quiet, "everybody gone")
            for _ in range(20):  # and their tasks ended
                await asyncio.sleep(0)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            gc.set_debug(0)
            found = Counter(type(one).__qualname__ for one in gc.garbage)
            gc.garbage.clear()
            if found["RequestHandler"] or found["traceback"] >= AT_ONCE:
                left[kind] = found
    assert not left
