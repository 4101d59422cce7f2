"""The whole way with nothing of ours played by a double but toy, D-Bus and distance: an official
client, the real hub serving the page, a real browser, and the simulated toy's own record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from buttplug import (
    ButtplugClient,
    ButtplugDevice,
    ButtplugError,
    DeviceOutputCommand,
    OutputType,
)

from forwarder.api.documents.model import PairingBody, PairingView
from forwarder.api.documents.stop import ForgetBody, Forgotten
from forwarder.app import App
from forwarder.buttplug.messages import OutputType as ButtplugOutput
from forwarder.commands.api_client import ApiClient
from forwarder.config import Clients, Config, Link
from forwarder.web.pages import relay_page_build
from relay.radio.simulated.faults import WRITES
from tests.doubles.chromium_bluez import PhoneRig, phone_rig
from tests.system.processes import free_ports

pytestmark = pytest.mark.chromium

OFF_S = 1.5


@contextlib.asynccontextmanager
async def hub(state: Path, *, link_port: int = 0, https_port: int = 0) -> AsyncIterator[App]:
    config = Config(
        name="Desk",
        state=state,
        clients=Clients(port=0),
        link=Link(port=link_port, https_port=https_port),
    )
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


async def pairing_page(state: Path, way: str) -> str:
    """What `forwarder pair` shows."""

    def ask() -> PairingView:
        return ApiClient(state).send("POST", "/pairing", PairingView, PairingBody(phone=way))

    shown = await asyncio.to_thread(ask)
    assert shown.page_url is not None, shown.problems
    return shown.page_url


async def until(holds: Callable[[], object], what: str, limit_s: float = 15) -> None:
    """Hub and client are nobody's doubles, so there is nothing to wait for but what they show."""
    ends = asyncio.get_running_loop().time() + limit_s
    while not holds():
        assert asyncio.get_running_loop().time() < ends, f"not within {limit_s} s: {what}"
        await asyncio.sleep(0.02)


async def paired(rig: PhoneRig, app: App, way: str = "localhost") -> None:
    """Open what `forwarder pair` shows, and choose the toy."""
    await rig.page.goto(await pairing_page(app.config.state_dir, way))
    await rig.page.until("!document.getElementById('add').disabled")
    await rig.page.click("#add")


async def found(app: App) -> tuple[ButtplugClient, ButtplugDevice]:
    """Be an app that has found the toy."""
    client = ButtplugClient("official")
    await client.connect(app.client_url)
    await client.start_scanning()
    await until(lambda: client.devices, "a device", 30)
    [device] = client.devices.values()
    return client, device


async def chosen(
    rig: PhoneRig, app: App, way: str = "localhost"
) -> tuple[ButtplugClient, ButtplugDevice]:
    await paired(rig, app, way)
    return await found(app)


@pytest.mark.parametrize("way", ["localhost", "https"])
async def test_an_official_client_drives_the_toy_of_a_phone(tmp_path: Path, way: str) -> None:
    https = free_ports(1)[0] if way == "https" else 0
    async with phone_rig() as rig, hub(tmp_path, https_port=https) as app:
        # What a person does who taps Proceed at the warning about the hub's own certificate.
        await rig.page.call("Security.setIgnoreCertificateErrors", ignore=True)
        client, device = await chosen(rig, app, way)
        assert device.name == "Lovense Hush"
        assert await rig.page.evaluate("location.hash") == ""
        build = await rig.page.evaluate("document.querySelector('meta[name=build]').content")
        [relay] = app.relays.relays.values()
        assert relay.hello.software == f"relay page {build}"
        assert build == relay_page_build()
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await until(lambda: rig.toy.levels == {"vibrate": 0.5}, "half")
        assert await device.battery() == 0.85
        await rig.page.until(
            "document.querySelector('.toy').innerText.includes('official drives it at 50 %')"
        )

        # Nobody says anything for a while: the hub's beats hold the lease.
        await asyncio.sleep(1.5)
        assert rig.toy.levels == {"vibrate": 0.5}
        await rig.page.click("#stop")
        assert await rig.at_rest(OFF_S) < 0.5
        await rig.page.click("#pause")  # it says Resume now
        await rig.page.until("document.getElementById('pause').innerText === 'Pause'")
        await asyncio.sleep(0.3)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 1.0))
        await until(lambda: rig.toy.levels == {"vibrate": 1.0}, "full")
        await client.disconnect()
        await rig.at_rest(OFF_S)


async def test_the_wearers_limit_holds_whatever_an_app_asks_for(tmp_path: Path) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
        await paired(rig, app)
        await rig.page.evaluate(
            "(() => { const limit = document.getElementById('limit'); limit.value = 50;"
            " limit.dispatchEvent(new Event('change')); })()"
        )
        client, device = await found(app)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 1.0))
        await until(lambda: not rig.toy.at_rest, "runs")
        assert rig.toy.levels == {"vibrate": 0.5}
        await client.disconnect()


async def test_the_toy_goes_and_comes_back_by_itself(tmp_path: Path) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
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
    async with phone_rig() as rig:
        async with hub(tmp_path) as app:
            _, device = await chosen(rig, app)
            await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
            await until(lambda: not rig.toy.at_rest, "runs")
            link_port = int(app.link_url.rpartition(":")[2])
        await rig.at_rest(OFF_S)
        async with hub(tmp_path, link_port=link_port) as app:
            client, device = await found(app)
            await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.75))
            await until(lambda: rig.toy.levels == {"vibrate": 0.75}, "three quarters")
            await client.disconnect()


async def test_a_revoked_phone_stops_and_is_told(tmp_path: Path) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
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


async def test_a_reload_under_a_busy_app_leaves_nothing_running(tmp_path: Path) -> None:
    features = "WebBluetooth,WebBluetoothNewPermissionsBackend"
    async with phone_rig(features=features) as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        rig.toy.faults.latency_of.update(dict.fromkeys(WRITES, 0.03))

        async def game() -> None:
            for step in range(1000):
                with contextlib.suppress(ButtplugError):  # the toy is gone for a moment
                    await device.run_output(
                        DeviceOutputCommand(OutputType.VIBRATE, 0.3 + step % 10 / 20)
                    )
                await asyncio.sleep(0.05)

        playing = asyncio.create_task(game())
        await asyncio.sleep(1)
        loaded = rig.page.expect("Page.loadEventFired")
        await rig.page.call("Page.reload")
        await rig.at_rest(OFF_S)
        playing.cancel()
        await asyncio.wait_for(loaded, 10)
        await asyncio.sleep(3)
        assert rig.toy.at_rest
        await rig.page.until("document.getElementById('notice').hidden")
        await client.disconnect()


async def test_the_hub_names_what_the_page_looks_for_and_forgets_it_there(tmp_path: Path) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await until(lambda: not rig.toy.at_rest, "runs")
        rig.toy.vanish()
        await until(lambda: [item.told for item in app.relays.owing] == [True], "missing")
        await rig.page.until("!document.getElementById('notice').hidden")
        [missing] = app.relays.owing
        assert missing.address.startswith("web-")
        body = ForgetBody(name="Lovense Hush")
        admin = ApiClient(app.config.state_dir)
        await asyncio.to_thread(admin.send, "POST", "/missing/forget", Forgotten, body)
        await rig.page.until("document.getElementById('notice').hidden")
        await until(lambda: not list(app.relays.owing), "forgotten")
        await client.disconnect()


async def test_a_value_with_a_time_waits_in_the_page_and_a_stop_drops_what_waits(
    tmp_path: Path,
) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
        client, device = await chosen(rig, app)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.2))
        [here] = app.hub.devices.values()
        await until(lambda: here.lead() is not None, "the phone's clock")
        now = asyncio.get_running_loop().time

        waited = here.output(0, ButtplugOutput.VIBRATE, 15, at=now() + 0.5)
        assert waited is not None
        at = now() + 0.5
        await asyncio.wait_for(waited, 5)
        orders = [op for op in rig.toy.record if op.op in WRITES and op.data == b"Vibrate:15;"]
        assert len(orders) == 1
        assert orders[0].t_ns / 1e9 > at - 0.05

        dropped = here.output(0, ButtplugOutput.VIBRATE, 18, at=now() + 0.5)
        assert dropped is not None
        await asyncio.wait_for(here.stop(), 5)
        await asyncio.wait_for(asyncio.wait([dropped]), 5)
        await asyncio.sleep(0.6)
        assert b"Vibrate:18;" not in [op.data for op in rig.toy.record if op.op in WRITES]
        assert rig.toy.at_rest
        await client.disconnect()
