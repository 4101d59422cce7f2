"""Simulated toys and a central on Bumble: real HCI, L2CAP and ATT bytes, all in this process.

    air = await Air.with_toys(toys)
    BleakRadio(scanner=scanner_for(air), client=client_for(air))     # tests.doubles.bumble_backend

No kernel, D-Bus or BlueZ is involved: quick, on any system, and blind to what those do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from bumble import att, hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.ll import AdvertisingPdu
from bumble.transport.common import AsyncPipeSink

from relay.radio.base import RadioError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.toy import Toy

CENTRAL_ADDRESS = "C0:FF:EE:00:00:02"
ADVERTISE_MS = 50

_PROPERTIES = {
    "read": Characteristic.Properties.READ,
    "write": Characteristic.Properties.WRITE,
    "write-without-response": Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    "notify": Characteristic.Properties.NOTIFY,
    "indicate": Characteristic.Properties.INDICATE,
}


class Adapter(Controller):
    """Bumble's controller as a plain 4.2 adapter that can give up connecting.

    Bumble 0.0.236 claims extended advertising without all of its events, and its
    LE Create Connection Cancel leaves the attempt pending for ever.
    """

    le_features = hci.LeFeatureMask.LE_ENCRYPTION | hci.LeFeatureMask.LE_PING

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        ended = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # After the answer to this command, as its sender expects.
        asyncio.get_running_loop().call_soon(self.send_hci_packet, ended)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


class Link(LocalLink):
    """Bumble's link without echoes: what a controller sent just before it left reaches nobody."""

    def send_advertising_pdu(self, sender_controller: Controller, packet: AdvertisingPdu) -> None:
        loop = asyncio.get_running_loop()
        for controller in self.controllers - {sender_controller}:
            loop.call_soon(self._deliver, sender_controller, controller, packet)

    def _deliver(self, sender: Controller, receiver: Controller, packet: AdvertisingPdu) -> None:
        if self.controllers >= {sender, receiver}:
            receiver.on_ll_advertising_pdu(packet)


class Air:
    """A link with toys and one central on it; `central` is for the backend."""

    def __init__(self, toys: Sequence[Toy]) -> None:
        self.link = Link()  # type: ignore[no-untyped-call]
        self.peripherals = {toy.address: Peripheral(self.link, toy) for toy in toys}
        # A real adapter, too, makes one connection at a time.
        self.connecting = asyncio.Lock()
        adapter = Adapter("central", link=self.link, public_address="C0:FF:EE:00:00:03")
        self.central = Device(
            name="central",
            address=hci.Address(CENTRAL_ADDRESS),
            host=Host(adapter, AsyncPipeSink(adapter)),
        )

    @classmethod
    async def with_toys(cls, toys: Sequence[Toy]) -> Air:
        air = cls(toys)
        await air.central.power_on()
        for peripheral in air.peripherals.values():
            await peripheral.appear()
        return air

    def close(self) -> None:
        """Nothing moves any more."""
        for peripheral in self.peripherals.values():
            peripheral.vanish()


class Peripheral:
    """One toy on the air. Its faults delay and stall; failing ones fail all but commands, to which
    nobody answers over a real link either."""

    def __init__(self, link: LocalLink, toy: Toy) -> None:
        self.toy = toy
        self._link = link
        self._controller: Controller | None = None
        self._connections: list[Connection] = []
        # Whether the writes on their way to the toy want a response, oldest first, by ATT handle.
        self._wanted: dict[int, deque[bool]] = {}

    async def appear(self) -> None:
        """Be switched on: everything is built anew, as the old controller is off the link."""
        self.toy.appear()
        self._controller = controller = Controller(self.toy.name, link=self._link)
        device = Device(
            config=DeviceConfiguration(
                name=self.toy.advertisement.name or "",
                address=hci.Address(self.toy.address),
                advertising_interval_min=ADVERTISE_MS,
                advertising_interval_max=ADVERTISE_MS,
                advertising_data=_advertising_data(self.toy),
            ),
            host=Host(controller, AsyncPipeSink(controller)),
        )
        for service in self.toy.services:
            made = [
                self._characteristic(device, one.handle, one.uuid, one.properties)
                for one in service.characteristics
            ]
            device.add_service(Service(UUID(service.uuid), made))
        self._tell_writes_apart(device)
        device.on("connection", self._connected)
        await device.power_on()
        await device.start_advertising(auto_restart=True)

    def vanish(self) -> None:
        """Be out of range: no advertising, no link; the other side sees a supervision timeout."""
        if self._controller is None:
            return
        self.toy.in_range = False
        self._controller.le_legacy_advertiser.stop()
        self._link.remove_controller(self._controller)
        self._cut()
        self._connections.clear()
        if self.toy.connected:
            self.toy.link_down()
        self._controller = None

    def drop(self) -> None:
        """Lose the link on both sides, and advertise again."""
        self._cut()

    def _cut(self) -> None:
        mine = str(hci.Address(self.toy.address))
        for controller in tuple(self._link.controllers):
            for connection in tuple(controller.le_connections.values()):
                if mine in (str(connection.self_address), str(connection.peer_address)):
                    lost = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
                    controller.on_le_disconnected(connection, lost)

    def _connected(self, connection: Connection) -> None:
        self._connections.append(connection)
        self.toy.link_up()
        connection.on("disconnection", lambda _: self._disconnected(connection))

    def _disconnected(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self.toy.link_down()

    # --- GATT ----------------------------------------------------------------------------------

    def _characteristic(
        self, device: Device, handle: int, uuid: str, properties: Sequence[str]
    ) -> Characteristic[bytes]:
        role = self.toy.handles[handle]

        async def read(_: Connection) -> bytes:
            await self._go(FaultPoint.READ)
            return await self._give(role)

        async def write(_: Connection, value: bytes) -> None:
            response = self._wanted[made.handle].popleft()
            await self._go(FaultPoint.WRITE if response else FaultPoint.WRITE_NO_RESPONSE)
            self.toy.take(role, bytes(value), response=response)

        flags = Characteristic.Properties(0)
        for name in properties:
            flags |= _PROPERTIES[name]
        permissions = Characteristic.READABLE | Characteristic.WRITEABLE
        value = CharacteristicValue(read=read, write=write)
        made: Characteristic[bytes] = Characteristic(UUID(uuid), flags, permissions, value)

        def send(_: int, data: bytes) -> None:
            for connection in self._connections:
                device.gatt_server.send_gatt_pdu(
                    connection,
                    bytes(
                        att.ATT_Handle_Value_Notification(
                            attribute_handle=made.handle, attribute_value=data
                        )
                    ),
                )

        def subscribed(_: Connection, notify: bool, indicate: bool) -> None:
            if notify or indicate:
                self.toy.subscribe(role, send)
            else:
                self.toy.unsubscribe(role)

        made.on("subscription", subscribed)
        return made

    async def _go(self, op: FaultPoint) -> None:
        """Let the toy's faults have their way. Raises ATT_Error."""
        fault = self.toy.faults.draw(op)
        await self.toy.spend(op)
        if fault is not None:
            raise att.ATT_Error(att.ATT_UNLIKELY_ERROR_ERROR)

    async def _give(self, role: str) -> bytes:
        try:
            return await self.toy.give(role)
        except RadioError as error:
            raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR) from error

    def _tell_writes_apart(self, device: Device) -> None:
        """Bumble does not tell the application whether a write wants a response."""
        server = device.gatt_server
        handle_pdu = server.on_gatt_pdu

        def look(bearer: att.Bearer, pdu: att.ATT_PDU) -> None:
            if isinstance(pdu, att.ATT_Write_Request | att.ATT_Write_Command):
                wanted = self._wanted.setdefault(pdu.attribute_handle, deque())
                wanted.append(isinstance(pdu, att.ATT_Write_Request))
            handle_pdu(bearer, pdu)

        server.on_gatt_pdu = look  # type: ignore[method-assign,assignment]


def _advertising_data(toy: Toy) -> bytes:
    heard = toy.advertisement
    parts = [
        (AdvertisingData.Type.FLAGS, bytes([0x06])),
        (AdvertisingData.Type.COMPLETE_LOCAL_NAME, (heard.name or "").encode()),
    ]
    for uuid in heard.services:
        complete = AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
        parts.append((complete, UUID(uuid).to_bytes(force_128=True)))
    for company, data in heard.manufacturer.items():
        specific = AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA
        parts.append((specific, company.to_bytes(2, "little") + data))
    return bytes(AdvertisingData(parts))
