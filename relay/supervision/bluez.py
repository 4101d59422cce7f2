"""Writes to, and disconnects, peripherals that BlueZ holds. The caller sets every deadline."""

from __future__ import annotations

from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from relay.radio.gatt import with_response
from relay.supervision.errors import PeripheralGone, Unreached
from relay.supervision.holds import HeldWrite

_BLUEZ = "org.bluez"
_DEVICE = "org.bluez.Device1"
_CHARACTERISTIC = "org.bluez.GattCharacteristic1"
_NO_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
_NOT_CONNECTED = ("org.bluez.Error.NotConnected", "Not connected")


class BluezError(Unreached):
    """The bus or BlueZ did not do it; trying again may help."""


class Bluez:
    """One connection to the system bus, made when it is first needed and again when it is lost."""

    def __init__(self) -> None:
        self._bus: MessageBus | None = None
        self._places: dict[str, _BusPlace] = {}

    async def look_up(self, address: str) -> None:
        """Find the objects of a connected peripheral, so that this takes no time later."""
        reply = await self._call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        objects = reply.body[0]
        for path, interfaces in objects.items():
            device = interfaces.get(_DEVICE)
            if device is None or device["Address"].value.upper() != address.upper():
                continue
            if device["Connected"].value:
                self._places[address] = _BusPlace(path, _characteristics(path, objects))
                return
        raise PeripheralGone(f"{address} is not connected")

    def forget(self, address: str) -> None:
        """This peripheral has gone; its objects may be others when it comes back."""
        self._places.pop(address, None)

    async def write(self, address: str, write: HeldWrite) -> None:
        """Return once BlueZ has taken the bytes. Raises BluezError, Gone."""
        found = (await self._place(address)).characteristics.get(write.handle)
        if found is None:
            raise BluezError(f"{address} has no characteristic with handle {write.handle}")
        path, flags = found
        kind = "request" if with_response(flags, write.response) else "command"
        body: list[object] = [write.data, {"type": Variant("s", kind)}]
        await self._call(path, _CHARACTERISTIC, "WriteValue", "aya{sv}", body)

    async def disconnect(self, address: str) -> None:
        """Let the peripheral go. BlueZ itself takes 2 s for it."""
        await self._call((await self._place(address)).device, _DEVICE, "Disconnect")

    def close(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    async def _place(self, address: str) -> _BusPlace:
        if address not in self._places:
            await self.look_up(address)
        return self._places[address]

    async def _call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: list[object] | None = None,
    ) -> Message:
        try:
            if self._bus is None or not self._bus.connected:
                self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            reply = await self._bus.call(
                Message(
                    destination=_BLUEZ,
                    path=path,
                    interface=interface,
                    member=member,
                    signature=signature,
                    body=body or [],
                )
            )
        except (DBusFastError, OSError, EOFError) as error:
            self.close()
            raise BluezError(f"no D-Bus: {error}") from error
        if reply is None:
            raise BluezError("no answer")
        if reply.message_type is MessageType.METHOD_RETURN:
            return reply
        text = str(reply.body[0]) if reply.body else ""
        if reply.error_name == _NO_OBJECT or reply.error_name in _NOT_CONNECTED:
            raise PeripheralGone(text)
        if text in _NOT_CONNECTED:
            raise PeripheralGone(text)
        raise BluezError(f"{reply.error_name}: {text}")


class _BusPlace:
    """Where a peripheral is on the bus. `characteristics`: handle → path and flags."""

    __slots__ = ("characteristics", "device")

    def __init__(self, device: str, characteristics: dict[int, tuple[str, list[str]]]) -> None:
        self.device = device
        self.characteristics = characteristics


def _characteristics(
    device: str, objects: dict[str, dict[str, dict[str, Variant]]]
) -> dict[int, tuple[str, list[str]]]:
    """BlueZ's paths end in the handle that bleak uses: …/service0010/char0011."""
    return {
        int(path[-4:], 16): (path, interfaces[_CHARACTERISTIC]["Flags"].value)
        for path, interfaces in objects.items()
        if path.startswith(device + "/") and _CHARACTERISTIC in interfaces
    }
