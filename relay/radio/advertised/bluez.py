"""One advertisement through BlueZ: `Advertiser`. Source: bluez, doc/org.bluez.LEAdvertis*.rst.

BlueZ keeps it for as long as this process is on the bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from relay.radio.bounds import ANSWER_S, COMPANY, INTERVAL_MS
from relay.radio.gatt import canonical_address

_BLUEZ = "org.bluez"
_ADAPTER = "org.bluez.Adapter1"
_MANAGER = "org.bluez.LEAdvertisingManager1"
_ADVERTISEMENT = "org.bluez.LEAdvertisement1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_OBJECTS = "org.freedesktop.DBus.ObjectManager"
_PATH = "/buttplug_relay/advertisement"
# Without flags of the kernel's, which are 3 bytes, as many zeros have to stand before the frame.
_PADDING = bytes(3)
_SIGNALS = (
    f"type='signal',sender='{_BLUEZ}',interface='{_PROPERTIES}',arg0='{_ADAPTER}'",
    f"type='signal',sender='{_BLUEZ}',interface='{_OBJECTS}',member='InterfacesRemoved'",
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{_BLUEZ}'",
)
_SILENT = "BlueZ does not answer: sudo systemctl restart bluetooth"
_UNPLUGGED = "The Bluetooth adapter was unplugged."


class CannotAdvertise(Exception):
    """Its text says what to do, in a line."""


class Advertiser:
    """`lost(text)` is called once when what was on the air may not be there any more."""

    def __init__(self, bus: MessageBus, adapter: str, flags: bool, lost: Callable[[str], None]):
        self._bus = bus
        self._adapter = adapter
        self._padding = b"" if flags else _PADDING
        self._lost: Callable[[str], None] | None = lost
        self._data: bytes | None = None
        # Advertisements of other programs at this adapter; they take turns with ours.
        self.others = 0
        bus.add_message_handler(self._take)

    @classmethod
    async def open(cls, adapter: str, lost: Callable[[str], None]) -> Advertiser:
        """Use `adapter`, by its name or address; "": the first that is on. Raises
        CannotAdvertise."""
        async with _in_time("The system D-Bus cannot be used: sudo systemctl start dbus"):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        try:
            for rule in _SIGNALS:
                await _call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                            "org.freedesktop.DBus", "AddMatch", "s", [rule])  # fmt: skip
            reply = await _call(bus, _BLUEZ, "/", _OBJECTS, "GetManagedObjects")
            path, interfaces = _chosen(reply.body[0], canonical_address(adapter))
            # An adapter for LE alone has no class; the kernel puts flags before its data.
            made = cls(bus, path, interfaces[_ADAPTER]["Class"].value == 0, lost)
            made.others = interfaces[_MANAGER]["ActiveInstances"].value
        except BaseException:
            bus.disconnect()
            raise
        return made

    async def put(self, frame: bytes) -> None:
        """Return once it is on the air, in place of the last one. Raises CannotAdvertise."""
        fresh, self._data = self._data is None, self._padding + frame
        if not fresh:
            body = [_ADVERTISEMENT, {"ManufacturerData": self._manufacturer}, []]
            signal = Message(
                message_type=MessageType.SIGNAL, path=_PATH, interface=_PROPERTIES,
                member="PropertiesChanged", signature="sa{sv}as", body=body,
            )  # fmt: skip
            async with _in_time(_SILENT):
                await self._bus.send(signal)
            # What one program says arrives in order: with this answer, BlueZ has the signal.
            await _call(self._bus, _BLUEZ, self._adapter, _PROPERTIES, "Get", "ss",
                        [_MANAGER, "ActiveInstances"])  # fmt: skip
            return
        try:
            await _call(self._bus, _BLUEZ, self._adapter, _MANAGER, "RegisterAdvertisement",
                        "oa{sv}", [_PATH, {}])  # fmt: skip
        except CannotAdvertise:
            self._data = None
            raise

    async def take_down(self) -> None:
        """Nothing is on the air when this returns. Idempotent."""
        if self._data is not None:
            self._data = None
            await _call(self._bus, _BLUEZ, self._adapter, _MANAGER, "UnregisterAdvertisement",
                        "o", [_PATH])  # fmt: skip

    def close(self) -> None:
        """BlueZ takes down what is on the air. Idempotent."""
        self._lost = None
        self._bus.disconnect()

    # --- what BlueZ asks and says --------------------------------------------------------------

    @property
    def _manufacturer(self) -> Variant:
        return Variant("a{qv}", {COMPANY: Variant("ay", self._data or b"")})

    def _take(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.METHOD_CALL and message.path == _PATH:
            return self._answer(message)
        if message.message_type is MessageType.SIGNAL and (text := self._bad_news(message)):
            self._tell(text)
        return None

    def _answer(self, message: Message) -> Message:
        if message.member == "Release":
            self._data = None
            self._tell("Bluetooth has ended the advertisement.")
            return Message.new_method_return(message)
        shown = {
            "Type": Variant("s", "broadcast"),
            "ManufacturerData": self._manufacturer,
            "MinInterval": Variant("u", INTERVAL_MS),
            "MaxInterval": Variant("u", INTERVAL_MS),
        }
        match message.member:
            case "GetAll":
                return Message.new_method_return(message, "a{sv}", [shown])
            case "Get" if (value := shown.get(message.body[1])) is not None:
                return Message.new_method_return(message, "v", [value])
            case "GetManagedObjects":
                objects = {_PATH: {_ADVERTISEMENT: shown}}
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        unknown = "org.freedesktop.DBus.Error.UnknownMethod"
        return Message.new_error(message, unknown, f"no {message.member}")

    def _bad_news(self, message: Message) -> str:
        body = message.body
        if message.member == "NameOwnerChanged" and body[0] == _BLUEZ:
            return "Bluetooth was started anew."
        if message.member == "InterfacesRemoved" and body[0] == self._adapter:
            return _UNPLUGGED
        if message.member == "PropertiesChanged" and message.path == self._adapter:
            powered = body[1].get("Powered")
            return "Bluetooth was switched off." if powered and not powered.value else ""
        return ""

    def _tell(self, text: str) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(text)


def _chosen(objects: dict[str, Any], said: str) -> tuple[str, dict[str, Any]]:
    """The path and interfaces of the adapter that is meant. Raises CannotAdvertise."""
    found = {
        path: interfaces
        for path, interfaces in sorted(objects.items())
        if _ADAPTER in interfaces
        and said in ("", path.rsplit("/", 1)[-1], interfaces[_ADAPTER]["Address"].value)
    }
    if not found:
        raise CannotAdvertise(f"There is no Bluetooth adapter {said}".strip() + ": plug it in.")
    able = {path: one for path, one in found.items() if _MANAGER in one}
    if not able:
        raise CannotAdvertise("This Bluetooth adapter cannot advertise: use another one.")
    on = {path: one for path, one in able.items() if one[_ADAPTER]["Powered"].value}
    if not on:
        raise CannotAdvertise("Bluetooth is switched off: bluetoothctl power on")
    return next(iter(on.items()))


@asynccontextmanager
async def _in_time(otherwise: str) -> AsyncIterator[None]:
    """Raises CannotAdvertise, with these words."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except (TimeoutError, OSError, EOFError, DBusFastError) as error:
        raise CannotAdvertise(otherwise) from error


async def _call(
    bus: MessageBus,
    destination: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: list[Any] | None = None,
) -> Message:
    """Raises CannotAdvertise."""
    call = Message(
        destination=destination, path=path, interface=interface, member=member,
        signature=signature, body=body or [],
    )  # fmt: skip
    async with _in_time(_SILENT):
        reply = await bus.call(call)
    if reply is None or reply.message_type is MessageType.ERROR:
        name = "" if reply is None else reply.error_name or ""
        if name.endswith(("UnknownObject", "UnknownMethod")):
            raise CannotAdvertise(_UNPLUGGED)
        if name.endswith("ServiceUnknown"):
            raise CannotAdvertise("BlueZ is not running: sudo systemctl enable --now bluetooth")
        if name.endswith("NotPermitted"):
            text = "All places for advertisements are taken: end another program that advertises."
            raise CannotAdvertise(text)
        said = " ".join(str(reply.body[0]).split()) if reply is not None and reply.body else name
        raise CannotAdvertise(f"BlueZ does not advertise: {said}")
    return reply
