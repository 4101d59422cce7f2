"""Game pads on Linux, through evdev, an extra: force feedback of /dev/input/event*.

The kernel ends an effect after its length, and erases the effects of a program that ends. Source:
its Documentation/input/ff.rst and drivers/input/ff-core.c.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from relay.radio.blocking import DeviceError
from relay.radio.gamepad.pads import TOP, Found, Pad

try:
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
            raise DeviceError(
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
        self._device = evdev.InputDevice(place)
        self._effect = -1
        # Kept by the pad after others have used it.
        with contextlib.suppress(OSError):
            self._device.write(ecodes.EV_FF, ecodes.FF_GAIN, TOP)

    def rumble(self, low: int, high: int, ms: int) -> None:
        try:
            if (low, high) == (0, 0):
                if self._effect >= 0:
                    self._device.write(ecodes.EV_FF, self._effect, 0)
                return
            levels = ff.Rumble(strong_magnitude=low, weak_magnitude=high)
            effect = ff.Effect(
                ecodes.FF_RUMBLE, self._effect, 0, ff.Trigger(0, 0), ff.Replay(ms, 0),
                ff.EffectType(ff_rumble_effect=levels),
            )  # fmt: skip
            self._effect = self._device.upload_effect(effect)
            self._device.write(ecodes.EV_FF, self._effect, 1)
        except OSError as error:
            raise _translated(error) from error

    def battery(self) -> int | None:
        supplies = (SYSFS / Path(self._place).name / "device" / "device").glob("power_supply/*")
        for supply in supplies:
            with contextlib.suppress(OSError, ValueError):
                return int((supply / "capacity").read_text())
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._effect >= 0:
                self._device.write(ecodes.EV_FF, self._effect, 0)
                self._device.erase_effect(self._effect)
        self._device.close()


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


def _translated(error: OSError) -> DeviceError:
    if error.errno in _GONE:
        return DeviceError("The pad was unplugged.", gone=True)
    if error.errno == errno.ENOSPC:
        return DeviceError("Other programs use all effects of this pad: end one of them.")
    return DeviceError(f"The pad does not take it: {error.strerror or error}")
