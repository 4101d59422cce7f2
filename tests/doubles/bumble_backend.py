"""bleak's client and scanner over a Bumble `Air`, for BleakRadio(scanner=…, client=…)."""

from __future__ import annotations

import asyncio
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic, GattCharacteristicsFlags
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import hci
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Peer
from bumble.gatt_client import CharacteristicProxy

from tests.doubles.bumble_air import Air

# Bumble's own patience with a peripheral that does not answer; shorter than a test's.
CONNECT_S = 0.5
MTU = 247


def scanner_for(air: Air) -> type[BaseBleakScanner]:
    """A scanner backend that listens on `air`."""

    class BumbleScanner(BaseBleakScanner):
        def __init__(
            self, detection_callback: Any, service_uuids: Any, scanning_mode: Any, **_: Any
        ) -> None:
            super().__init__(detection_callback, service_uuids)

        async def start(self) -> None:
            self.seen_devices = {}
            air.central.on("advertisement", self._heard)
            await air.central.start_scanning(filter_duplicates=False)

        async def stop(self) -> None:
            air.central.remove_listener("advertisement", self._heard)
            await air.central.stop_scanning()

        def _heard(self, heard: Advertisement) -> None:
            kinds = AdvertisingData.Type
            address = heard.address.to_string(False)
            name = heard.data.get(kinds.COMPLETE_LOCAL_NAME)
            uuids = heard.data.get(kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS) or []
            company = heard.data.get(kinds.MANUFACTURER_SPECIFIC_DATA)
            data = AdvertisementData(
                local_name=name,
                manufacturer_data={company[0]: company[1]} if company else {},
                service_data={},
                service_uuids=[_text(uuid) for uuid in uuids],
                tx_power=None,
                rssi=heard.rssi,
                platform_data=(),
            )
            device = self.create_or_update_device(address, address, name, heard.address, data)
            self.call_detection_callbacks(device, data)

    return BumbleScanner


def client_for(air: Air) -> type[BaseBleakClient]:
    """A client backend that connects over `air`."""

    class BumbleClient(BaseBleakClient):
        _connection: Connection | None = None

        @property
        def name(self) -> str:
            return self.address

        @property
        def mtu_size(self) -> int:
            return self._live().att_mtu

        @property
        def is_connected(self) -> bool:
            return self._connection is not None

        async def connect(self, pair: bool, **_: Any) -> None:
            async with air.connecting:
                try:
                    connection = await air.central.connect(
                        hci.Address(self.address),
                        timeout=CONNECT_S,
                        own_address_type=hci.OwnAddressType.RANDOM,
                    )
                except (BaseBumbleError, TimeoutError) as exc:
                    text = f"Device with address {self.address} was not found"
                    raise BleakDeviceNotFoundError(self.address, text) from exc
                except asyncio.CancelledError:
                    # Bumble leaves the attempt pending.
                    await air.central.send_sync_command(
                        hci.HCI_LE_Create_Connection_Cancel_Command()
                    )
                    raise
            self._connection = connection
            connection.on("disconnection", self._lost)
            try:
                peer = Peer(connection)
                await peer.request_mtu(MTU)
                await peer.discover_all()  # type: ignore[no-untyped-call]
            except BaseException:
                await self.disconnect()
                raise
            self.services = self._collect(peer, connection)

        def _collect(self, peer: Peer, connection: Connection) -> BleakGATTServiceCollection:
            found = BleakGATTServiceCollection()
            for one in peer.services:
                service = BleakGATTService(one, one.handle, _text(one.uuid))
                found.add_service(service)
                for inner in one.characteristics:
                    flags = [
                        flag.name.replace("_", "-")
                        for flag in GattCharacteristicsFlags
                        if inner.properties & flag.value
                    ]
                    found.add_characteristic(
                        BleakGATTCharacteristic(
                            inner,
                            inner.handle,
                            _text(inner.uuid),
                            flags,  # type: ignore[arg-type]
                            lambda: connection.att_mtu - 3,
                            service,
                        )
                    )
            return found

        def _lost(self, reason: int) -> None:
            self._connection = None
            if self._disconnected_callback is not None:
                self._disconnected_callback()

        def _live(self) -> Connection:
            if self._connection is None:
                raise BleakError("Not connected")
            return self._connection

        async def disconnect(self) -> None:
            if self._connection is not None:
                await self._connection.disconnect()

        async def read_gatt_char(
            self, characteristic: BleakGATTCharacteristic, **_: Any
        ) -> bytearray:
            self._live()
            try:
                return bytearray(await _proxy(characteristic).read_value())
            except ATT_Error as exc:
                raise BleakGATTProtocolError(exc.error_code) from exc

        async def write_gatt_char(
            self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
        ) -> None:
            self._live()
            try:
                await _proxy(characteristic).write_value(bytes(data), with_response=response)
            except ATT_Error as exc:
                raise BleakGATTProtocolError(exc.error_code) from exc

        async def start_notify(
            self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
        ) -> None:
            self._live()
            await _proxy(characteristic).subscribe(lambda value: callback(bytearray(value)))

        async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
            self._live()
            await _proxy(characteristic).unsubscribe()

        async def pair(self, *args: Any, **kwargs: Any) -> None:
            raise NotImplementedError

        async def unpair(self) -> None:
            raise NotImplementedError

        async def read_gatt_descriptor(
            self, descriptor: BleakGATTDescriptor, **_: Any
        ) -> bytearray:
            raise NotImplementedError

        async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
            raise NotImplementedError

    return BumbleClient


def _text(uuid: UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str("-"))


def _proxy(characteristic: BleakGATTCharacteristic) -> CharacteristicProxy[bytes]:
    assert isinstance(characteristic.obj, CharacteristicProxy)
    return characteristic.obj
