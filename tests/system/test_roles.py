"""Every Buttplug role on every kind of socket, by a configuration file: the bytes reach the radio.

Each hub here is what `forwarder run --config FILE` builds, with real sockets. What a test of a cell
proves is the same everywhere, `drives`. The table is in docs/compatibility.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from buttplug import ButtplugClient

from forwarder import config_file
from forwarder.access.tls import client_tls, own_certificate
from forwarder.app import App
from forwarder.client.client import Client, RemoteDevice, ServerGone
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.sources.upstream.source import UpstreamSource
from relay.link.channel import Channel
from tests.system.js.life import address
from tests.system.processes import Trace, free_ports, hub_program, until

HUSH, NORA = "Lovense Hush", "Lovense Nora"
ON, OFF = b"Vibrate:10;", b"Vibrate:0;"


class Hub:
    """A running hub, and what its radio wrote."""

    def __init__(self, app: App, trace: Trace) -> None:
        self.app = app
        self.trace = trace

    @property
    def names(self) -> list[str]:
        return sorted(device.name for device in self.app.hub.devices.values())

    async def until_names(self, *names: str) -> None:
        # As long as a pause between two attempts to dial may be after a few failures.
        await until(lambda: self.names == sorted(names), f"exactly {names}", 25.0)

    def writes(self, name: str) -> list[bytes]:
        return self.trace.writes(address(name))


def written(folder: Path, toys: str, text: str) -> Path:
    """A configuration file with ports, state, `toys`, and `text`."""
    folder.mkdir(exist_ok=True)
    file = folder / "hub.toml"
    clients = "" if "[clients]" in text else "[clients]\nport = 0\n"
    file.write_text(
        f'state = "{folder / "state"}"\ntrace = "{folder / "trace.jsonl"}"\n{clients}{text}\n'
        f"[link]\nport = 0\nhttps_port = 0\n[radio]\nsimulate = {[toys] if toys else []}\n"
    )
    return file


@asynccontextmanager
async def hub(folder: Path, toys: str = "", text: str = "") -> AsyncIterator[Hub]:
    """What `forwarder run --config FILE` runs."""
    app = App(config_file.load(written(folder, toys, text)))
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(ready.set))
        await ready.wait()
        try:
            yield Hub(app, Trace(folder / "trace.jsonl"))
        finally:
            app.stop()


async def found(client: Client, name: str) -> RemoteDevice:
    """The device of that name, once the client has heard of it."""
    await client.start_scanning()
    await until(lambda: name in [device.name for device in client.devices], f"{name} to appear")
    return next(device for device in client.devices if device.name == name)


async def drives(client: Client, home: Hub, name: str = HUSH) -> None:
    """A client finds the toy, moves it, reads it and stops it: seen at the toy's radio."""
    device = await found(client, name)
    await device.vibrate(0.5)
    assert home.writes(name)[-1] == ON
    assert await device.battery() == 0.85
    await device.stop()
    assert OFF in home.writes(name)[-2:]


def port_of(home: Hub) -> int:
    return int(home.app.client_url.rpartition(":")[2])


# --- server for apps ------------------------------------------------------------------------------


async def test_server_listening_ws(tmp_path: Path) -> None:
    async with hub(tmp_path / "hub", HUSH) as home:
        async with Client.connect(home.app.client_url) as client:
            await drives(client, home)
        official = ButtplugClient("official")
        await official.connect(home.app.client_url)
        assert [device.name for device in official.devices.values()] == [HUSH]
        await official.disconnect()


async def test_server_listening_wss_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    text = "[clients]\nport = 0\nwss = true\n"
    async with hub(tmp_path / "hub", HUSH, text) as home:
        own = own_certificate(tmp_path / "hub" / "state", (), datetime.now(UTC))
        async with Client.connect(home.app.client_url, tls=client_tls(own.fingerprint)) as client:
            await drives(client, home)
        with pytest.raises(ServerGone):  # whoever verifies does not trust it
            async with Client.connect(home.app.client_url):
                pass


async def test_server_listening_wss_with_the_users_certificate(tmp_path: Path) -> None:
    users = own_certificate(tmp_path, ("my.house",), datetime.now(UTC))
    files = f'certificate = "{users.certificate}"\nkey = "{users.key}"'
    text = f"[clients]\nport = 0\nwss = true\n[clients.tls]\n{files}\n"
    async with hub(tmp_path / "hub", HUSH, text) as home:
        # Verified like any public one, by an authority that this client trusts.
        trust = ssl.create_default_context(cafile=str(users.certificate))
        url = f"wss://localhost:{port_of(home)}"
        async with Client.connect(url, tls=trust) as client:
            await drives(client, home)


async def _app_that_listens(home: Hub, server: WebSocketServer, visits: int) -> None:
    """Be an app that waits for a Buttplug server to call it, and drives what it brings."""
    done = asyncio.Semaphore(0)

    async def client(channel: Channel) -> None:
        async with Client.over(channel, name="an app that listens") as it:
            await drives(it, home)
            done.release()

    serving = asyncio.create_task(server.run(client))
    try:
        async with asyncio.timeout(20):
            for _ in range(visits):
                await done.acquire()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def test_server_dialing_ws_as_soon_as_the_app_is_there_and_again(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    text = f'[clients]\nport = 0\ndial = ["ws://127.0.0.1:{port}/app"]\n'
    async with hub(tmp_path / "hub", HUSH, text) as home:
        for _ in range(2):
            await _app_that_listens(home, WebSocketServer(port=port), visits=1)


async def test_server_dialing_wss(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    own = own_certificate(tmp_path, (), datetime.now(UTC))
    dial = f'{{url = "wss://127.0.0.1:{port}", fingerprint = "{own.fingerprint}"}}'
    text = f"[clients]\nport = 0\ndial = [{dial}]\n"
    async with hub(tmp_path / "hub", HUSH, text) as home:
        server = WebSocketServer(port=port, tls=own.server_context())
        await _app_that_listens(home, server, visits=1)


async def test_server_in_process(tmp_path: Path) -> None:
    async with (
        hub(tmp_path / "hub", HUSH) as home,
        Client.over(home.app.open_client()) as client,
    ):
        await drives(client, home)


# --- client of another server ---------------------------------------------------------------------


@asynccontextmanager
async def chain(
    folder: Path, far: str = "", near: str = ""
) -> AsyncIterator[tuple[Hub, Hub, Client]]:
    """`far` is a hub with a toy, `near` one without, whose source is the other; and a client of
    `near`."""
    async with (
        hub(folder / "far", HUSH, far) as other,
        hub(folder / "near", NORA, near) as home,
        Client.over(home.app.open_client()) as client,
    ):
        yield other, home, client


async def through(folder: Path, far: str, near: str) -> None:
    async with chain(folder, far, near) as (other, home, client):
        await drives(client, other)
        await home.until_names(HUSH, NORA)
        # The near hub's own radio has heard nothing of it.
        assert home.writes(HUSH) == []


async def test_client_dialing_ws(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    far = f"[clients]\nport = {port}\n"
    near = f'[[upstream]]\nname = "far"\ndial = "ws://127.0.0.1:{port}"\n'
    await through(tmp_path, far, near)


async def test_client_dialing_wss(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    own = own_certificate(tmp_path, (), datetime.now(UTC))
    files = f'[clients.tls]\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
    far = f"[clients]\nport = {port}\nwss = true\n{files}"
    near = (
        f'[[upstream]]\nname = "far"\ndial = "wss://127.0.0.1:{port}"\n'
        f'fingerprint = "{own.fingerprint}"\n'
    )
    await through(tmp_path, far, near)


async def test_client_listening_ws(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    far = f'[clients]\nport = 0\ndial = ["ws://127.0.0.1:{port}"]\n'
    near = f'[[upstream]]\nname = "far"\nlisten = {port}\n'
    await through(tmp_path, far, near)


async def test_client_listening_wss(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    own = own_certificate(tmp_path, (), datetime.now(UTC))
    dial = f'{{url = "wss://127.0.0.1:{port}", fingerprint = "{own.fingerprint}"}}'
    far = f"[clients]\nport = 0\ndial = [{dial}]\n"
    files = f'[upstream.tls]\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
    near = f'[[upstream]]\nname = "far"\nlisten = {port}\nwss = true\n{files}'
    await through(tmp_path, far, near)


async def test_client_in_process(tmp_path: Path) -> None:
    async with chain(tmp_path) as (other, home, client):
        source = UpstreamSource("far", home.app.hub, hub_id=home.app.hub.id)
        home.app.hub.sources.append(source)
        connector = InProcess()
        serving = asyncio.create_task(connector.run(other.app.serve_client))
        driving = asyncio.create_task(source.drive(await connector.open()))
        await drives(client, other)
        for task in (driving, serving):
            task.cancel()
            await asyncio.wait([task])
        await home.until_names(NORA)


# --- several hubs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("toys", [(HUSH, NORA), (HUSH, NORA, "Lovense Max")], ids=len)
async def test_a_ring_of_hubs_shows_each_toy_once(tmp_path: Path, toys: tuple[str, ...]) -> None:
    """Each hub's source is the next, the last one's the first: no toy goes round."""
    ports = free_ports(len(toys))
    async with AsyncExitStack() as stack:
        homes = []
        for number, toy in enumerate(toys):
            after = ports[(number + 1) % len(ports)]
            text = (
                f"[clients]\nport = {ports[number]}\n"
                f'[[upstream]]\nname = "the next"\ndial = "ws://127.0.0.1:{after}"\n'
            )
            homes.append(await stack.enter_async_context(hub(tmp_path / f"{number}", toy, text)))
        client = await stack.enter_async_context(Client.over(homes[0].app.open_client()))
        await client.start_scanning()
        for home in homes:
            await home.until_names(*toys)
        await asyncio.sleep(0.5)  # a circle would go on growing
        for home, toy in zip(homes, toys, strict=True):
            await home.until_names(*toys)
            await drives(client, home, toy)


async def test_a_server_that_dies_takes_its_devices_along_and_returns_them_by_the_same_index(
    tmp_path: Path,
) -> None:
    """The other server is a process of its own, as Intiface would be."""
    client_port, link_port = free_ports(2)
    trace = Trace(tmp_path / "far.jsonl")
    more = ("--simulate", HUSH, "--trace", str(trace.path))
    near = f'[[upstream]]\nname = "far"\ndial = "ws://127.0.0.1:{client_port}"\n'
    indexes = []
    async with AsyncExitStack() as stack:
        far = hub_program(tmp_path, client_port, link_port, *more)
        await far.start()
        stack.push_async_callback(far.end)
        home = await stack.enter_async_context(hub(tmp_path / "near", NORA, near))
        client = await stack.enter_async_context(Client.over(home.app.open_client()))
        for _ in range(2):
            device = await found(client, HUSH)
            indexes.append(device.index)
            await device.vibrate(0.5)
            assert trace.writes()[-1] == ON
            await far.end()
            await home.until_names(NORA)
            # The client hears of it with the hub's next list.
            await until(lambda: HUSH not in [each.name for each in client.devices], "it is gone")
            await far.start()
        assert indexes[0] == indexes[1]
