"""One peripheral that bleak has connected. Imported by bleak_radio only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bleak import BleakClient
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str

from relay.link.messages import Characteristic, ErrorCode, Service
from relay.radio.base import OnGone, OnValue, RadioError
from relay.radio.bounds import DISCONNECT_S
from relay.radio.failures import classify, in_operation, told
from relay.radio.gatt import ATT_OVERHEAD, DEFAULT_MTU, with_response

T = TypeVar("T")


# What bleak lets through on a lost race with the link or the bus: its own errors, broken sockets
# and timeouts (OSError, EOFError), and its `assert self._bus` and `None.call` after a disconnect.
LIBRARY_ERRORS = (BleakError, OSError, EOFError, AssertionError, AttributeError, KeyError)


def in_one_line(exc: Exception) -> str:
    """The error in one line; some have no text at all."""
    return " ".join(str(exc).split()) or type(exc).__name__


@contextmanager
def own_cancellations() -> Iterator[None]:
    """Only cancellations of this task pass; those by which a library ends its own futures, when the
    link goes down, become BleakError. Counted, as earlier cancellations may be on the books."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except asyncio.CancelledError as exc:
        if task.cancelling() > before:
            raise
        raise BleakError("disconnected: the system gave the operation up") from exc


class BleakConnection:
    """One peripheral that bleak has connected."""

    def __init__(
        self, address: str, on_gone: OnGone, forget: Callable[[BleakConnection], None]
    ) -> None:
        self.address = address
        self._on_gone = on_gone
        self._forget = forget
        self._client: BleakClient | None = None
        self._characteristics: dict[int, Any] = {}
        self._services: tuple[Service, ...] = ()

    @property
    def services(self) -> tuple[Service, ...]:
        return self._services

    @property
    def mtu(self) -> int:
        # Of all characteristics the greatest: BlueZ updates each of them when it next touches it.
        sizes = [one.max_write_without_response_size for one in self._characteristics.values()]
        return max(sizes, default=DEFAULT_MTU - ATT_OVERHEAD) + ATT_OVERHEAD

    def begin(self, client: BleakClient) -> bool:
        """Take over a connected client; False if it has no characteristics at all."""
        services = []
        for service in client.services:
            found = []
            for one in service.characteristics:
                self._characteristics[one.handle] = one
                properties = tuple(one.properties)
                found.append(
                    Characteristic(
                        handle=one.handle, uuid=normalize_uuid_str(one.uuid), properties=properties
                    )
                )
            services.append(
                Service(uuid=normalize_uuid_str(service.uuid), characteristics=tuple(found))
            )
        self._services = tuple(services)
        if self._characteristics:
            self._client = client
        return self._client is not None

    def lost(self) -> None:
        """The link went down. bleak also says so for connects that failed and for `disconnect`."""
        if self._client is not None:
            self._client = None
            self._forget(self)
            self._on_gone("the link was lost")

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        one = self._characteristic(handle)
        response = with_response(one.properties, response)
        await self._do(self._live().write_gatt_char(one, data, response=response))

    async def read(self, handle: int) -> bytes:
        one = self._characteristic(handle)
        return bytes(await self._do(self._live().read_gatt_char(one)))

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        one = self._characteristic(handle)

        def notified(_: object, value: bytearray) -> None:
            on_value(bytes(value))

        await self._do(self._live().start_notify(one, notified))

    async def unsubscribe(self, handle: int) -> None:
        await self._do(self._live().stop_notify(self._characteristic(handle)))

    async def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self._forget(self)
        try:
            async with asyncio.timeout(DISCONNECT_S):
                await client.disconnect()
        except LIBRARY_ERRORS as exc:
            raise self._error(exc) from exc

    def _live(self) -> BleakClient:
        if self._client is None:
            raise RadioError(ErrorCode.GONE, f"{self.address} is not connected.")
        return self._client

    def _characteristic(self, handle: int) -> Any:
        one = self._characteristics.get(handle)
        if one is None:
            text = f"{self.address} has no characteristic with handle {handle}."
            raise RadioError(ErrorCode.REFUSED, text)
        return one

    async def _do(self, operation: Awaitable[T]) -> T:
        try:
            with own_cancellations():
                return await operation
        except LIBRARY_ERRORS as exc:
            raise self._error(exc) from exc

    def _error(self, exc: Exception) -> RadioError:
        client = self._client
        if client is None or not client.is_connected:
            # The error may be the first to prove it.
            self.lost()
            return RadioError(ErrorCode.GONE, f"{self.address} was lost meanwhile.")
        code = in_operation(classify(type(exc).__name__, str(exc)))
        return RadioError(code, told(self.address, exc, in_one_line(exc)))
