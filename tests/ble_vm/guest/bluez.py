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

ADAPTER = "/org/bluez/hci0"
PROPERTIES = "org.freedesktop.DBus.Properties"
POWERED = ("org.bluez.Adapter1", "Powered")


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


async def power(on: bool = True) -> None:
    """Switch the adapter on or off; returns when bluetoothd says that it is."""
    async with asyncio.timeout(PATIENCE_S):
        while await _powered() is not on:
            await call(ADAPTER, PROPERTIES, "Set", "ssv", *POWERED, Variant("b", on))
            await asyncio.sleep(POLL_S)


async def no_adapter() -> None:
    """Return when bluetoothd knows of no adapter."""
    async with asyncio.timeout(PATIENCE_S):
        while await _powered() is not None:  # noqa: ASYNC110 - it is another process that acts
            await asyncio.sleep(POLL_S)


async def _powered() -> bool | None:
    """None: there is no adapter."""
    reply = await call(ADAPTER, PROPERTIES, "Get", "ss", *POWERED)
    if reply.message_type is not MessageType.METHOD_RETURN:
        return None
    return bool(reply.body[0].value)


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
