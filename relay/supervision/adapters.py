"""Which adapters BlueZ has, and whether they are on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Never

from relay.supervision.bounds import ADAPTERS_AGAIN_S, ASK_S, BURST_S, LOOK_S

try:
    from dbus_fast import BusType, DBusFastError, Message, MessageType
    from dbus_fast.aio import MessageBus
except ImportError:  # only Linux has it
    pass

_ADAPTER = "org.bluez.Adapter1"
_MANAGER = "org.bluez.LEAdvertisingManager1"
_DENIED = ("AccessDenied", "NotAuthorized")


class NoBluez(Exception):
    """BlueZ does not answer; its text says what to do."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """`central`: it can talk to toys at all. `advertises`: it can, through BlueZ."""

    name: str
    powered: bool
    central: bool = True
    address: str = ""
    advertises: bool = False


KnownAdapters = Sequence[Adapter] | NoBluez

_SIGNALS = (
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',"
    f"arg0='{_ADAPTER}'",
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
)


async def adapters_of_bluez(timeout_s: float) -> list[Adapter]:
    """Ask on the system bus. Raises NoBluez."""
    bus: MessageBus | None = None
    try:
        async with asyncio.timeout(timeout_s):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            return _told(await bus.call(_question()))
    except TimeoutError as error:
        raise NoBluez(_STUCK) from error
    except (OSError, EOFError, DBusFastError) as error:
        raise NoBluez(_NO_BUS) from error
    finally:
        if bus is not None:
            bus.disconnect()


async def watch_adapters(tell: Callable[[KnownAdapters], None]) -> Never:
    """Tell which adapters there are, and again after each change, until cancelled."""
    while True:
        try:
            await _follow(tell)
        except NoBluez as error:
            tell(error)
        await asyncio.sleep(ADAPTERS_AGAIN_S)


async def _follow(tell: Callable[[KnownAdapters], None]) -> Never:
    bus: MessageBus | None = None
    news = asyncio.Event()

    def heard(message: Message) -> None:
        # Of objects only adapters matter; devices come and go all the time.
        objects = message.member in ("InterfacesAdded", "InterfacesRemoved")
        if message.message_type is MessageType.SIGNAL and (
            not objects or _ADAPTER in message.body[1]
        ):
            news.set()

    try:
        async with asyncio.timeout(ASK_S):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            bus.add_message_handler(heard)
            for rule in _SIGNALS:
                await bus.call(_match(rule))
        while True:
            news.clear()
            async with asyncio.timeout(ASK_S):
                tell(_told(await bus.call(_question())))
            try:
                async with asyncio.timeout(LOOK_S):
                    await news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(BURST_S)
    except TimeoutError as error:
        raise NoBluez(_STUCK) from error
    except (OSError, EOFError, DBusFastError) as error:
        raise NoBluez(_NO_BUS) from error
    finally:
        if bus is not None:
            bus.disconnect()


def _question() -> Message:
    return Message(
        destination="org.bluez",
        path="/",
        interface="org.freedesktop.DBus.ObjectManager",
        member="GetManagedObjects",
    )


def _match(rule: str) -> Message:
    return Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="AddMatch",
        signature="s",
        body=[rule],
    )


_STUCK = "BlueZ does not answer: restart it with `sudo systemctl restart bluetooth`."
_NO_BUS = (
    "The system D-Bus cannot be used, which BlueZ needs: start it with `sudo systemctl start dbus`,"
    " or, in a container, pass /run/dbus in."
)


def _told(reply: Message | None) -> list[Adapter]:
    """What BlueZ answers. Raises NoBluez."""
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
            address = about["Address"].value if "Address" in about else ""
            name, powered = path.rsplit("/", 1)[-1], bool(about["Powered"].value)
            able = _MANAGER in interfaces
            found.append(Adapter(name, powered, "central" in roles, address, able))
    return found
