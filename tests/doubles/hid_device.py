"""A Cyclone X10, as HID devices are found and opened on Linux, with a record of its own.

`FolderHid`: below a folder, behind a terminal: `/sys/class/hidraw` and `/dev` as a relay started by
`python -m tests.doubles.hid_device FOLDER PROGRAM …` sees them. `KernelHid`: one that the kernel
has from us (uhid), on a machine where it may be played to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
import time
import tty
from pathlib import Path

from relay.radio.wired import hid
from relay.radio.wired.hidraw import HidrawDevice

UHID = Path("/dev/uhid")
VENDOR, PRODUCT = hid.HID["cyclone-x10"]
# Whole reports: its number, which is 0, and 15 bytes.
REPORT = 16
GO = bytes.fromhex("003c303135 3230 3a30 3030 010203683e".replace(" ", ""))
STOP = bytes.fromhex("003c303135 3231 3030 3030 010203683e".replace(" ", ""))


class Cyclone:
    """`record`: when (time.monotonic()) it was told which speed."""

    def __init__(self) -> None:
        self.record: list[tuple[float, int]] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= REPORT:
            report, self._rest = self._rest[:REPORT], self._rest[REPORT:]
            self.record.append((time.monotonic(), report[7] - 0x30 if report[6] == 0x30 else 0))

    def running(self) -> bool:
        return bool(self.record) and self.record[-1][1] != 0

    def stopped_at(self, since: float) -> float | None:
        return next((at for at, speed in self.record if at >= since and speed == 0), None)


class FolderHid(Cyclone):
    """`pull`: the system says that it is gone; it goes on."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._ours: int | None = None
        self._theirs: int | None = None
        self._plugs = 0

    @property
    def program(self) -> tuple[str, ...]:
        """What to start instead of `python -m relay`."""
        return ("-m", "tests.doubles.hid_device", str(self._folder), "relay")

    def plug(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self._rest = b""
        self._plugs += 1
        name = f"hidraw{self._plugs}"
        about = self._folder / "sys" / name / "device"
        about.mkdir(parents=True)
        (about / "uevent").write_text(f"HID_ID=0003:{VENDOR:08X}:{PRODUCT:08X}\n")
        dev = self._folder / "dev"
        dev.mkdir(exist_ok=True)
        (dev / name).symlink_to(os.ttyname(self._theirs))
        self.heal()

    def pull(self) -> None:
        if self._ours is None or self._theirs is None:
            return
        asyncio.get_running_loop().remove_reader(self._ours)
        name = f"hidraw{self._plugs}"
        (self._folder / "dev" / name).unlink()
        (self._folder / "sys" / name / "device" / "uevent").unlink()
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = None

    def hang(self) -> None:
        assert self._ours is not None
        asyncio.get_running_loop().remove_reader(self._ours)

    def heal(self) -> None:
        assert self._ours is not None
        asyncio.get_running_loop().add_reader(self._ours, self._readable)

    def _readable(self) -> None:
        assert self._ours is not None
        with contextlib.suppress(OSError):
            self.feed(os.read(self._ours, 4096))


# linux/uhid.h: event types, and the fixed part of a UHID_CREATE2 request (name, phys, uniq, sizes,
# ids). An output report is 4,096 bytes of data, its size and its type.
_DESTROY, _START, _STOP, _OPEN, _CLOSE, _OUTPUT, _CREATE2 = 1, 2, 3, 4, 5, 6, 11
_EVENT = 4380
# A vendor's collection with one output report of 15 bytes, without a number.
DESCRIPTOR = bytes.fromhex("0600ff0901a1010902150026ff0075089 50f9102c0".replace(" ", ""))


class KernelHid(Cyclone):
    """Needs root and a kernel with uhid."""

    def __init__(self) -> None:
        super().__init__()
        self._file: int | None = None

    program = ("-m", "relay")

    def plug(self) -> None:
        self._file = os.open(UHID, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        create = struct.pack(
            "<I128s64s64sHHIIII4096s",
            _CREATE2, b"Cyclone X10", b"test", b"", len(DESCRIPTOR), 3, VENDOR, PRODUCT, 1, 0,
            DESCRIPTOR,
        )  # fmt: skip
        os.write(self._file, create)
        self.heal()

    def pull(self) -> None:
        if self._file is not None:
            asyncio.get_running_loop().remove_reader(self._file)
            os.close(self._file)
            self._file = None

    def hang(self) -> None:
        assert self._file is not None
        asyncio.get_running_loop().remove_reader(self._file)

    def heal(self) -> None:
        assert self._file is not None
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def _readable(self) -> None:
        assert self._file is not None
        with contextlib.suppress(BlockingIOError):
            event = os.read(self._file, _EVENT)
            if struct.unpack_from("<I", event)[0] == _OUTPUT:
                (size,) = struct.unpack_from("<H", event, 4 + 4096)
                self.feed(event[4 : 4 + size])


def main() -> int:
    """Run a program of ours that looks for HID devices below a folder."""
    folder, program = Path(sys.argv[1]), sys.argv[2]
    vars(HidrawDevice)["__init__"].__defaults__ = (folder / "sys", folder / "dev")
    sys.argv = sys.argv[2:]
    module = __import__(f"{program}.__main__", fromlist=["main"])
    code: int = module.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
