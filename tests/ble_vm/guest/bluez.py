"""What tests want of the genuine bluetoothd, by D-Bus and by signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

# bluetoothd sets a new adapter up in half a second; ten times that on a busy computer.
PATIENCE_S = 10.0
POLL_S = 0.05


async def call(
    path: str, interface: str, member: str, signature: str = "", *body: object
) -> Message:
    """Return bluetoothd's reply, which may be an error."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        reply = await bus.call(
            Message(
                destination="org.bluez",
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
    finally:
        bus.disconnect()
    assert reply is not None
    return reply


async def powered_adapter(there: bool = True) -> None:
    """Return once hci0 is there and on; or, not `there`, gone."""
    properties = "org.freedesktop.DBus.Properties"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reply = await call(
                "/org/bluez/hci0", properties, "Get", "ss", "org.bluez.Adapter1", "Powered"
            )
            found = reply.message_type is MessageType.METHOD_RETURN
            if found == there and (not there or reply.body[0].value):
                return
            if found and there:
                on = Variant("b", True)
                await call(
                    "/org/bluez/hci0", properties, "Set", "ssv", "org.bluez.Adapter1", "Powered", on
                )
            await asyncio.sleep(POLL_S)


async def connected() -> set[str]:
    """The addresses of the peripherals that bluetoothd says are connected."""
    reply = await call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    devices = [
        one["org.bluez.Device1"] for one in reply.body[0].values() if "org.bluez.Device1" in one
    ]
    return {one["Address"].value for one in devices if one["Connected"].value}


def kill_bluetoothd() -> None:
    """End it at once; the machine's init starts another."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue  # Ended meanwhile.
        if name == "bluetoothd":
            os.kill(int(folder.name), signal.SIGKILL)
