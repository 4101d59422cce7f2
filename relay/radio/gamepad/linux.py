"""Game pads on Linux, through evdev, an extra: force feedback of /dev/input/event*.

The kernel ends an effect after its length, and erases the effects of a program that ends. Source:
its Documentation/input/ff.rst and drivers/input/ff-core.c.

evdev holds Python's lock during its own calls: with a pad that hangs, the whole program would hang.
So what a pad is told goes through the standard library, which does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from pathlib import Path

from relay.radio.blocking import BlockingDeviceError
from relay.radio.gamepad.pads import TOP, Found, Pad

try:
    import fcntl

    import evdev
    from evdev import ecodes, ff
except ImportError:  # an extra, and Linux alone has it
    AVAILABLE = False
else:
    AVAILABLE = True

INPUT = Path("/dev/input")
SYSFS = Path("/sys/class/input")
# The pad is not there any more; EBADF: nobody has it open.
_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EBADF)


# struct input_event: a time, which the kernel ignores here, type, code, value.
_EVENT = struct.Struct("llHHi")
# EVIOCSFF of linux/input.h: _IOW('E', 0x80, struct ff_effect).
_UPLOAD = 0x40004580 | (ctypes.sizeof(ff.Effect) << 16 if AVAILABLE else 0)


class EvdevPads:
    """The pads below `folder` that rumble and that this program may use."""

    bounded = True

    def __init__(self, folder: Path = INPUT) -> None:
        self._folder = folder
        # What each event device is, until it is another one: opening all of them each second would
        # cost time.
        self._known: dict[str, tuple[tuple[int, int], Found | None]] = {}

    def find(self) -> list[Found]:
        places = {str(path): path for path in sorted(self._folder.glob("event*"))}
        self._known = {place: it for place, it in self._known.items() if place in places}
        denied = 0
        for place, path in places.items():
            try:
                stat = path.stat()
                key = (stat.st_rdev, stat.st_ctime_ns)
                if self._known.get(place, (None,))[0] != key:
                    self._known[place] = (key, _looked_at(place))
            except PermissionError:
                denied += 1
            except OSError:
                self._known.pop(place, None)  # it went while we looked
        found = [one for _, one in self._known.values() if one is not None]
        if denied and not found:
            raise BlockingDeviceError(
                f"This program may not use {self._folder}: add its user to the group input"
                " (sudo usermod -aG input USER) and log in again."
            )
        return found

    def open(self, found: Found) -> Pad:
        try:
            return EvdevPad(found.place)
        except OSError as error:
            raise _translated(error) from error


class EvdevPad:
    """One effect of this pad, which is changed and begun anew."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._file = os.open(place, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._effect = -1
        # Kept by the pad after others have used it.
        with contextlib.suppress(OSError):
            self._write(ecodes.FF_GAIN, TOP)

    def rumble(self, low: int, high: int, ms: int) -> None:
        try:
            if (low, high) == (0, 0):
                if self._effect >= 0:
                    self._write(self._effect, 0)
                return
            levels = ff.Rumble(strong_magnitude=low, weak_magnitude=high)
            effect = ff.Effect(
                ecodes.FF_RUMBLE, self._effect, 0, ff.Trigger(0, 0), ff.Replay(ms, 0),
                ff.EffectType(ff_rumble_effect=levels),
            )  # fmt: skip
            fcntl.ioctl(self._file, _UPLOAD, effect)
            self._effect = effect.id
            self._write(self._effect, 1)
        except OSError as error:
            raise _translated(error) from error

    def battery(self) -> int | None:
        supplies = (SYSFS / Path(self._place).name / "device" / "device").glob("power_supply/*")
        for supply in supplies:
            with contextlib.suppress(OSError, ValueError):
                return int((supply / "capacity").read_text())
        return None

    def close(self) -> None:
        """The kernel erases what it was told when its last file is closed, which ends that."""
        file, self._file = self._file, -1
        with contextlib.suppress(OSError):
            os.close(file)

    def _write(self, code: int, value: int) -> None:
        os.write(self._file, _EVENT.pack(0, 0, ecodes.EV_FF, code, value))


def _looked_at(place: str) -> Found | None:
    """What this device is, if it rumbles. Raises OSError."""
    device = evdev.InputDevice(place)
    try:
        if ecodes.FF_RUMBLE not in device.capabilities().get(ecodes.EV_FF, ()):
            return None
        info = device.info
        kind = f"{info.bustype:04x}:{info.vendor:04x}:{info.product:04x}"
        return Found(f"{kind}:{device.uniq or device.phys}", place, device.name or "Game pad")
    finally:
        device.close()


def _translated(error: OSError) -> BlockingDeviceError:
    if error.errno in _GONE:
        return BlockingDeviceError("The pad was unplugged.", gone=True)
    if error.errno == errno.ENOSPC:
        return BlockingDeviceError("Other programs use all effects of this pad: end one of them.")
    return BlockingDeviceError(f"The pad does not take it: {error.strerror or error}")
