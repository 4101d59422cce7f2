"""1,000 hostile half-open peers over real sockets: time and memory. Figures with `pytest -s`."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from relay.link.bounds import HANDSHAKE_S
from relay.link.errors import LinkError
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.security.secure import Door, secure_as_hub
from relay.link.websocket import WebSocketChannel
from tests.relay.link.half_open_peers import SECRET
from tests.relay.link.security.test_handshake import Hub
from tests.relay.link.test_handshake_cost import resident

resource = pytest.importorskip("resource", reason="Windows limits open files otherwise")

_PEERS = 1_000
_ROOT = Path(__file__).parents[3]


class _Sixteen:
    """A door for sixteen at a time."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    def enter(self, address: str, now: float) -> bool:
        if self.inside >= 16:
            return False
        self.inside += 1
        self.most = max(self.most, self.inside)
        return True

    def leave(self, address: str) -> None:
        self.inside -= 1


class _Site:
    """A hub's /link; `ends` counts by error."""

    def __init__(self, door: Door | None) -> None:
        self.port = 0
        self.live = 0
        self.busy = 0
        self.over = 0
        self._door = door
        self._hub = Hub()
        self._hub.secret = SECRET

    async def link(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, timeout=1.0, max_msg_size=65_535)
        await ws.prepare(request)
        assert request.transport is not None
        channel = WebSocketChannel(ws, request.transport, peer=request.headers["X-Peer"])
        self.live += 1
        try:
            await secure_as_hub(channel, self._hub, self._door)
        except LinkError as error:
            self.over += 1
            self.busy += isinstance(error, HandshakeRefused) and error.refusal is RefusalCode.BUSY
        finally:
            self.live -= 1
        return ws


@asynccontextmanager
async def _site(door: Door | None) -> AsyncIterator[_Site]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * _PEERS:
        pytest.skip(f"this system allows {hard} open files per process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * _PEERS), hard))
    site = _Site(door)
    app = web.Application()
    app.router.add_get("/link", site.link)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=_PEERS).start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _assault(site: _Site) -> tuple[int, float, int]:
    """Return how many peers were hung up on, the longest wait (s), and the most memory (bytes)."""
    gc.collect()
    before = most = resident()
    peers = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.relay.link.half_open_peers", str(site.port), str(_PEERS),
        stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
    )  # fmt: skip
    talking = asyncio.create_task(peers.communicate())
    while not talking.done():
        await asyncio.wait([talking], timeout=0.1)
        most = max(most, resident())
    answer, _ = talking.result()
    count, longest = answer.split()
    return int(count), float(longest), most - before


@pytest.mark.parametrize("door", [None, _Sixteen()], ids=["no door", "a door for sixteen"])
async def test_a_thousand_half_open_peers_are_gone_after_five_seconds(
    door: _Sixteen | None,
) -> None:
    async with _site(door) as site:
        started = time.monotonic()
        count, longest, memory = await _assault(site)
        print(
            f"{count} peers, {site.busy} sent away at once, the others gone after {longest:.1f} s"
            f" ({time.monotonic() - started:.1f} s in all), {memory / count / 1024:.1f} KiB each"
        )
        assert count == site.over == _PEERS
        assert site.live == 0
        # A second for the close, and what a busy machine takes over a thousand of them.
        assert longest < HANDSHAKE_S + 1 + 3
        # The websocket's own budget is 20 KiB; 4 KiB are a stranger's on top of it.
        assert memory / count < 24 * 1024
        if door is not None:
            assert door.most == 16
            assert door.inside == 0
            assert site.busy >= _PEERS - 16 * 4
