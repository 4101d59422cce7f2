"""Simulated toys on the air of the kernel's own radio: Bumble plays the controller behind hci0."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.hci import Address, HCI_LE_Advertising_Report_Event
from bumble.ll import AdvExtInd, AdvInd
from bumble.transport import open_transport

from relay.radio.simulated.toy import Toy
from tests.ble_vm.guest.bluez import powered_adapter
from tests.doubles.bumble_air import Adapter, Link, Peripheral

# A new adapter each time: bluetoothd remembers what it learned with an old one.
_numbers: Iterator[int] = count(1)

# Bytes of one legacy advertising packet (Bluetooth core, vol 6 part B, 2.3.1): the kernel
# drops what is longer.
ADVERTISEMENT_LENGTH = 31


class KernelAdapter(Adapter):
    """What does not fit into an advertisement comes as the scan response, as from real toys."""

    def on_advertising_pdu(self, pdu: AdvInd | AdvExtInd) -> None:
        event = HCI_LE_Advertising_Report_Event
        if self.le_scan_enable:
            kinds = (event.EventType.ADV_IND, event.EventType.SCAN_RSP)
            for kind, data in zip(kinds, _packets(pdu.data), strict=True):
                report = event.Report(
                    event_type=kind,
                    address_type=pdu.advertiser_address.address_type,
                    address=pdu.advertiser_address,
                    data=data,
                    rssi=-50,
                )
                self.send_hci_packet(event([report]))
        pending = self.pending_le_connection
        if pending is not None and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)


class KernelLink(Link):
    """Takes its addresses from the connection: the kernel connects with its public one, while
    Bumble's link supposes that everyone uses their random one."""

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is not None and receiver is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)


@dataclass(slots=True)
class KernelAir:
    """Toys that the machine's BlueZ can reach."""

    toys: Sequence[Toy]
    peripherals: dict[str, Peripheral]

    def vanish(self, toy: Toy) -> None:
        self.peripherals[toy.address].vanish()

    def drop(self, toy: Toy) -> None:
        self.peripherals[toy.address].drop()

    async def appear(self, toy: Toy) -> None:
        await self.peripherals[toy.address].appear()


@contextlib.asynccontextmanager
async def kernel_air(toys: Sequence[Toy]) -> AsyncIterator[KernelAir]:
    """An adapter plugged in, switched on, and `toys` in its range; unplugged at the end."""
    link = KernelLink()  # type: ignore[no-untyped-call]
    peripherals = {toy.address: Peripheral(link, toy) for toy in toys}
    async with adapter(link):
        for peripheral in peripherals.values():
            await peripheral.appear()
        yield KernelAir(toys, peripherals)
        for peripheral in peripherals.values():
            peripheral.vanish()


@contextlib.asynccontextmanager
async def adapter(link: Link) -> AsyncIterator[None]:
    """An adapter on `link`, known to bluetoothd and switched on."""
    transport = await open_transport("vhci")
    controller = KernelAdapter(
        "kernel",
        host_source=transport.source,
        host_sink=transport.sink,
        link=link,
        public_address=f"C0:FF:EE:00:01:{next(_numbers):02X}",
    )
    try:
        await powered_adapter()
        yield
    finally:
        link.remove_controller(controller)
        await transport.close()
        await powered_adapter(there=False)


def _packets(data: bytes) -> tuple[bytes, bytes]:
    """Share the fields of an advertisement, each a length and its bytes, out to two packets."""
    first, second = b"", b""
    while data:
        field, data = data[: data[0] + 1], data[data[0] + 1 :]
        if len(first + field) <= ADVERTISEMENT_LENGTH:
            first += field
        else:
            second += field
    assert len(second) <= ADVERTISEMENT_LENGTH, "no real toy could say that much"
    return first, second
