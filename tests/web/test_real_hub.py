"""The whole way with nothing of ours played by a double but toy, D-Bus and distance: an official
client, the real hub, the page in a real browser, and the simulated toy's own record."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from buttplug import ButtplugClient, ButtplugDevice, DeviceOutputCommand, OutputType

from forwarder.app import App
from forwarder.config import Clients, Config, Link
from tests.doubles.chromium_bluez import PhoneRig, phone_rig
from tests.doubles.chromium_hub import WebHub

pytestmark = pytest.mark.chromium

OFF_S = 1.5


@contextlib.asynccontextmanager
async def hub(state: Path, port: int = 0, link_port: int = 0) -> AsyncIterator[App]:
    config = Config(name="Desk", state=state, clients=Clients(port=port), link=Link(port=link_port))
    app = App(config)
    ready = asyncio.Event()
    running = asyncio.create_task(app.run(ready.set))
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield app
    finally:
        app.stop()
        await running


def pairing_page(site: WebHub, app: App) -> str:
    secret = app.trust.desk.issue(asyncio.get_running_loop().time())
    text = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    return f"{site.url()}#{text}&h={app.link_url.removeprefix('http://')}"


async def until(holds: Callable[[], object], what: str, limit_s: float = 15) -> None:
    """Hub and client are nobody's doubles, so there is nothing to wait for but what they show."""
    ends = asyncio.get_running_loop().time() + limit_s
    while not holds():
        assert asyncio.get_running_loop().time() < ends, f"not within {limit_s} s: {what}"
        await asyncio.sleep(0.02)


async def chosen(rig: PhoneRig, app: App) -> tuple[ButtplugClient, ButtplugDevice]:
    """Pair, choose the toy, and be an app that has found it."""
    await rig.page.goto(pairing_page(rig.hub, app))
    await rig.page.until("!document.getElementById('add').disabled")
    await rig.page.click("#add")
    client = ButtplugClient("official")
    await client.connect(app.client_url)
    await client.start_scanning()
    await until(lambda: client.devices, "a device")
    [device] = client.devices.values()
    return client, device


async def test_an_official_client_drives_the_toy_of_a_phone(tmp_path: Path) -> None:
    async with phone_rig(hub=WebHub(with_link=False)) as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        assert device.name == "Lovense Hush"
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await until(lambda: rig.toy.levels == {"vibrate": 0.5}, "half")
        assert await device.battery() == 0.85

        # Nobody says anything for a while: the hub's beats hold the lease.
        await asyncio.sleep(1.5)
        assert rig.toy.levels == {"vibrate": 0.5}
        await rig.page.click("#stop")
        assert await rig.at_rest(OFF_S) < 0.5
        await rig.page.click("#pause")  # it says Resume now
        await until(lambda: not rig.toy.connected or rig.toy.at_rest, "rest")
        await asyncio.sleep(0.3)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 1.0))
        await until(lambda: rig.toy.levels == {"vibrate": 1.0}, "full")
        await client.disconnect()
        await rig.at_rest(OFF_S)


async def test_the_toy_goes_and_comes_back_by_itself(tmp_path: Path) -> None:
    async with phone_rig(hub=WebHub(with_link=False)) as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await until(lambda: not rig.toy.at_rest, "runs")
        rig.toy.vanish()
        await until(lambda: not client.devices, "gone")
        rig.toy.appear()
        await until(lambda: client.devices, "back", 30)
        [device] = client.devices.values()
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.25))
        await until(lambda: rig.toy.levels == {"vibrate": 0.25}, "quarter")
        await client.disconnect()


async def test_the_hub_restarts_under_the_phone(tmp_path: Path) -> None:
    async with phone_rig(hub=WebHub(with_link=False)) as rig:
        async with hub(tmp_path) as app:
            _, device = await chosen(rig, app)
            await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
            await until(lambda: not rig.toy.at_rest, "runs")
            link_port = int(app.link_url.rpartition(":")[2])
        await rig.at_rest(OFF_S)
        async with hub(tmp_path, link_port=link_port) as app:
            client = ButtplugClient("official")
            await client.connect(app.client_url)
            await client.start_scanning()
            await until(lambda: client.devices, "a device", 30)
            [device] = client.devices.values()
            await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.75))
            await until(lambda: rig.toy.levels == {"vibrate": 0.75}, "three quarters")
            await client.disconnect()


async def test_a_revoked_phone_stops_and_is_told(tmp_path: Path) -> None:
    async with phone_rig(hub=WebHub(with_link=False)) as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await until(lambda: not rig.toy.at_rest, "runs")
        [relay] = app.relays.relays.values()
        app.trust.book.revoke(relay.name)
        app.relays.revoke(relay.key)
        await rig.at_rest(1.0)
        await rig.page.until(
            "document.getElementById('notice').innerText.includes('does not let this phone in')"
        )
        await client.disconnect()
