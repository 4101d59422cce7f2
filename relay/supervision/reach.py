"""How a supervisor reaches what it holds: through BlueZ, or by a descriptor that it was given."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import threading
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


class OpenPath:
    """Owns `line`. Terminals and sockets take what there is room for; other devices, such as those
    of HID, may keep whoever writes for seconds whatever was asked of them: a thread does it."""

    def __init__(self, line: int) -> None:
        os.set_blocking(line, False)
        self._line = line
        self._is_socket = stat.S_ISSOCK(os.fstat(line).st_mode)
        self._may_block = not self._is_socket and not os.isatty(line)
        self._busy = False
        self._closed = False

    async def write(self, data: bytes) -> None:
        """A line that is nearly full takes a part; then all of it is to be written again. Raises
        Unreached, PeripheralGone. One that is cancelled may be written all the same."""
        if self._busy:
            raise Unreached("its last write is still under way")
        if not self._may_block:
            self._done(_written(self._line, data), data)
            return
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[int | OSError] = loop.create_future()
        self._busy = True
        threading.Thread(target=self._write, args=(data, loop, taken), daemon=True).start()
        self._done(await taken, data)

    def shut(self) -> None:
        """End what this line is, for everybody who has it, if that can be; and let go of it."""
        if self._is_socket and not self._closed:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._line)) as end:
                end.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Behind a write that is under way: its number may be another line's afterwards."""
        self._closed = True
        if self._busy:
            return
        if self._is_socket:
            _close(self._line)
        else:
            # A terminal whose device takes nothing keeps whoever closes it last for half a minute.
            threading.Thread(target=_close, args=(self._line,), daemon=True).start()

    def _write(
        self, data: bytes, loop: asyncio.AbstractEventLoop, taken: asyncio.Future[int | OSError]
    ) -> None:
        result = _written(self._line, data)
        with contextlib.suppress(RuntimeError):  # everything is over
            loop.call_soon_threadsafe(self._over, taken, result)

    def _over(self, taken: asyncio.Future[int | OSError], result: int | OSError) -> None:
        self._busy = False
        if self._closed:
            self.close()
        if not taken.done():
            taken.set_result(result)

    def _done(self, result: int | OSError, data: bytes) -> None:
        if isinstance(result, OSError):
            text = result.strerror or "it is broken"
            raise (Unreached if result.errno in _AGAIN else PeripheralGone)(text) from result
        if result < len(data):
            raise Unreached("its line is full")


def _close(line: int) -> None:
    with contextlib.suppress(OSError):
        os.close(line)


def _written(line: int, data: bytes) -> int | OSError:
    try:
        return os.write(line, data)
    except OSError as error:
        return error


class OpenPaths:
    """Open ports and sockets, by the addresses of what is at their other ends."""

    def __init__(self) -> None:
        self._paths: dict[str, OpenPath | None] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._paths

    def take(self, address: str, line: int | None) -> None:
        """Own `line` from now on, in the place of what there was; None: it could not be had."""
        self.forget(address)
        self._paths[address] = None if line is None else OpenPath(line)

    def forget(self, address: str) -> None:
        path = self._paths.pop(address, None)
        if path is not None:
            path.close()

    def shut(self, address: str) -> None:
        """End it for everybody who has it, if that can be; nothing is written there any more."""
        path = self._paths[address]
        if path is not None:
            path.shut()
        self._paths[address] = None

    async def write(self, address: str, data: bytes) -> None:
        """Raises Unreached, PeripheralGone; see OpenPath."""
        path = self._paths[address]
        if path is None:
            raise PeripheralGone(f"{address} is not open")
        await path.write(data)


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
            await self._lines.write(address, write.data)
        else:
            await self._bluez.write(address, write)

    async def disconnect(self, address: str) -> None:
        if address in self._lines:
            self._lines.shut(address)
        else:
            await self._bluez.disconnect(address)
