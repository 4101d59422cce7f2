"""Which adapters BlueZ has, and whether they are on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

try:
    from dbus_fast import BusType, DBusFastError, Message, MessageType
    from dbus_fast.aio import MessageBus
except ImportError:  # only Linux has it
    pass

_ADAPTER = "org.bluez.Adapter1"
_DENIED = ("AccessDenied", "NotAuthorized")


class NoBluez(Exception):
    """BlueZ does not answer; its text says what to do."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """`central`: it can talk to toys at all."""

    name: str
    powered: bool
    central: bool = True


async def adapters_of_bluez(timeout_s: float) -> list[Adapter]:
    """Ask on the system bus. Raises NoBluez."""
    bus: MessageBus | None = None
    try:
        async with asyncio.timeout(timeout_s):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            reply = await bus.call(
                Message(
                    destination="org.bluez",
                    path="/",
                    interface="org.freedesktop.DBus.ObjectManager",
                    member="GetManagedObjects",
                )
            )
    except TimeoutError as error:
        raise NoBluez(
            "BlueZ does not answer: restart it with `sudo systemctl restart bluetooth`."
        ) from error
    except (OSError, EOFError, DBusFastError) as error:
        raise NoBluez(
            "The system D-Bus cannot be used, which BlueZ needs: start it with `sudo systemctl"
            " start dbus`, or, in a container, pass /run/dbus in."
        ) from error
    finally:
        if bus is not None:
            bus.disconnect()
    if reply is None or reply.message_type is MessageType.ERROR:
        name = "" if reply is None else reply.error_name or ""
        if any(word in name for word in _DENIED):
            raise NoBluez(
                "The system does not let this user use Bluetooth: add it to the group bluetooth"
                " (`sudo usermod -aG bluetooth $USER`), and sign in again."
            )
        raise NoBluez(
            "BlueZ is not running: install and start it, `sudo systemctl enable --now bluetooth`."
        )
    return sorted(_adapters(reply.body[0]), key=lambda adapter: adapter.name)


def _adapters(objects: dict[str, dict[str, dict[str, Any]]]) -> list[Adapter]:
    found = []
    for path, interfaces in objects.items():
        if (about := interfaces.get(_ADAPTER)) is not None:
            roles = about["Roles"].value if "Roles" in about else ["central"]
            found.append(
                Adapter(path.rsplit("/", 1)[-1], bool(about["Powered"].value), "central" in roles)
            )
    return found
