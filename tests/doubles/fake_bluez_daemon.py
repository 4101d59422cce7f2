"""`FakeBluez`: adapter hci0 with simulated toys, as BlueZ shows them on D-Bus.

    async with private_bus() as address, FakeBluez.on(address, toys) as bluez: ...

What it takes from BlueZ: devices appear when they are seen; GATT objects come and go with the
connection; one connect at a time; one operation at a time per device (else InProgress); discovery
ends with the client that asked for it, connections stay when their client dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.toy import Toy
from tests.doubles.fake_bluez_bus import NOTHING, Answer, Tree

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
ADAPTER_PATH = "/org/bluez/hci0"

GENERIC_ACCESS = "00001800-0000-1000-8000-00805f9b34fb"

# BlueZ tells of a signal strength that differs by this much (dB): adapter.c, RSSI_THRESHOLD.
RSSI_THRESHOLD = 8
ADVERTISE_EVERY_S = 0.05
# BlueZ pages for 20 s and more; tests have no such patience.
PAGE_S = 0.3


class BluezError(Exception):
    """An error reply, named as BlueZ names it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = f"org.bluez.Error.{name}"
        self.text = text


# How BlueZ says what our faults mean.
ERRORS = {
    ErrorCode.BUSY: ("InProgress", "In Progress"),
    ErrorCode.REFUSED: ("NotPermitted", "Write not permitted"),
    ErrorCode.GONE: ("Failed", "Not connected"),
    ErrorCode.TIMEOUT: ("Failed", "le-connection-timeout"),
    ErrorCode.RADIO: ("Failed", "Operation failed"),
}


class FakeBluez:
    """Owns org.bluez on a bus. `toys` carry faults and records; `calls` is what clients asked for.

    `connect_errors`: the next calls of Connect fail with these. `lost_discoveries`: so many next
    connections break while services are looked up; `empty_discoveries`: so many find none.
    """

    def __init__(self, bus: MessageBus, tasks: asyncio.TaskGroup, toys: Sequence[Toy]) -> None:
        self.toys = tuple(toys)
        self.calls: list[tuple[str, str]] = []
        self.connect_errors: list[BluezError] = []
        self.lost_discoveries = 0
        self.empty_discoveries = 0
        self.tree = Tree(bus)
        self._bus = bus
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()
        self._discovering: set[str] = set()
        # Signal strengths told in this discovery. Steady ones are told again only to who filters.
        self._told: dict[str, int] = {}
        self._filtering: set[str] = set()
        self._connecting: Toy | None = None
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The operation that each toy is busy with; it fails when the link is lost.
        self._current: dict[str, asyncio.Future[None]] = {}
        self.tree.objects[ADAPTER_PATH] = {ADAPTER: _adapter()}
        for toy in self.toys:
            toy.on_link_lost = self._when_lost(toy)

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, address: str, toys: Sequence[Toy]) -> AsyncIterator[FakeBluez]:
        """Be BlueZ on the bus at `address` for a while."""
        bus = await MessageBus(bus_address=address).connect()
        try:
            async with asyncio.TaskGroup() as tasks:
                bluez = cls(bus, tasks, toys)
                bus.add_message_handler(bluez.take)
                await _watch_names(bus)
                await bus.request_name("org.bluez")
                advertiser = tasks.create_task(bluez.advertise(), name="advertise")
                yield bluez
                bus.remove_message_handler(bluez.take)
                advertiser.cancel()
                for call in tuple(bluez._running):
                    call.cancel()
        finally:
            bus.disconnect()
            with contextlib.suppress(EOFError):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    # --- what tests do to it -------------------------------------------------------------------

    @property
    def discovering(self) -> bool:
        return bool(self._discovering)

    def power(self, *, on: bool) -> None:
        """Switch the adapter; off loses all links and ends discovery."""
        if not on:
            for toy in self.toys:
                toy.drop("the adapter was switched off")
            self._discovering.clear()
            self.tree.change(ADAPTER_PATH, ADAPTER, Discovering=Variant("b", False))
        self.tree.change(ADAPTER_PATH, ADAPTER, Powered=Variant("b", on))

    def deafen(self) -> None:
        """End every discovery without telling anyone, as adapters do that were reset."""
        self._discovering.clear()

    def forget(self, toy: Toy) -> None:
        """Remove the device, as BlueZ does half a minute after it was last seen."""
        if _path(toy) in self.tree.objects:
            self.tree.remove(_path(toy))

    # --- devices -------------------------------------------------------------------------------

    async def advertise(self) -> None:
        while True:
            for toy in self.toys:
                if self._discovering and toy.in_range and not toy.connected:
                    self._see(toy)
            await asyncio.sleep(ADVERTISE_EVERY_S)

    def _see(self, toy: Toy) -> None:
        path, shown = _path(toy), _device(toy)
        told = self._told.get(path)
        if told is not None and abs(told - toy.rssi) < RSSI_THRESHOLD and not self._filtering:
            return
        self._told[path] = toy.rssi
        if path not in self.tree.objects:
            self.tree.add(path, {DEVICE: shown})
        else:
            heard = {name: shown[name] for name in ("RSSI", "Name", "ManufacturerData")}
            self.tree.change(path, DEVICE, **heard)

    def _when_lost(self, toy: Toy) -> Callable[[str], None]:
        return lambda _: self._disconnected(toy)

    def _disconnected(self, toy: Toy) -> None:
        if not toy.connected:
            return
        toy.link_down()
        current = self._current.get(toy.address)
        if current is not None and not current.done():
            current.set_exception(RadioError(ErrorCode.GONE, "Not connected"))
        path = _path(toy)
        self.tree.change(path, DEVICE, ServicesResolved=Variant("b", False))
        for service in [one for one in self.tree.objects if one.startswith(f"{path}/")]:
            self.tree.remove(service)
        self.tree.change(path, DEVICE, Connected=Variant("b", False))

    def _expose(self, toy: Toy) -> None:
        for service in toy.services:
            path = f"{_path(toy)}/service{_service_handle(toy, service.uuid):04x}"
            shown = {
                "UUID": Variant("s", service.uuid),
                "Device": Variant("o", _path(toy)),
                "Primary": Variant("b", True),
                "Includes": Variant("ao", []),
            }
            self.tree.add(path, {SERVICE: shown})
            for one in service.characteristics:
                shown = {
                    "UUID": Variant("s", one.uuid),
                    "Service": Variant("o", path),
                    "Value": Variant("ay", b""),
                    "Notifying": Variant("b", False),
                    "Flags": Variant("as", list(one.properties)),
                    "MTU": Variant("q", toy.model.mtu),
                }
                self.tree.add(f"{path}/char{one.handle:04x}", {CHARACTERISTIC: shown})

    # --- calls ---------------------------------------------------------------------------------

    def take(self, message: Message) -> bool | None:
        if message.member == "NameOwnerChanged" and not message.body[2]:
            # That client is gone, and its discovery with it; connections it made stay.
            self._discovering.discard(message.body[0])
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if message.interface == "org.freedesktop.DBus.Peer":
            return None
        call = self._tasks.create_task(self._answer(message))
        self._running.add(call)
        call.add_done_callback(self._running.discard)
        return True

    async def _answer(self, message: Message) -> None:
        try:
            signature, body = await self._call(message)
        except BluezError as error:
            reply = Message.new_error(message, error.name, error.text)
        except KeyError:
            unknown = "org.freedesktop.DBus.Error.UnknownObject"
            reply = Message.new_error(message, unknown, f"no object {message.path}")
        else:
            reply = Message.new_method_return(message, signature, body)
        self._bus.send(reply)

    async def _call(self, message: Message) -> Answer:
        path, interface = str(message.path), str(message.interface)
        member, body = str(message.member), message.body
        self.calls.append((path, member))
        standard = self.tree.call(path, interface, member, body)
        if standard is not None:
            return standard
        if path not in self.tree.objects:
            raise KeyError(path)
        if interface == ADAPTER:
            return self._adapter_call(member, str(message.sender), body)
        toy = next(toy for toy in self.toys if path.startswith(_path(toy)))
        if interface == DEVICE:
            return await self._device_call(toy, member)
        if interface == CHARACTERISTIC:
            return await self._gatt_call(toy, path, member, body)
        raise BluezError("NotSupported", f"{interface}.{member}")

    def _adapter_call(self, member: str, sender: str, body: list[object]) -> Answer:
        if not self.tree.get(ADAPTER_PATH, ADAPTER, "Powered"):
            raise BluezError("NotReady", "Resource Not Ready")
        if member == "StartDiscovery":
            if sender in self._discovering:
                raise BluezError("InProgress", "Operation already in progress")
            if not self._discovering:
                self._told.clear()
            self._discovering.add(sender)
        elif member == "SetDiscoveryFilter":
            filters = body[0]
            assert isinstance(filters, dict)
            (self._filtering.add if "RSSI" in filters else self._filtering.discard)(sender)
        elif member == "StopDiscovery":
            if sender not in self._discovering:
                raise BluezError("Failed", "No discovery started")
            self._discovering.discard(sender)
        elif member == "RemoveDevice":
            self.tree.remove(str(body[0]))
        now = Variant("b", bool(self._discovering))
        self.tree.change(ADAPTER_PATH, ADAPTER, Discovering=now)
        return NOTHING

    async def _device_call(self, toy: Toy, member: str) -> Answer:
        if member == "Connect":
            await self._connect(toy)
        elif member == "Disconnect" and self._connecting is toy and not self._given_up.done():
            # BlueZ gives up a connection that is being made.
            self._given_up.set_exception(RadioError(ErrorCode.GONE, "given up"))
            self._given_up.exception()  # nobody has to wait for it
        elif member == "Disconnect" and toy.connected:
            await toy.spend(FaultPoint.DISCONNECT)
            self._disconnected(toy)
        return NOTHING

    async def _connect(self, toy: Toy) -> None:
        if self.connect_errors:
            raise self.connect_errors.pop(0)
        if toy.connected:
            return
        if self._connecting is not None:
            raise BluezError("InProgress", "Operation already in progress")
        self._connecting = toy
        self._given_up = asyncio.get_running_loop().create_future()
        try:
            if not toy.in_range:
                await asyncio.sleep(PAGE_S)
                raise BluezError("Failed", "le-connection-timeout")
            fault = toy.faults.draw(FaultPoint.CONNECT)
            await toy.spend(FaultPoint.CONNECT, self._given_up)
            if fault is not None:
                raise BluezError(*ERRORS[fault.code])
        except RadioError:
            raise BluezError("Failed", "br-connection-canceled") from None
        finally:
            self._connecting = None
        toy.link_up()
        self.tree.change(_path(toy), DEVICE, Connected=Variant("b", True))
        if self.lost_discoveries:
            self.lost_discoveries -= 1
            asyncio.get_running_loop().call_soon(toy.drop)
            return
        if self.empty_discoveries:
            self.empty_discoveries -= 1
        else:
            self._expose(toy)
        self.tree.change(_path(toy), DEVICE, ServicesResolved=Variant("b", True))

    async def _gatt_call(self, toy: Toy, path: str, member: str, body: list[object]) -> Answer:
        if toy.address in self._current:
            raise BluezError("InProgress", "In Progress")
        op = _operation(member, body)
        role = toy.handles[int(path[-4:], 16)]
        fault = toy.faults.draw(op)
        ended = self._current[toy.address] = asyncio.get_running_loop().create_future()
        answer = NOTHING
        try:
            await toy.spend(op, ended)
            if fault is None or fault.applied:
                answer = await self._gatt(toy, path, role, op, body)
        except RadioError as error:
            raise BluezError(*ERRORS[error.code]) from error
        finally:
            del self._current[toy.address]
        if fault is not None and not fault.silent:
            raise BluezError(*ERRORS[fault.code])
        return answer

    async def _gatt(
        self, toy: Toy, path: str, role: str, op: FaultPoint, body: list[object]
    ) -> Answer:
        match op:
            case FaultPoint.READ:
                return "ay", [await toy.give(role)]
            case FaultPoint.SUBSCRIBE:
                toy.subscribe(role, lambda _, data: self._notify(path, data))
                self.tree.change(path, CHARACTERISTIC, Notifying=Variant("b", True))
            case FaultPoint.UNSUBSCRIBE:
                toy.unsubscribe(role)
                self.tree.change(path, CHARACTERISTIC, Notifying=Variant("b", False))
            case _:
                assert isinstance(body[0], bytes)
                toy.take(role, body[0], response=op is FaultPoint.WRITE)
        return NOTHING

    def _notify(self, path: str, data: bytes) -> None:
        self.tree.change(path, CHARACTERISTIC, Value=Variant("ay", data))


async def _watch_names(bus: MessageBus) -> None:
    rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    request = Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="AddMatch",
        signature="s",
        body=[rule],
    )
    await bus.call(request)


def _operation(member: str, body: list[object]) -> FaultPoint:
    match member:
        case "WriteValue":
            assert isinstance(body[1], dict)
            request = body[1]["type"].value == "request"
            return FaultPoint.WRITE if request else FaultPoint.WRITE_NO_RESPONSE
        case "ReadValue":
            return FaultPoint.READ
        case "StartNotify":
            return FaultPoint.SUBSCRIBE
        case "StopNotify":
            return FaultPoint.UNSUBSCRIBE
    raise BluezError("NotSupported", member)


def _path(toy: Toy) -> str:
    return f"{ADAPTER_PATH}/dev_{toy.address.replace(':', '_')}"


def _service_handle(toy: Toy, uuid: str) -> int:
    """A service's declaration comes before its first characteristic."""
    service = next(one for one in toy.services if one.uuid == uuid)
    return service.characteristics[0].handle - 2


def _device(toy: Toy) -> dict[str, Variant]:
    heard = toy.advertisement
    company = {number: Variant("ay", data) for number, data in heard.manufacturer.items()}
    return {
        "Address": Variant("s", toy.address),
        "AddressType": Variant("s", "random"),
        "Name": Variant("s", heard.name or ""),
        "Alias": Variant("s", heard.name or ""),
        "Paired": Variant("b", False),
        "Trusted": Variant("b", False),
        "Blocked": Variant("b", False),
        "LegacyPairing": Variant("b", False),
        "Connected": Variant("b", False),
        "ServicesResolved": Variant("b", False),
        "UUIDs": Variant("as", [GENERIC_ACCESS, *heard.services]),
        "ManufacturerData": Variant("a{qv}", company),
        "RSSI": Variant("n", heard.rssi),
        "Adapter": Variant("o", ADAPTER_PATH),
    }


def _adapter() -> dict[str, Variant]:
    return {
        "Address": Variant("s", "02:00:00:00:00:FF"),
        "AddressType": Variant("s", "public"),
        "Name": Variant("s", "fake"),
        "Alias": Variant("s", "fake"),
        "Class": Variant("u", 0),
        "Powered": Variant("b", True),
        "Discoverable": Variant("b", False),
        "DiscoverableTimeout": Variant("u", 0),
        "Pairable": Variant("b", False),
        "PairableTimeout": Variant("u", 0),
        "Discovering": Variant("b", False),
        "UUIDs": Variant("as", []),
        "Modalias": Variant("s", "usb:v1D6Bp0246d0542"),
        "Roles": Variant("as", ["central"]),
    }
