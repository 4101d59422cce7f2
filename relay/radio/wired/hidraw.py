"""Devices that speak in HID reports, as lines, on Linux: /dev/hidraw*. A file like any other,
so that a supervisor can be handed it. Source: the kernel's Documentation/hid/hidraw.rst."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.blocking import Blocking
from relay.radio.wired.bounds import HIDRAW_REPORT_MOST
from relay.radio.wired.line import OnBytes, OnLost, next_number

SYSFS = Path("/sys/class/hidraw")
Pack = Callable[[bytes], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class HidrawDevice:
    """The first one of this vendor and product. `pack`: the reports that bytes are written in."""

    vendor: int
    product: int
    pack: Pack
    sysfs: Path = SYSFS
    devices: Path = Path("/dev")

    def path(self) -> Path | None:
        # Behind the bus, which is Bluetooth for some.
        wanted = re.compile(rf"HID_ID=....:{self.vendor:08X}:{self.product:08X}")
        for entry in sorted(self.sysfs.glob("hidraw*")):
            try:
                told = (entry / "device" / "uevent").read_text().upper().splitlines()
            except OSError:
                continue  # it was unplugged while we looked
            if any(map(wanted.fullmatch, told)):
                return self.devices / entry.name
        return None

    def presence(self) -> object | None:
        path = self.path()
        try:
            found = None if path is None else path.stat()
        except OSError:
            return None
        return None if found is None else (path, found.st_rdev, found.st_ctime_ns)

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> HidrawLine:
        """Raises RadioError."""
        path = self.path()
        if path is None:
            raise RadioError(ErrorCode.NOT_FOUND, "It is not plugged in.")
        try:
            file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            text = f"This program may not open {path}: it needs a udev rule, see the README."
            raise RadioError(ErrorCode.REFUSED, text) from None
        except OSError as error:
            text = f"{path} cannot be opened: {error.strerror}."
            raise RadioError(ErrorCode.RADIO, text) from error
        return HidrawLine(file, self.pack, on_bytes, on_lost)


class HidrawLine:
    """Owns `file`. The kernel takes a report as a whole, or says that the device is gone."""

    def __init__(self, file: int, pack: Pack, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self.number = next_number()
        self._file = file
        self._pack = pack
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._lost: str | None = None
        self._closing = False
        self._thread = Blocking("hid")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(file, self._readable)

    @property
    def lost_because(self) -> str | None:
        return self._lost

    async def send(self, data: bytes) -> None:
        if self._lost is None:
            for report in self._pack(data):
                # USB takes each within a frame. In a thread of its own: neither a device that hangs
                # nor a name that is looked up holds it up. What was given up is not written.
                await asyncio.wrap_future(self._thread.submit(partial(self._write, report)))
        if self._lost is not None:
            raise RadioError(ErrorCode.GONE, self._lost)

    def nudge(self, data: bytes) -> None:
        del data  # a device on USB is told when it is gone

    def descriptor(self) -> int | None:
        return None if self._lost is not None else self._file

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return self._pack(data)

    def lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
            self._loop.remove_reader(self._file)
            # Behind the write that is under way: the number may be another device's then.
            self._thread.submit(partial(os.close, self._file))
            self._thread.close()
            if not self._closing:
                self._on_lost(reason)

    async def close(self) -> None:
        self._closing = True
        self.lose("it was let go")

    def _write(self, report: bytes) -> None:
        if self._lost is not None:
            return
        try:
            os.write(self._file, report)
        except OSError as error:
            self._loop.call_soon_threadsafe(self.lose, error.strerror or "it is gone")
            raise RadioError(ErrorCode.GONE, error.strerror or "it is gone") from error

    def _readable(self) -> None:
        try:
            data = os.read(self._file, HIDRAW_REPORT_MOST)
        except BlockingIOError:
            return
        except OSError as error:
            gone = error.errno in (errno.ENODEV, errno.EIO)
            self.lose("it was unplugged" if gone else error.strerror or "it is gone")
            return
        if data:
            self._on_bytes(data)
        else:
            self.lose("it was unplugged")
