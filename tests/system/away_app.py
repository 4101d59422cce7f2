"""An app in a network namespace: drives the only toy of the hub there, again and again, until it is
told to stop. By the official Python client."""

from __future__ import annotations

import asyncio
import signal
import sys

from buttplug import ButtplugClient, ButtplugDevice, ButtplugError, DeviceOutputCommand, OutputType

from tests.system.processes import until

AGAIN_S = 0.2


async def main(url: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = ButtplugClient("away")
    await client.connect(url)
    await client.start_scanning()
    await until(lambda: bool(client.devices), "a device")
    await client.stop_scanning()
    (first,) = client.devices.values()
    print(f"battery {await first.battery():.2f}")
    said = ""
    while not stop.is_set():
        told = "driven"
        try:
            for device in tuple(client.devices.values()):
                await _drive(device)
            if not client.devices:
                told = "no device"
            elif set(client.devices) != {first.index}:
                told = f"other indexes: {sorted(client.devices)}"
        except ButtplugError as error:
            told = f"refused: {error}"
        if told != said:
            print(told)
            said = told
        await asyncio.sleep(AGAIN_S)
    await client.stop_all_devices()
    print("stopped")
    await client.disconnect()


async def _drive(device: ButtplugDevice) -> None:
    await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, 1.0))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
