"""Devices that speak in HID reports, as lines, on Linux: /dev/hidraw*. A file like any other,
so that a supervisor can be handed it. Source: the kernel's Documentation/hid/hidraw.rst."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.wired.bounds import HIDRAW_REPORT_MOST
from relay.radio.wired.line import OnBytes, OnLost
from relay.radio.wired.reports import Pack, ReportLine

SYSFS = Path("/sys/class/hidraw")


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


class HidrawLine(ReportLine):
    """Owns `file`."""

    def __init__(self, file: int, pack: Pack, on_bytes: OnBytes, on_lost: OnLost) -> None:
        super().__init__(pack, on_bytes, on_lost)
        self._file = file
        self._loop.add_reader(file, self._readable)

    def descriptor(self) -> int | None:
        return None if self._lost is not None else self._file

    def lose(self, reason: str) -> None:
        # Its number may be another device's later.
        if self._lost is None:
            self._loop.remove_reader(self._file)
        super().lose(reason)

    def _put(self, report: bytes) -> None:
        os.write(self._file, report)

    def _give_back(self) -> None:
        os.close(self._file)

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
