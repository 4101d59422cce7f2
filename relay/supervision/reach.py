"""How a supervisor reaches what it holds: through BlueZ, or by a descriptor that it was given."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Protocol

from relay.supervision.errors import PeripheralGone, Unreached
from relay.supervision.holds import HeldWrite

# What a port or socket says that may take the bytes a moment later: its buffer is full, or (UDP) a
# datagram before this one was turned back.
_AGAIN = (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ECONNREFUSED)


class Bus(Protocol):
    """How peripherals are reached. Every call raises Unreached, and Gone if there is none."""

    async def look_up(self, address: str) -> None: ...

    def forget(self, address: str) -> None: ...

    async def write(self, address: str, write: HeldWrite) -> None: ...

    async def disconnect(self, address: str) -> None: ...


class OpenPaths:
    """Open ports and sockets, by the addresses of what is at their other ends."""

    def __init__(self) -> None:
        self._lines: dict[str, int | None] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._lines

    def take(self, address: str, line: int | None) -> None:
        """Own `line` from now on, in the place of what there was; None: it could not be had."""
        self.forget(address)
        self._lines[address] = line
        if line is not None:
            os.set_blocking(line, False)

    def forget(self, address: str) -> None:
        line = self._lines.pop(address, None)
        if line is not None:
            with contextlib.suppress(OSError):
                os.close(line)

    def shut(self, address: str) -> None:
        """End what this line is, for everybody who has it, if that can be; and let go of it."""
        line = self._lines[address]
        if line is not None and stat.S_ISSOCK(os.fstat(line).st_mode):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(line)) as end:
                end.shutdown(socket.SHUT_RDWR)
        self.take(address, None)

    def write(self, address: str, data: bytes) -> None:
        """A line that is nearly full takes a part; then all of it is to be written again."""
        line = self._lines[address]
        if line is None:
            raise PeripheralGone(f"{address} is not open")
        try:
            taken = os.write(line, data)
        except OSError as error:
            text = f"{address}: {error.strerror}"
            raise (Unreached if error.errno in _AGAIN else PeripheralGone)(text) from error
        if taken < len(data):
            raise Unreached(f"{address}: its line is full")


class Reach:
    """Each address by the way that it was taken in by."""

    def __init__(self, bluez: Bus) -> None:
        self._bluez = bluez
        self._lines = OpenPaths()

    def take(self, address: str, line: int | None) -> None:
        """It is reached by this descriptor, or (None) by one that could not be had."""
        self._lines.take(address, line)

    async def look_up(self, address: str) -> None:
        if address not in self._lines:
            await self._bluez.look_up(address)

    def forget(self, address: str) -> None:
        self._lines.forget(address)
        self._bluez.forget(address)

    async def write(self, address: str, write: HeldWrite) -> None:
        if address in self._lines:
            self._lines.write(address, write.data)
        else:
            await self._bluez.write(address, write)

    async def disconnect(self, address: str) -> None:
        if address in self._lines:
            self._lines.shut(address)
        else:
            await self._bluez.disconnect(address)
