"""One peripheral behind a Bluetooth proxy. Whatever becomes of it, its place there becomes free."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from aioesphomeapi.client import APIClient
from aioesphomeapi.model import ESPHomeBluetoothGATTServices

from relay.link.messages import Characteristic, ErrorCode, Service
from relay.radio.base import OnGone, OnValue, RadioError
from relay.radio.esphome.adverts import address_number
from relay.radio.esphome.bounds import AHEAD_S, DISCONNECT_S, OPERATION_S
from relay.radio.esphome.errors import ERRORS, translated
from relay.radio.gatt import DEFAULT_MTU, with_response
from relay.radio.wired.line import next_number

T = TypeVar("T")

# The descriptor that switches notifications on, and what is written there.
_CCCD = "00002902-0000-1000-8000-00805f9b34fb"
_NOTIFY, _INDICATE = b"\x01\x00", b"\x02\x00"
# Bits of a characteristic's properties (Bluetooth core, vol 3 part G, 3.3.1.1).
_PROPERTIES = {
    0x02: "read", 0x04: "write-without-response", 0x08: "write", 0x10: "notify", 0x20: "indicate",
}  # fmt: skip


@dataclass(slots=True)
class ProxyLink:
    """A session with a proxy; its tasks end with it, and so does what it has connected."""

    client: APIClient
    flags: int
    group: asyncio.TaskGroup
    over: bool = False


@dataclass(frozen=True, slots=True)
class _KnownCharacteristic:
    properties: tuple[str, ...]
    cccd: int | None


class EsphomeConnection:
    """`open` it. `left` is called once, when it is not connected any more."""

    def __init__(
        self,
        address: str,
        address_type: int,
        link: ProxyLink,
        on_gone: OnGone,
        left: Callable[[EsphomeConnection], None],
    ) -> None:
        self.address = address
        number = address_number(address)
        assert number is not None
        self._number = number
        self._type = address_type
        self._link = link
        self._client = link.client
        self._on_gone = on_gone
        self._left = left
        self._services: tuple[Service, ...] = ()
        self._known: dict[int, _KnownCharacteristic] = {}
        self._mtu = DEFAULT_MTU
        self._opened = self._quiet = False
        self._over: str | None = None
        self._stop_notify: dict[int, Callable[[], None]] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._refused: int | None = None
        self._fenced_at = 0.0
        # What lets go of one that was given up.
        self.releasing: asyncio.Task[None] | None = None
        self.number = next_number()

    # --- for whoever stops it without us -------------------------------------------------------

    def descriptor(self) -> int | None:
        """The socket to its proxy: when that is shut, the proxy lets go of all that it has."""
        # The library shows it to nobody. Without it there is no supervisor for this one.
        socket = getattr(getattr(self._client, "_connection", None), "_socket", None)
        return None if self._over is not None or socket is None else int(socket.fileno())

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        # What goes there is encrypted, one message after the other: nobody else can say any.
        del data
        return ()

    # --- as a connection -----------------------------------------------------------------------

    @property
    def services(self) -> tuple[Service, ...]:
        return self._services

    @property
    def mtu(self) -> int:
        return self._mtu

    async def open(self, limit_s: float) -> None:
        """Connect and discover. What fails or is cancelled leaves nothing connected."""
        try:
            self._unsubscribe = await self._client.bluetooth_device_connect(
                self._number, self._state, timeout=limit_s, feature_flags=self._link.flags,
                has_cache=False, address_type=self._type,
            )  # fmt: skip
            if self._refused is not None:
                text = f"{self.address} did not answer the proxy (error {self._refused})."
                raise RadioError(ErrorCode.TIMEOUT, text)
            self._lay_out(await self._client.bluetooth_gatt_get_services(self._number))
            # From here to the return nothing waits.
            if self._over is not None:
                raise RadioError(ErrorCode.GONE, f"{self.address}: {self._over}.")
            self._opened = True
        except BaseException:
            if self._over is None:
                self._end("it was given up")
            if not self._link.over:
                # The session sees to it; the next attempt waits for it.
                self.releasing = self._link.group.create_task(
                    self._release(), name=f"let go {self.address}"
                )
            raise

    def lost(self, reason: str) -> None:
        """The link to it, or to its proxy, is gone."""
        if self._over is None:
            self._end(reason)
            if self._opened and not self._quiet:
                self._on_gone(reason)

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        known = self._characteristic(handle)
        response = with_response(known.properties, response)
        if not response:
            await self._fence()
        await self._do(
            self._client.bluetooth_gatt_write(
                self._number, handle, data, response, timeout=OPERATION_S
            )
        )

    async def read(self, handle: int) -> bytes:
        if "read" not in self._characteristic(handle).properties:
            raise RadioError(ErrorCode.REFUSED, f"{self.address}: {handle} cannot be read.")
        value: bytearray = await self._do(
            self._client.bluetooth_gatt_read(self._number, handle, timeout=OPERATION_S)
        )
        return bytes(value)

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        known = self._characteristic(handle)

        def heard(_: int, value: bytearray) -> None:
            if self._over is None:
                on_value(bytes(value))

        await self.unsubscribe(handle)
        _, forget = await self._do(
            self._client.bluetooth_gatt_start_notify(self._number, handle, heard)
        )
        self._stop_notify[handle] = forget
        # The proxy leaves this to us.
        if known.cccd is not None:
            value = _NOTIFY if "notify" in known.properties else _INDICATE
            await self._switch(known.cccd, value)

    async def unsubscribe(self, handle: int) -> None:
        known = self._characteristic(handle)
        forget = self._stop_notify.pop(handle, None)
        if forget is None:
            return
        forget()
        if known.cccd is not None:
            await self._switch(known.cccd, b"\x00\x00")

    async def disconnect(self) -> None:
        if self._over is not None:
            return
        self._quiet = True
        try:
            async with asyncio.timeout(DISCONNECT_S):
                await self._client.bluetooth_device_disconnect(self._number, timeout=DISCONNECT_S)
        except ERRORS as error:
            if self._over is None:
                self._quiet = False
                raise translated(self.address, error) from error
        if self._over is None:
            self._end("it was let go")

    # --- inside --------------------------------------------------------------------------------

    def _end(self, reason: str) -> None:
        self._over = reason
        for forget in self._stop_notify.values():
            forget()
        self._stop_notify.clear()
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._left(self)

    def _state(self, connected: bool, mtu: int, error: int) -> None:
        if connected:
            self._mtu = max(DEFAULT_MTU, mtu)
        elif self._unsubscribe is None:
            self._refused = error
        else:
            self.lost(f"the link was lost (error {error})" if error else "the link was lost")

    async def _release(self) -> None:
        with suppress(*ERRORS):
            await self._client.bluetooth_device_disconnect(self._number, timeout=DISCONNECT_S)
            # The library may have asked for it as well: its answer is not about the next attempt.
            async with asyncio.timeout(DISCONNECT_S):
                await self._client.device_info()

    def _lay_out(self, found: ESPHomeBluetoothGATTServices) -> None:
        services = []
        for service in found.services:
            characteristics = []
            for one in service.characteristics:
                bits = (name for bit, name in _PROPERTIES.items() if one.properties & bit)
                properties = tuple(bits)
                cccd = next((d.handle for d in one.descriptors if d.uuid == _CCCD), None)
                self._known[one.handle] = _KnownCharacteristic(properties, cccd)
                characteristics.append(Characteristic(one.handle, one.uuid.lower(), properties))
            services.append(Service(service.uuid.lower(), tuple(characteristics)))
        self._services = tuple(services)

    def _characteristic(self, handle: int) -> _KnownCharacteristic:
        if self._over is not None:
            raise RadioError(ErrorCode.GONE, f"{self.address}: {self._over}.")
        known = self._known.get(handle)
        if known is None:
            text = f"{self.address} has no characteristic with handle {handle}."
            raise RadioError(ErrorCode.REFUSED, text)
        return known

    async def _switch(self, cccd: int, value: bytes) -> None:
        await self._do(
            self._client.bluetooth_gatt_write_descriptor(
                self._number, cccd, value, timeout=OPERATION_S
            )
        )

    async def _fence(self) -> None:
        """Now and then, wait until the proxy has taken all that was written before."""
        now = asyncio.get_running_loop().time()
        if now - self._fenced_at > AHEAD_S:
            await self._do(self._client.device_info())
            self._fenced_at = asyncio.get_running_loop().time()

    async def _do(self, operation: Awaitable[T]) -> T:
        # The library fails what waits when the peripheral, or the proxy, is lost.
        try:
            return await operation
        except ERRORS as error:
            raise translated(self.address, error) from error
