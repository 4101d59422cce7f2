"""Runs PyPI's buttplug-py: `python client_host.py VERSION URL`, with the package on PYTHONPATH.

Drives the one device and stops it, three times: by feature commands, by StopDeviceCmd, by
StopAllDevices. Says a line after each step, and waits for one on standard input.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

# The official client has the same name, and is what type checkers find.
buttplug = import_module("buttplug")
v0, v1 = (import_module(f"buttplug.messages.v{n}") for n in (0, 1))
HALF = 0.5


async def step(what: str) -> None:
    print(what, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def drive(client: Any, version: int) -> None:
    if version >= 2:
        await client.devices[0].actuators[0].command(HALF)
    elif version == 1:
        await client.send(v1.VibrateCmd(0, [v1.Speed(0, HALF)]))
    else:
        await client.send(v0.SingleMotorVibrateCmd(0, HALF))


async def main(version: int, url: str) -> None:
    client = buttplug.Client("buttplug-py", buttplug.ProtocolSpec(version))
    # Its objects for devices of v0 and v1 fail on every list that keeps to the specification, in
    # its own code; the session is there, and its messages work.
    with suppress(*((TypeError, AttributeError) if version < 2 else ())):
        await client.connect(buttplug.WebsocketConnector(url))
    await client.start_scanning()
    await client.stop_scanning()
    await drive(client, version)
    await step("drives")
    if version >= 2:
        await client.devices[0].stop()
    else:
        await client.send(v0.StopDeviceCmd(0))
    await step("stopped")
    await drive(client, version)
    await step("drives")
    await client.stop_all()
    await step("stopped")
    await client.disconnect()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
