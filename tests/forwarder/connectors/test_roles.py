"""Every role on every socket: the table in docs/connecting.md, cell by cell."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forwarder.access.tls import client_tls, own_certificate
from forwarder.buttplug.messages import OutputType
from forwarder.client.client import Client
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.websocket_client import Backoff, TlsTrust, WebSocketClient
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.sources.upstream.source import UpstreamSource
from relay.link.channel import Channel
from tests.doubles.hubs import SomeHub, outcome
from tests.forwarder.hub.test_hub import FakeClient

SOON_S = 10.0


class Sockets:
    """Makes both ends of a socket, plain or with TLS and a pinned certificate."""

    def __init__(self, folder: Path, secure: bool) -> None:
        self.scheme = "wss" if secure else "ws"
        self.listening: ssl.SSLContext | None = None
        self.dialing: TlsTrust = True
        if secure:
            own = own_certificate(folder, [], datetime.now(UTC))
            self.listening = own.server_context()
            self.dialing = client_tls(own.fingerprint)

    def server(self) -> WebSocketServer:
        server = WebSocketServer(port=0, tls=self.listening)
        server.bind()
        return server

    def client(self, server: WebSocketServer) -> WebSocketClient:
        url = f"{self.scheme}://127.0.0.1:{server.port}"
        return WebSocketClient(url, tls=self.dialing, backoff=Backoff(0.02, 0.02))


@pytest.fixture(params=["ws", "wss"])
def sockets(request: pytest.FixtureRequest, tmp_path: Path) -> Sockets:
    return Sockets(tmp_path, request.param == "wss")


@asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        async with asyncio.timeout(SOON_S):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def hub_with_a_toy() -> SomeHub:
    hub = SomeHub("hub")
    hub.add_toy()
    return hub


def told(hub: SomeHub) -> str:
    """What the toy of `hub` was told last."""
    return repr(hub.toys[0].calls[-1])


async def drives(client: Client, hub: SomeHub) -> None:
    """`client` reaches the toy of `hub`."""
    (device,) = client.devices
    await device.vibrate(1)
    assert told(hub) == "('output', 0, 'Vibrate', 20, 0)"
    await device.stop()
    assert told(hub) == "('stop', None)"


# --- the hub as a server for apps -----------------------------------------------------------------


async def test_server_for_apps_that_dial_it(sockets: Sockets) -> None:
    hub, server = hub_with_a_toy(), sockets.server()
    url = f"{sockets.scheme}://127.0.0.1:{server.port}"
    async with (
        running(server.run(hub.serve)),
        Client.connect(url, tls=sockets.dialing) as client,
    ):
        await drives(client, hub)


async def test_server_that_dials_an_app_again_and_again(sockets: Sockets) -> None:
    hub, app = hub_with_a_toy(), sockets.server()
    driven: asyncio.Queue[str] = asyncio.Queue()

    async def be_a_client(channel: Channel) -> None:
        async with Client.over(channel) as client:
            await drives(client, hub)
            driven.put_nowait(client.server_name)

    async with running(app.run(be_a_client), sockets.client(app).run(hub.serve)):
        assert [await driven.get(), await driven.get()] == ["hub", "hub"]


async def test_server_in_the_same_process() -> None:
    hub, connector = hub_with_a_toy(), InProcess()
    async with running(connector.run(hub.serve)), Client.over(await connector.open()) as client:
        await drives(client, hub)


# --- the hub as a client of another server --------------------------------------------------------


class _Waiting(FakeClient):
    """A client of the near hub that waits for its devices to change."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def devices_changed(self) -> None:
        self.changed.set()


class Upstream:
    """A hub with another one as a source."""

    def __init__(self) -> None:
        self.far, self.near = hub_with_a_toy(), SomeHub("near")
        self.source: UpstreamSource = self.near.upstream("far")

    async def until(self, *, there: bool) -> None:
        """Wait until the toy is here, or gone: the near hub tells those who join it."""
        person = _Waiting()
        self.near.hub.join(person)
        while bool(self.near.hub.devices) is not there:
            await person.changed.wait()
            person.changed.clear()
        self.near.hub.leave(person)

    async def drives(self) -> None:
        await self.until(there=True)
        device = self.near.hub.devices[0]
        assert await outcome(device.output(0, OutputType.VIBRATE, 20)) == "done"
        assert told(self.far) == "('output', 0, 'Vibrate', 20, 0)"
        assert await outcome(device.stop()) == "done"
        assert told(self.far) == "('stop', None)"
        (client,) = self.far.hub.clients
        assert client.hub_id == self.near.hub.id


async def test_source_that_dials_another_server(sockets: Sockets) -> None:
    two, server = Upstream(), sockets.server()
    async with running(server.run(two.far.serve), sockets.client(server).run(two.source.drive)):
        await two.drives()


async def test_source_that_another_server_dials(sockets: Sockets) -> None:
    two, server = Upstream(), sockets.server()
    async with running(server.run(two.source.drive), sockets.client(server).run(two.far.serve)):
        await two.drives()


async def test_source_in_the_same_process() -> None:
    two, connector = Upstream(), InProcess()
    async with running(connector.run(two.far.serve), two.source.drive(await connector.open())):
        await two.drives()


async def test_a_lost_server_is_dialed_until_it_is_back_with_the_same_indexes(
    sockets: Sockets,
) -> None:
    two, server = Upstream(), sockets.server()
    async with running(sockets.client(server).run(two.source.drive)):
        for _ in range(2):
            async with running(server.run(two.far.serve)):
                await two.drives()
                assert list(two.near.hub.devices) == [0]
            await two.until(there=False)
