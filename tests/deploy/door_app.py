"""An app of the person's, in a process of its own: drives the first toy until the server goes.

python -m tests.deploy.door_app URL
"""

from __future__ import annotations

import asyncio
import sys
import time

from buttplug import ButtplugClient, DeviceOutputCommand, OutputType

from tests.system.processes import until


async def main(url: str) -> None:
    client = ButtplugClient("official")
    lost = asyncio.Event()
    client.on_server_disconnect = lost.set
    await client.connect(url)
    await client.start_scanning()
    await until(lambda: len(client.devices) > 0, "a device")
    await client.stop_scanning()
    toy = next(iter(client.devices.values()))
    await toy.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
    print("driven", flush=True)
    await lost.wait()
    print(f"lost {time.monotonic_ns()}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
