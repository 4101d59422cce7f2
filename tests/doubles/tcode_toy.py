"""A stroker that speaks T-Code, with a record of its own: what each axis was told, and when.

`Firmware` is the language (OSR2-Arduino v3.6 and TCodeESP32 in v0.3 mode); `PtyToy` puts it behind
a real terminal that can be pulled and plugged in again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_COMMAND = re.compile(r"([LRVA]\d)(\d+)(?:I(\d+))?")
# What an SR6 with two vibrators registers.
SR6 = ("L0", "L1", "L2", "R0", "R1", "R2", "V0", "V1")


@dataclass(frozen=True, slots=True)
class Told:
    """`axis` was told to be at `to` (0 to 1) within `ms`; "" for DSTOP. `at`: time.monotonic()."""

    at: float
    axis: str
    to: float = 0.0
    ms: int = 0


class Firmware:
    """`mute`: it does not answer, as if it had not booted yet; `hung`: it does not even listen."""

    def __init__(self, axes: tuple[str, ...] = SR6, *, answers_d2: bool = True) -> None:
        self.axes = axes
        self.record: list[Told] = []
        self.heard = b""
        self.mute = False
        self.hung = False
        self._answers_d2 = answers_d2
        self._rest = b""
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> bytes:
        """Return what it says to this."""
        if self.hung:
            return b""
        self.heard += data
        *lines, self._rest = (self._rest + data).split(b"\n")
        said = b"".join(self._line(line.decode("latin-1").strip()) for line in lines)
        self._changed.set()
        return b"" if self.mute else said

    def _line(self, line: str) -> bytes:
        said = b""
        for word in line.split():
            if word.upper() == "DSTOP":
                self.record.append(Told(time.monotonic(), ""))
            elif word.upper() == "D1":
                said += b"TCode v0.3\r\n"
            elif word.upper() == "D2" and self._answers_d2:
                said += b"".join(f"{axis} 0 9999 Name\r\n".encode() for axis in self.axes)
            elif (found := _COMMAND.fullmatch(word)) and found[1] in self.axes:
                ms = int(found[3] or 0)
                self.record.append(Told(time.monotonic(), found[1], float(f"0.{found[2]}"), ms))
        return said

    def running(self, now: float | None = None) -> bool:
        """Whether an axis moves or vibrates at this time (now), by what it was told."""
        now = time.monotonic() if now is None else now
        ends: dict[str, float] = {}
        for told in self.record:
            if told.axis == "":
                ends.clear()
            elif told.axis[0] in "VA":
                ends[told.axis] = float("inf") if told.to else 0.0
            else:
                ends[told.axis] = told.at + told.ms / 1000
        return any(end > now for end in ends.values())

    @property
    def stops(self) -> list[float]:
        """When it was told DSTOP."""
        return [told.at for told in self.record if told.axis == ""]

    async def until(self, true: Callable[[Firmware], bool]) -> None:
        while not true(self):
            self._changed.clear()
            await self._changed.wait()


class PortToy:
    """A toy behind the serial port `path`, once it is plugged in. Pull it."""

    def __init__(self, path: Path, firmware: Firmware | None = None) -> None:
        self.path = path
        self.firmware = firmware or Firmware()
        self.ours: int | None = None

    def listen(self) -> None:
        assert self.ours is not None
        asyncio.get_running_loop().add_reader(self.ours, self._readable)

    def hang(self) -> None:
        assert self.ours is not None
        asyncio.get_running_loop().remove_reader(self.ours)

    def say(self, data: bytes) -> None:
        assert self.ours is not None
        os.write(self.ours, data)

    def _leave(self) -> None:
        if self.ours is not None:
            self.hang()
            os.close(self.ours)
            self.ours = None

    def _readable(self) -> None:
        assert self.ours is not None
        with contextlib.suppress(OSError):
            if answer := self.firmware.feed(os.read(self.ours, 4096)):
                os.write(self.ours, answer)


class PtyToy(PortToy):
    """Its port is a terminal."""

    # Kept open: else the terminal would count as hung up whenever nobody else has it.
    _theirs: int | None = None

    def plug(self) -> None:
        self.ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self.ours, False)
        self.path.symlink_to(os.ttyname(self._theirs))
        self.listen()

    def pull(self) -> None:
        """As when the cable is pulled: reads and writes fail, and the port is gone."""
        self.path.unlink(missing_ok=True)
        self._leave()
        if self._theirs is not None:
            os.close(self._theirs)
            self._theirs = None


# Where this kernel has a USB device that programs play (dummy_hcd and g_serial): whether it has,
# its cable (whether the host may use what is at that port), its own end, and what the host's driver
# for modems (cdc_acm) makes of it, as of an ESP32 or an Arduino.
PLAYED = Path("/sys/class/udc/dummy_udc.0")
_CABLE = Path("/sys/bus/usb/devices/1-1/authorized")
_GADGET, _PORT = Path("/dev/ttyGS0"), Path("/dev/ttyACM0")


class UsbToy(PortToy):
    """Its port is a USB device of this machine's kernel. Needs root."""

    def __init__(self) -> None:
        super().__init__(_PORT)

    def plug(self) -> None:
        if not self.path.exists():
            _CABLE.write_text("1")
        self.ours = os.open(_GADGET, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        tty.setraw(self.ours)
        self.listen()

    def held(self) -> bool:
        """Whether anybody still has the port that was taken away: another would get other numbers,
        as it would from a hand that is quicker than any."""
        for file in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if str(file.readlink()).startswith(str(self.path)):
                    return True
        return False

    def pull(self) -> None:
        """The kernel takes the port away while it is in use."""
        if self.ours is not None:
            _CABLE.write_text("0")
        self._leave()
