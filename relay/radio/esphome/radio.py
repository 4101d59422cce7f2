"""`EsphomeRadio`: one Bluetooth proxy of ESPHome, through aioesphomeapi, an extra.

A proxy serves one program at a time (Home Assistant is another), and connects a few peripherals at
once; it says how many more. It drops them when this program's connection to it ends. aioesphomeapi
is used as it is: what bleak-esphome and habluetooth put around it is one global manager of all
radios, which is the relay's own affair here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Never, Protocol

from aioesphomeapi.client import APIClient
from aioesphomeapi.model import BluetoothProxyFeature, DeviceInfo

from relay.link.messages import ErrorCode, RadioInfo
from relay.link.tasks.groups import first_error
from relay.radio.base import OnAdvertisement, OnGone, RadioError
from relay.radio.esphome.adverts import HeardPeripheral, address_number, address_text
from relay.radio.esphome.bounds import (
    CONNECT_S,
    DEVICES_KEPT,
    DISCONNECT_S,
    FIND_S,
    KEEPALIVE_S,
    OPEN_S,
    RADIO_RETRY_S,
    RETRY_MOST_S,
    SERVED_S,
)
from relay.radio.esphome.connection import EsphomeConnection, ProxyLink
from relay.radio.esphome.errors import ERRORS, proxy_trouble, translated
from relay.radio.gatt import canonical_address

log = logging.getLogger(__name__)

PORT = 6053

_Flags = BluetoothProxyFeature
_NEEDED = _Flags.ACTIVE_CONNECTIONS | _Flags.REMOTE_CACHING | _Flags.RAW_ADVERTISEMENTS


class _Advert(Protocol):
    """BluetoothLERawAdvertisement of the library's protobufs, which have no types."""

    address: int
    address_type: int
    rssi: int
    data: bytes


class _Adverts(Protocol):
    @property
    def advertisements(self) -> Sequence[_Advert]: ...


class _Unfit(Exception):
    """The proxy answers and is no use; the text says why."""


class EsphomeRadio:
    """The proxy at `host`. `key`: its encryption key in base64, as in its configuration."""

    def __init__(
        self,
        host: str,
        port: int = PORT,
        key: str | None = None,
        *,
        find_s: float = FIND_S,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        self._host, self._port, self._key = host, port, key
        self._find_s = find_s
        self._keepalive_s = keepalive_s
        self._name = host if port == PORT else f"{host}:{port}"
        self._trouble = f"{self._name} was not asked yet."
        self._listener: OnAdvertisement | None = None
        # Oldest first, so that the bound drops what was not heard for longest.
        self._heard: dict[str, HeardPeripheral] = {}
        self._sought: list[tuple[str, asyncio.Event]] = []
        self._link: ProxyLink | None = None
        self._linked = asyncio.Event()
        self._free: int | None = None
        self._connecting: set[str] = set()
        # By address, what was given up and is being let go.
        self._releasing: dict[str, asyncio.Task[None]] = {}
        self._connections: dict[str, EsphomeConnection] = {}

    @property
    def info(self) -> RadioInfo:
        """`slots`: what the proxy says, less what is being connected."""
        free = None if self._free is None else max(0, self._free - len(self._connecting))
        return RadioInfo("esphome", self._name, not self._trouble, free, self._trouble[:512])

    # --- the proxy -----------------------------------------------------------------------------

    async def watch(self) -> Never:
        """Keep a session with the proxy, and the peripherals that it has for us."""
        pause = RADIO_RETRY_S
        while True:
            client = APIClient(
                self._host, self._port, None, client_info="buttplug-relay",
                keepalive=self._keepalive_s, noise_psk=self._key, timezone="UTC",
            )  # fmt: skip
            try:
                async with asyncio.TaskGroup() as group:
                    trouble, lasted = await self._session(client, group)
                    self._end(f"{self._name}: {trouble}")
            except* ERRORS as errors:
                trouble, lasted = proxy_trouble(self._name, first_error(errors)), False
            except* _Unfit as errors:
                trouble, lasted = str(first_error(errors)), False
            finally:
                self._end("the proxy was given back")
                with suppress(*ERRORS):
                    async with asyncio.timeout(DISCONNECT_S):
                        await client.disconnect(force=True)
            if trouble != self._trouble:
                log.warning("%s", trouble)
            self._trouble = trouble
            pause = RADIO_RETRY_S if lasted else min(pause * 2, RETRY_MOST_S)
            await asyncio.sleep(pause)

    async def _session(self, client: APIClient, group: asyncio.TaskGroup) -> tuple[str, bool]:
        """Until the proxy ends it; returns what to say then."""
        ended = asyncio.Event()

        async def stopped(expected: bool) -> None:
            del expected
            ended.set()

        async with asyncio.timeout(OPEN_S):
            await client.connect(on_stop=stopped, login=True, log_errors=False)
            info = await client.device_info()
        flags = _flags(self._name, info, client)
        served = asyncio.Event()
        client.subscribe_bluetooth_scanner_state(lambda _: served.set())
        client.subscribe_bluetooth_connections_free(self._counted)

        def advertised(heard: _Adverts) -> None:
            served.set()
            self._advertised(heard)

        client.subscribe_bluetooth_le_raw_advertisements(advertised)
        try:
            async with asyncio.timeout(SERVED_S):
                await served.wait()
        except TimeoutError:
            raise _Unfit(
                f"{self._name} serves another program, such as Home Assistant: a proxy serves one."
            ) from None
        self._trouble = ""
        self._link = ProxyLink(client, int(flags), group)
        self._linked.set()
        await ended.wait()
        return f"{self._name} has ended the connection", True

    def _counted(self, free: int, limit: int, allocated: list[int]) -> None:
        del limit, allocated
        self._free = free

    def _end(self, reason: str) -> None:
        """The session is over, and so is each connection of a peripheral."""
        if self._link is not None:
            self._link.over = True
        self._link, self._free = None, None
        self._linked.clear()
        for connection in tuple(self._connections.values()):
            connection.lost(reason)

    # --- scanning ------------------------------------------------------------------------------

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        """While there is no session, wait for one."""
        if self._listener is not None:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._listener = on_advertisement
        try:
            await asyncio.Event().wait()
        finally:
            self._listener = None

    def _advertised(self, heard: _Adverts) -> None:
        for one in heard.advertisements:
            address = address_text(one.address)
            known = self._heard.pop(address, None) or HeardPeripheral(address)
            known.address_type = one.address_type
            self._heard[address] = known
            if len(self._heard) > DEVICES_KEPT:
                del self._heard[next(iter(self._heard))]
            advertisement = known.take(one.data, one.rssi)
            for sought, found in self._sought:
                if sought == address:
                    found.set()
            if self._listener is not None and address not in self._connections:
                self._listener(advertisement)

    # --- connecting ----------------------------------------------------------------------------

    async def connect(self, address: str, on_gone: OnGone) -> EsphomeConnection:
        address = canonical_address(address)
        self._usable(address)
        peripheral = await self._find(address)
        link = self._usable(address)
        self._connecting.add(address)
        connection = EsphomeConnection(address, peripheral.address_type, link, on_gone, self._left)
        try:
            async with asyncio.timeout(CONNECT_S):
                if (releasing := self._releasing.get(address)) is not None:
                    await asyncio.wait((releasing,))
                await connection.open(CONNECT_S)
            self._connections[address] = connection
            return connection
        except ERRORS as error:
            raise translated(address, error) from error
        finally:
            self._connecting.discard(address)
            if connection.releasing is not None:
                self._releasing[address] = connection.releasing
                connection.releasing.add_done_callback(partial(self._released, address))

    def _released(self, address: str, task: asyncio.Task[None]) -> None:
        if self._releasing.get(address) is task:
            del self._releasing[address]

    def _usable(self, address: str) -> ProxyLink:
        """The session, if it can connect this one now. Raises RadioError."""
        if address in self._connections or address in self._connecting:
            raise RadioError(ErrorCode.BUSY, f"{address} is already connected by this relay.")
        if self._link is None:
            raise RadioError(ErrorCode.RADIO, self._trouble or f"{self._name} is not there.")
        if self.info.slots == 0:
            text = f"All connections of {self._name} are in use."
            raise RadioError(ErrorCode.BUSY, text, full=True)
        return self._link

    async def _find(self, address: str) -> HeardPeripheral:
        """What was heard of it, listening for it if that is nothing. Raises NOT_FOUND."""
        if address not in self._heard:
            text = f"{address} is not in range of {self._name}, or connected to something else."
            if address_number(address) is None:
                raise RadioError(ErrorCode.NOT_FOUND, text)
            found = asyncio.Event()
            self._sought.append((address, found))
            try:
                async with asyncio.timeout(self._find_s):
                    await found.wait()
            except TimeoutError:
                raise RadioError(ErrorCode.NOT_FOUND, text) from None
            finally:
                self._sought.remove((address, found))
        return self._heard[address]

    def _left(self, connection: EsphomeConnection) -> None:
        if self._connections.get(connection.address) is connection:
            del self._connections[connection.address]
            # Until it is heard again it is out of range.
            self._heard.pop(connection.address, None)

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for connection in tuple(self._connections.values()):
                group.create_task(_let_go(connection))


def _flags(name: str, info: DeviceInfo, client: APIClient) -> BluetoothProxyFeature:
    """What it can do. Raises _Unfit."""
    version = client.api_version
    flags = _Flags(0 if version is None else info.bluetooth_proxy_feature_flags_compat(version))
    if not flags:
        raise _Unfit(f"{name} is no Bluetooth proxy: add bluetooth_proxy to its configuration.")
    if not flags & _Flags.ACTIVE_CONNECTIONS:
        raise _Unfit(f"{name} connects nothing: set bluetooth_proxy: active: true there.")
    if flags & _NEEDED != _NEEDED:
        raise _Unfit(f"{name} has an old ESPHome: update it.")
    return flags


async def _let_go(connection: EsphomeConnection) -> None:
    with suppress(RadioError):
        await connection.disconnect()
