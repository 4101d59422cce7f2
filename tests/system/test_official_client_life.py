"""The official Python client goes through what the JavaScript clients go through."""

from __future__ import annotations

from pathlib import Path

from buttplug import ButtplugClient, ButtplugDevice, DeviceOutputCommand, OutputType

from tests.system.js.clients import JsClient
from tests.system.js.life import TOYS, sudden_end, whole_life
from tests.system.processes import house


class PythonClient(JsClient):
    """It, by the calls that the JavaScript adapters have."""

    def __init__(self) -> None:
        self._client = ButtplugClient("official Python")
        self._lost = False
        self._client.on_server_disconnect = self._note

    def _note(self) -> None:
        self._lost = True

    def _named(self, name: object) -> ButtplugDevice:
        return next(device for device in self._client.devices.values() if device.name == name)

    async def call(self, method: str, *args: object) -> object:
        match method, *args:
            case "connect", str(url):
                await self._client.connect(url)
            case "startScanning", *_:
                await self._client.start_scanning()
            case "stopScanning", *_:
                await self._client.stop_scanning()
            case "names", *_:
                return [device.name for device in self._client.devices.values()]
            case "output", name, str(kind), {"share": float(share), "steps": int(steps), **more}:
                value = -share if steps < 0 else share
                duration = more.get("duration")
                ms = duration if isinstance(duration, int) else None
                await self._named(name).run_output(DeviceOutputCommand(OutputType(kind), value, ms))
            case "battery", name:
                battery: float = await self._named(name).battery()
                return battery
            case "stop", name:
                await self._named(name).stop()
            case "stopAll", *_:
                await self._client.stop_all_devices()
            case "disconnect", *_:
                await self._client.disconnect()
            case "connected", *_:
                return bool(self._client.connected)
            case "lost", *_:
                return self._lost
            case _:
                raise AssertionError(method)
        return None


async def test_it_does_all_it_can_and_notices_a_killed_server(tmp_path: Path) -> None:
    async with house(tmp_path, ",".join(TOYS)) as home:
        await whole_life(PythonClient(), home)
        await sudden_end(PythonClient(), home)
