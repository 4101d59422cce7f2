"""A private D-Bus, and on it a tree of objects such as BlueZ exports."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"""

START_S = 10

Interfaces = dict[str, dict[str, Variant]]
Answer = tuple[str, list[object]]
NOTHING: Answer = ("", [])


@contextlib.asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """Run a dbus-daemon; gives its address. FileNotFoundError where none is installed."""
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        socket, configuration = _configure(Path(folder))
        daemon = await asyncio.create_subprocess_exec(
            "dbus-daemon",
            f"--config-file={configuration}",
            "--nofork",
            "--nopidfile",
            "--print-address",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert daemon.stdout is not None
            async with asyncio.timeout(START_S):
                await daemon.stdout.readline()
            yield f"unix:path={socket}"
        finally:
            daemon.terminate()
            await daemon.wait()


def _configure(folder: Path) -> tuple[Path, Path]:
    socket, configuration = folder / "bus", folder / "configuration"
    configuration.write_text(CONFIGURATION.format(socket=socket))
    return socket, configuration


class Tree:
    """Objects with interfaces with properties; every change is signalled."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.objects: dict[str, Interfaces] = {}

    def add(self, path: str, interfaces: Interfaces) -> None:
        self.objects[path] = interfaces
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path: str) -> None:
        """Remove the object and all below it, leaves first."""
        below = (one for one in self.objects if one == path or one.startswith(path + "/"))
        for one in sorted(below, reverse=True):
            interfaces = list(self.objects.pop(one))
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [one, interfaces])

    def change(self, path: str, interface: str, **values: Variant) -> None:
        self.objects[path][interface].update(values)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, values, []])

    def get(self, path: str, interface: str, name: str) -> object:
        value: object = self.objects[path][interface][name].value
        return value

    def call(self, path: str, interface: str, member: str, body: list[object]) -> Answer | None:
        """Answer the standard interfaces; None for others. KeyError: there is no such object."""
        if interface == OBJECT_MANAGER:
            return "a{oa{sa{sv}}}", [self.objects]
        if interface != PROPERTIES:
            return None
        properties = self.objects[path][str(body[0])]
        if member == "GetAll":
            return "a{sv}", [properties]
        if member == "Get":
            return "v", [properties[str(body[1])]]
        assert isinstance(body[2], Variant)
        self.change(path, str(body[0]), **{str(body[1]): body[2]})
        return NOTHING

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[object]
    ) -> None:
        signal = Message(
            message_type=MessageType.SIGNAL,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
        )
        self._bus.send(signal)
