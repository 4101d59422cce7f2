"""Simulated toys on the air of the kernel's own radio: Bumble plays the controller behind hci0."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count

from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.hci import (
    Address,
    HCI_LE_Advertising_Report_Event,
    HCI_LE_Read_Remote_Features_Complete_Event,
    HCI_Packet,
)
from bumble.ll import AdvExtInd, AdvInd
from bumble.transport import open_transport
from bumble.transport.common import Transport

from relay.radio.simulated.toy import Toy
from tests.ble_vm.guest.bluez import no_adapter, power
from tests.doubles.bumble_air import Adapter, Link, Peripheral

_numbers: Iterator[int] = count(1)

# Bytes of one legacy advertising packet (Bluetooth core, vol 6 part B, 2.3.1): the kernel
# drops what is longer.
ADVERTISEMENT_LENGTH = 31


# Two connection events of a toy (s), the least that a first question to it takes.
FIRST_ANSWER_S = 0.05


# Of an interval between two advertisements (s).
UNIT_S = 0.000625
Hear = Callable[[bytes], None]


class HeardAdvertiser(LegacyAdvertiser):
    """What the kernel advertises, as packets of advertising channel 37: header, address, data.

    Bumble's own sends nothing that cannot be connected to, and takes the interval for milliseconds.
    """

    def __init__(self, controller: Controller, hear: Hear) -> None:
        super().__init__(controller)
        self._hear = hear

    def _on_timer_fired(self) -> None:
        if self.enabled:
            head = bytes((self.advertising_type, 6 + len(self.advertising_data)))
            self._hear(head + bytes(self.address)[:6] + self.advertising_data)
            interval_s = max(self.advertising_interval_min, 0x20) * UNIT_S
            loop = asyncio.get_running_loop()
            self.timer_handle = loop.call_later(interval_s, self._on_timer_fired)


class KernelAdapter(Adapter):
    """What does not fit into an advertisement comes as the scan response, as from real toys.

    The kernel makes a connection usable when the peripheral has told its features. Were that at
    once, bluetoothd could see data before it has read that there is a connection: it then takes
    it for a second one ("already connected") and ends it after two seconds.
    """

    def send_hci_packet(self, packet: HCI_Packet) -> None:
        if isinstance(packet, HCI_LE_Read_Remote_Features_Complete_Event):
            loop = asyncio.get_running_loop()
            loop.call_later(FIRST_ANSWER_S, super().send_hci_packet, packet)
        else:
            super().send_hci_packet(packet)

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


class KernelAir:
    """Toys that the machine's BlueZ can reach while the adapter is plugged in."""

    def __init__(self, toys: Sequence[Toy]) -> None:
        self.toys = toys
        self._link = KernelLink()  # type: ignore[no-untyped-call]
        self._peripherals = {toy.address: Peripheral(self._link, toy) for toy in toys}
        # A new adapter for each test: bluetoothd remembers what it learned with an old one.
        self._address = f"C0:FF:EE:00:01:{next(_numbers):02X}"
        self._plugged: tuple[Transport, Controller] | None = None
        # Whoever hears what the machine advertises.
        self.listeners: list[Hear] = []

    async def plug(self) -> None:
        """Plug the adapter in; returns when bluetoothd has switched it on."""
        transport = await open_transport("vhci")
        controller = KernelAdapter(
            "kernel",
            host_source=transport.source,
            host_sink=transport.sink,
            link=self._link,
            public_address=self._address,
        )
        controller.le_legacy_advertiser = HeardAdvertiser(controller, self._advertised)
        self._plugged = transport, controller
        await power()

    def _advertised(self, packet: bytes) -> None:
        for hear in self.listeners:
            hear(packet)

    async def unplug(self) -> None:
        """Take the adapter away; returns when bluetoothd has noticed."""
        assert self._plugged is not None
        (transport, controller), self._plugged = self._plugged, None
        for toy in self.toys:
            self.drop(toy)
        controller.le_legacy_advertiser.stop()
        self._link.remove_controller(controller)
        await transport.close()
        await no_adapter()

    def vanish(self, toy: Toy) -> None:
        self._peripherals[toy.address].vanish()

    def drop(self, toy: Toy) -> None:
        self._peripherals[toy.address].drop()

    async def appear(self, toy: Toy) -> None:
        await self._peripherals[toy.address].appear()


@contextlib.asynccontextmanager
async def kernel_air(toys: Sequence[Toy]) -> AsyncIterator[KernelAir]:
    """`toys` on the air of an adapter that is plugged in here, and unplugged at the end."""
    air = KernelAir(toys)
    for toy in toys:
        await air.appear(toy)
    await air.plug()
    try:
        yield air
    finally:
        for toy in toys:
            air.vanish(toy)
        await air.unplug()


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
