"""A connection that passes everything on to another one, for radios that stand before radios."""

from __future__ import annotations

from relay.link.messages import Service
from relay.radio.base import Connection, OnValue, Outlasting, WritesAtOnce


class PassingConnection:
    """Does what `connection` does. Override what is to be different."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def beneath(self) -> Connection:
        return self._connection

    @property
    def services(self) -> tuple[Service, ...]:
        return self._connection.services

    @property
    def mtu(self) -> int:
        return self._connection.mtu

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        await self._connection.write(handle, data, response)

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        beneath = self._connection
        return isinstance(beneath, WritesAtOnce) and beneath.write_now(handle, data, response)

    async def read(self, handle: int) -> bytes:
        return await self._connection.read(handle)

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        await self._connection.subscribe(handle, on_value)

    async def unsubscribe(self, handle: int) -> None:
        await self._connection.unsubscribe(handle)

    async def disconnect(self) -> None:
        await self._connection.disconnect()


def outlasting(connection: Connection) -> Outlasting | None:
    """What of `connection` another process can go on with; None: nothing is handed over."""
    while isinstance(connection, PassingConnection):
        connection = connection.beneath
    return connection if isinstance(connection, Outlasting) else None
