"""Devices that speak in HID reports, as lines, where they are no files: Windows and macOS, through
hidapi, an extra. Written from its documentation and tried with its Linux half on a kernel of its
own (tests/ble_vm/guest/test_hid.py); nobody has tried it on those systems.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.blocking import Blocking, BlockingDeviceError
from relay.radio.wired.bounds import HIDAPI_REPORT_MOST, READ_MS
from relay.radio.wired.hidraw import Pack
from relay.radio.wired.line import OnBytes, OnLost, next_number

try:
    import hid as _library
except ImportError:  # an extra
    _library = None

_UNPLUGGED = "it was unplugged"


def library() -> Any | None:
    """hidapi's module; None where it is not installed."""
    return _library


class HidapiDevice:
    """The first one of this vendor and product, by `hidapi` (its module `hid`, or what stands for
    it). `pack`: the reports that bytes are written in."""

    def __init__(self, vendor: int, product: int, pack: Pack, hidapi: Any) -> None:
        self._ids = (vendor, product)
        self._pack = pack
        self._hidapi = hidapi
        self._looker = Blocking("hid devices")
        self._looking: Future[bytes | None] | None = None
        # Once while the program starts, as looking takes a while.
        self._path = self._look()

    def presence(self) -> object | None:
        """As of the last look; each call begins another one, unless one is under way."""
        if self._looking is not None and self._looking.done():
            self._path = self._looking.result()
            self._looking = None
        if self._looking is None:
            self._looking = self._looker.submit(self._look)
        return self._path

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> HidapiLine:
        """Raises RadioError."""
        thread = Blocking("hid")
        try:
            device = await thread.call(self._open, lambda unwanted: unwanted.close())
        except BaseException:
            thread.close()
            raise
        return HidapiLine(device, thread, self._pack, on_bytes, on_lost)

    def _look(self) -> bytes | None:
        try:
            found = self._hidapi.enumerate(*self._ids)
        except (OSError, ValueError):
            return None
        return next((bytes(one["path"]) for one in found), None)

    def _open(self) -> Any:
        path = self._look()
        if path is None:
            raise BlockingDeviceError("It is not plugged in.", gone=True)
        device = self._hidapi.device()
        try:
            device.open_path(path)
        except (OSError, ValueError) as error:
            text = f"It cannot be opened: {error}. Does another program use it, or may we not?"
            raise BlockingDeviceError(text) from error
        return device


class HidapiLine:
    """Owns `device`, which is written to and closed in `thread`, and read in one of its own."""

    def __init__(
        self, device: Any, thread: Blocking, pack: Pack, on_bytes: OnBytes, on_lost: OnLost
    ) -> None:
        self.number = next_number()
        self._device = device
        self._thread = thread
        self._pack = pack
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._lost: str | None = None
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._reader = threading.Thread(target=self._read, name="hid reports", daemon=True)
        self._reader.start()

    @property
    def lost_because(self) -> str | None:
        return self._lost

    async def send(self, data: bytes) -> None:
        if self._lost is None:
            for report in self._pack(data):
                # What was given up is not written.
                await asyncio.wrap_future(self._thread.submit(partial(self._write, report)))
        if self._lost is not None:
            raise RadioError(ErrorCode.GONE, self._lost)

    def nudge(self, data: bytes) -> None:
        del data  # a device on USB is told when it is gone

    def descriptor(self) -> int | None:
        return None  # there is nothing that could be handed over

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return self._pack(data)

    def lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
            self._thread.submit(self._close)  # behind the write that is under way
            self._thread.close()
            if not self._closing:
                self._on_lost(reason)

    async def close(self) -> None:
        self._closing = True
        self.lose("it was let go")

    # --- in threads ----------------------------------------------------------------------------

    def _write(self, report: bytes) -> None:
        if self._lost is not None:
            return
        try:
            taken = self._device.write(report)
        except (OSError, ValueError):
            taken = -1
        if taken < 0:
            self._tell(self.lose, _UNPLUGGED)
            raise RadioError(ErrorCode.GONE, _UNPLUGGED)

    def _read(self) -> None:
        while self._lost is None:
            try:
                report = bytes(self._device.read(HIDAPI_REPORT_MOST, READ_MS))
            except (OSError, ValueError):
                self._tell(self.lose, _UNPLUGGED)
                return
            if report:
                self._tell(self._heard, report)

    def _close(self) -> None:
        self._reader.join()
        self._device.close()

    def _heard(self, report: bytes) -> None:
        if self._lost is None:
            self._on_bytes(report)

    def _tell(self, what: Any, value: str | bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, value)
