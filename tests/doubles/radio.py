"""A radio that records, and does what a test tells it to: hold operations, or fail them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from relay.link.messages import Characteristic, ErrorCode, RadioInfo, Service
from relay.radio.base import OnAdvertisement, OnGone, OnValue, RadioError

SERVICES = (
    Service(
        "0000fff0-0000-1000-8000-00805f9b34fb",
        (
            Characteristic(1, "0000fff1-0000-1000-8000-00805f9b34fb", ("write",)),
            Characteristic(2, "0000fff2-0000-1000-8000-00805f9b34fb", ("notify", "read")),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Took:
    """One operation that began, when, and how many were under way then, itself included."""

    at: float
    op: str
    data: bytes = b""
    at_once: int = 1


@dataclass
class RecordingConnection:
    """`takes_s`: how long an operation takes; None: for ever. `failures` are raised in turn."""

    takes_s: float | None = 0.0
    failures: list[RadioError | None] = field(default_factory=list)
    broken: RadioError | None = None
    answer: bytes = b"\x2a"
    took: list[Took] = field(default_factory=list)
    listeners: dict[int, OnValue] = field(default_factory=dict)
    connected: bool = True
    services: tuple[Service, ...] = SERVICES
    mtu: int = 23
    disconnect_takes_s: float | None = 0.0
    _under_way: int = 0

    @property
    def written(self) -> list[bytes]:
        return [took.data for took in self.took if took.op.startswith("write")]

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        await self._do("write" if response else "write_no_response", data)

    async def read(self, handle: int) -> bytes:
        await self._do("read")
        return self.answer

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        await self._do("subscribe")
        self.listeners[handle] = on_value

    async def unsubscribe(self, handle: int) -> None:
        await self._do("unsubscribe")
        self.listeners.pop(handle, None)

    async def disconnect(self) -> None:
        self.took.append(Took(asyncio.get_running_loop().time(), "disconnect"))
        await _spend(self.disconnect_takes_s)
        self.connected = False

    async def _do(self, op: str, data: bytes = b"") -> None:
        self._under_way += 1
        self.took.append(Took(asyncio.get_running_loop().time(), op, data, self._under_way))
        failure = self.failures.pop(0) if self.failures else self.broken
        try:
            await _spend(self.takes_s)
        finally:
            self._under_way -= 1
        if failure is not None:
            raise failure


class RecordingRadio:
    """Connects `connection`, whatever the address. `refusal` is raised instead."""

    def __init__(self, connection: RecordingConnection | None = None) -> None:
        self.connection = connection or RecordingConnection()
        self.connect_takes_s: float | None = 0.0
        self.refusal: RadioError | Exception | None = None
        self.hangs: set[str] = set()  # addresses that never connect
        self.on_gone: OnGone | None = None
        self.scanning = False
        self.closed = False
        self.info = RadioInfo("recording")
        self.on_advertisement: OnAdvertisement | None = None

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.scanning, self.on_advertisement = True, on_advertisement
        try:
            await asyncio.Event().wait()
        finally:
            self.scanning, self.on_advertisement = False, None

    async def connect(self, address: str, on_gone: OnGone) -> RecordingConnection:
        await _spend(None if address in self.hangs else self.connect_takes_s)
        if self.refusal is not None:
            raise self.refusal
        self.on_gone = on_gone
        self.connection.connected = True
        return self.connection

    async def close(self) -> None:
        self.closed = True


def gone() -> RadioError:
    return RadioError(ErrorCode.GONE, "it is gone")


def refused() -> RadioError:
    return RadioError(ErrorCode.RADIO, "the radio does not want to")


async def _spend(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


class PromptConnection(RecordingConnection):
    """Takes writes at once, unless operations take time; `bug` is raised by each such write."""

    bug: Exception | None = None

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        if self.bug is not None:
            raise self.bug
        if self.takes_s != 0 or self._under_way:
            return False
        op = "write" if response else "write_no_response"
        self.took.append(Took(asyncio.get_running_loop().time(), op, data, 1))
        failure = self.failures.pop(0) if self.failures else self.broken
        if failure is not None:
            raise failure
        return True
