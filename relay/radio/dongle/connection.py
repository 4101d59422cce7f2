"""One toy behind a dongle, with `tx` and `rx` as it has them over Bluetooth."""

from __future__ import annotations

from typing import Protocol

from relay.link.messages import Characteristic, ErrorCode, Service
from relay.radio.base import OnGone, OnValue, RadioError
from relay.radio.dongle import messages
from relay.radio.wired.line import Line, next_number

# The first of Lovense's own.
SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
TX, RX = 1, 2
MTU = 23
_SERVICES = (
    Service(
        SERVICE,
        (
            Characteristic(
                TX, "0000fff2-0000-1000-8000-00805f9b34fb", ("write", "write-without-response")
            ),
            Characteristic(RX, "0000fff1-0000-1000-8000-00805f9b34fb", ("notify",)),
        ),
    ),
)


class Dongle(Protocol):
    async def order(self, toy: str, data: bytes) -> None: ...

    def left(self, toy: str) -> None: ...


class DongleConnection:
    """`at_rest`: by the last command, the toy is."""

    def __init__(self, dongle: Dongle, address: str, toy: str, line: Line, gone: OnGone) -> None:
        self.at_rest = True
        self.number = next_number()
        self._dongle = dongle
        self._address = address
        self._toy = toy
        self._line = line
        self._gone = gone
        self._over: str | None = None
        self._listener: OnValue | None = None

    @property
    def services(self) -> tuple[Service, ...]:
        return _SERVICES

    @property
    def mtu(self) -> int:
        return MTU

    def descriptor(self) -> int | None:
        return None if self._over is not None else self._line.descriptor()

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return self._line.on_wire(messages.command(self._toy, data))

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        del response  # the dongle answers either way
        self._check(handle, TX)
        if not data.isascii():
            raise RadioError(ErrorCode.REFUSED, f"{self._address}: a dongle passes on text alone.")
        rests = messages.rests(data)
        self.at_rest = self.at_rest and rests
        await self._dongle.order(self._toy, data)
        self._check(handle, TX)
        self.at_rest = rests

    async def read(self, handle: int) -> bytes:
        self._check(handle, 0)
        raise AssertionError("no handle is 0")

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        self._check(handle, RX)
        self._listener = on_value

    async def unsubscribe(self, handle: int) -> None:
        self._check(handle, RX)
        self._listener = None

    async def disconnect(self) -> None:
        """The dongle itself keeps the link; nobody has it any more."""
        if self._over is None:
            self._end("it was let go")

    def heard(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener(data)

    def lost(self, reason: str) -> None:
        if self._over is None:
            self._end(reason)
            self._gone(reason)

    def _end(self, reason: str) -> None:
        self._over = reason
        self._listener = None
        self._dongle.left(self._toy)

    def _check(self, handle: int, only: int) -> None:
        if self._over is not None:
            raise RadioError(ErrorCode.GONE, f"{self._address}: {self._over}.")
        if handle != only:
            text = f"{self._address}: characteristic {handle} has no such use."
            raise RadioError(ErrorCode.REFUSED, text)
