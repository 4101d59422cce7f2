"""The connection of one peripheral: what is done over it, one thing at a time, until it is over."""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Callable, Coroutine
from typing import TypeVar

from relay.link.messages import ErrorCode, Packet
from relay.operation import Operation
from relay.radio.base import Connection, RadioError
from relay.repeat import Written

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds one operation may take: a write with response is answered within the supervision timeout
# of the connection, 4 to 6 s with the usual hosts.
OPERATION_S = 5.0


class Wire:
    """`over` says why the peripheral is gone, None while it is there. Owns `connection`.

    `written` knows what was written last, `wrote_at` when a write of whatever kind began.
    """

    def __init__(
        self,
        address: str,
        connection: Connection,
        tally: Tally[str],
        on_over: Callable[[], None],
    ) -> None:
        self.address = address
        self.connection = connection
        self.written = Written()
        self.over: str | None = None
        self._operation = Operation()
        self._tally = tally
        self._on_over = on_over

    @property
    def cut_short(self) -> bool:
        """Whether nobody knows if the last operation will still be carried out."""
        return self._operation.abandoned

    def hurry(self) -> None:
        """A stop waits: what is under way has a moment left."""
        self._operation.hurry()

    def gone(self, reason: str) -> None:
        """The peripheral went away."""
        if self.over is None:
            self.over = reason or "the device disconnected"
            self._operation.cut()
            self._on_over()

    async def write(self, packet: Packet) -> None:
        """Write something other than a stop. The gate has been asked. Raises RadioError."""
        self._tally["writes"] += 1
        await self.run(self._write(packet))

    async def write_stop(self, packet: Packet, limit_s: float) -> None:
        """Write a packet that stops. Raises RadioError."""
        self._tally["stops"] += 1
        await self._operation.run(self._write(packet), limit_s, urgent=True)

    async def run(self, work: Coroutine[None, None, T]) -> T:
        """Carry out an operation that gives way to a stop. Raises RadioError."""
        return await self._operation.run(work, OPERATION_S, urgent=False)

    async def let_go(self, why: str, limit_s: float, *, trust: bool) -> None:
        """Disconnect. Raises RadioError if that failed, unless we `trust` the radio to do it."""
        work = self.connection.disconnect()
        try:
            await self._operation.run(work, limit_s, urgent=True)
        except RadioError as error:
            if error.code is not ErrorCode.GONE and not trust:
                raise
            log.warning("%s: did not go in order: %s", self.address, error.text)
        self.over = self.over or why

    async def _write(self, packet: Packet) -> None:
        await self.connection.write(packet.h, self.written.number(packet), packet.r)
