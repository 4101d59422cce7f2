"""The official Python client, unmodified, against a hub and a relay: three processes."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from buttplug import ButtplugClient, ButtplugDevice, DeviceOutputCommand, OutputType

from tests.system.processes import house, until

TOYS = "Lovense Nora,Vorze UFO SA,Vorze Piston,Lovense Edge"


async def connect(url: str, devices: int) -> ButtplugClient:
    client = ButtplugClient("official")
    await client.connect(url)
    await client.start_scanning()
    await until(lambda: len(client.devices) == devices, f"{devices} devices")
    await client.stop_scanning()
    return client


def named(client: ButtplugClient, name: str) -> ButtplugDevice:
    return next(device for device in client.devices.values() if device.name == name)


async def test_it_scans_lists_drives_reads_stops_and_leaves(tmp_path: Path) -> None:
    async with house(tmp_path, TOYS) as home:
        client = await connect(home.url, 4)
        nora = named(client, "Lovense Nora")
        await nora.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await home.trace.until_write(b"Vibrate:10;")
        await nora.run_output(DeviceOutputCommand(OutputType.ROTATE, -1.0))
        await home.trace.until_write(b"RotateChange;")
        await home.trace.until_write(b"Rotate:20;")
        assert await nora.battery() == 0.85
        await named(client, "Vorze UFO SA").run_output(DeviceOutputCommand(OutputType.ROTATE, 0.5))
        await home.trace.until_write(bytes([2, 1, 0x80 | 50]))
        await named(client, "Vorze Piston").run_output(
            DeviceOutputCommand(OutputType.POSITION_WITH_DURATION, 1.0, 500)
        )
        await until(
            lambda: any(data[:2] == b"\x03\x63" for data in home.trace.writes()), "a stroke"
        )
        await nora.stop()
        assert home.trace.writes()[-2:] == [b"Vibrate:0;", b"Rotate:0;"]
        await client.stop_all_devices()
        await client.disconnect()


async def test_a_lost_server_is_noticed_by_the_client(tmp_path: Path) -> None:
    async with house(tmp_path, "Lovense Edge", embedded=True) as home:
        client = await connect(home.url, 1)
        lost = asyncio.Event()
        client.on_server_disconnect = lost.set
        home.hub.send(signal.SIGKILL)
        async with asyncio.timeout(5):
            await lost.wait()


async def test_a_device_keeps_its_index_over_a_kill_and_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, "Lovense Nora,Lovense Edge", embedded=True) as home:
        client = await connect(home.url, 2)
        before = {device.name: index for index, device in client.devices.items()}
        # Written behind: what was given half a second ago is not promised.
        indexes = tmp_path / "hub" / "indexes.json"
        await until(
            lambda: indexes.exists() and all(name in indexes.read_text() for name in before),
            "the indexes are written",
        )
        home.hub.send(signal.SIGKILL)
        await home.hub.wait()
    again = tmp_path / "again"
    again.mkdir()
    (tmp_path / "hub").rename(again / "hub")
    async with house(again, "Lovense Edge,Lovense Nora", embedded=True) as home:
        client = await connect(home.url, 2)
        assert {device.name: index for index, device in client.devices.items()} == before
        await client.disconnect()
