"""A client of its own: `python -m tests.faults.client URL` drives every output, for ever."""

from __future__ import annotations

import asyncio
import itertools
import sys

from buttplug import ButtplugClient, ButtplugError, DeviceOutputCommand, OutputType

from tests.system.processes import until

EVERY_S = 0.1


async def _connected(url: str) -> ButtplugClient:
    """A client of the hub, as soon as there is one."""
    while True:
        client = ButtplugClient("faults")
        try:
            await client.connect(url)
        except (ButtplugError, OSError):
            await asyncio.sleep(0.05)
        else:
            return client


async def _main(url: str) -> None:
    client = await _connected(url)
    await client.start_scanning()
    await until(lambda: bool(client.devices), "a device")
    for strength in itertools.cycle((1.0, 0.6)):
        for device in list(client.devices.values()):
            for kind in (OutputType.VIBRATE, OutputType.ROTATE):
                try:
                    await device.run_output(DeviceOutputCommand(kind, strength))
                except ButtplugError:
                    continue  # This device has no such output, or cannot be reached now.
        await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
