"""Devices that speak in HID reports, as lines, where they are no files: Windows and macOS, through
hidapi, an extra. Written from its documentation and tried with its Linux half on a kernel of its
own (tests/ble_vm/guest/test_hid.py); nobody has tried it on those systems.
"""

from __future__ import annotations

import errno
import threading
from concurrent.futures import Future
from typing import Any

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.blocking import Blocking, BlockingDeviceError
from relay.radio.wired.bounds import HIDAPI_REPORT_MOST, READ_MS
from relay.radio.wired.line import OnBytes, OnLost
from relay.radio.wired.reports import Pack, ReportLine

try:
    import hid as _library
except ImportError:  # an extra
    _library = None

_UNPLUGGED = "it was unplugged"
# The library has one list of all devices (on macOS one manager), which is made anew by each look.
_LIST = threading.Lock()


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
        self._looking: Future[bytes | None] | None = None
        self._opening = False
        # Once while the program starts, as looking takes a while.
        self._path = self._look()

    def presence(self) -> object | None:
        """As of the last look; each call begins another one, unless one is under way."""
        if self._looking is not None and self._looking.done():
            self._path = self._looking.result()
            self._looking = None
        if self._looking is None:
            looker = Blocking("hid devices")
            self._looking = looker.submit(self._look)
            looker.close()
        return self._path

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> HidapiLine:
        """Raises RadioError. A system that hangs has one thread of ours at most."""
        if self._opening:
            text = "The system still tries to open it: pull it out, and plug it in again."
            raise RadioError(ErrorCode.TIMEOUT, text)
        opener = Blocking("hid opening")
        self._opening = True
        try:
            device = await opener.call(self._open, lambda unwanted: unwanted.close())
        finally:
            opener.close()
        return HidapiLine(device, self._pack, on_bytes, on_lost)

    def _look(self) -> bytes | None:
        try:
            with _LIST:
                found = self._hidapi.enumerate(*self._ids)
        except (OSError, ValueError):
            return None
        return next((bytes(one["path"]) for one in found), None)

    def _open(self) -> Any:
        try:
            path = self._look()
            if path is None:
                raise BlockingDeviceError("It is not plugged in.", gone=True)
            device = self._hidapi.device()
            device.open_path(path)
        except (OSError, ValueError) as error:
            text = f"It cannot be opened: {error}. Does another program use it, or may we not?"
            raise BlockingDeviceError(text) from error
        finally:
            self._opening = False
        return device


class HidapiLine(ReportLine):
    """Owns `device`, which is read in a thread of its own. There is nothing that could be handed to
    another process."""

    def __init__(self, device: Any, pack: Pack, on_bytes: OnBytes, on_lost: OnLost) -> None:
        super().__init__(pack, on_bytes, on_lost)
        self._device = device
        self._reader = threading.Thread(target=self._read, name="hid reports", daemon=True)
        self._reader.start()

    # --- in threads ----------------------------------------------------------------------------

    def _put(self, report: bytes) -> None:
        try:
            taken = self._device.write(report)
        except (OSError, ValueError):
            taken = -1
        if taken < 0:
            raise OSError(errno.ENODEV, _UNPLUGGED)

    def _read(self) -> None:
        while self._lost is None:
            try:
                report = bytes(self._device.read(HIDAPI_REPORT_MOST, READ_MS))
            except (OSError, ValueError):
                self._tell(self.lose, _UNPLUGGED)
                return
            if report:
                self._tell(self._heard, report)

    def _give_back(self) -> None:
        self._reader.join()
        self._device.close()

    def _heard(self, report: bytes) -> None:
        if self._lost is None:
            self._on_bytes(report)
