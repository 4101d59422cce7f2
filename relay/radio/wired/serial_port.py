"""Serial ports, through serialx: opening them, and what is wrong when they do not open."""

from __future__ import annotations

import asyncio
import errno
import importlib
import os
import stat
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.wired.bounds import PROCESSES_MOST
from relay.radio.wired.line import OnBytes, OnLost, StreamLine

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class PortSettings:
    """How a port is set up, as the protocol's definition says it. `prefix` ends half a line."""

    baud: int = 115_200
    bits: int = 8
    parity: str = "N"
    stop: int = 1
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port: /dev/ttyUSB0, /dev/serial/by-id/…, COM3. Nobody else may use it meanwhile."""

    path: str
    settings: PortSettings

    def presence(self) -> object | None:
        """What is other after the cable was pulled and plugged in again; None: nothing is there."""
        if sys.platform == "win32":
            return self.path  # Windows has no file for it: opening shows.
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_rdev, found.st_ino, found.st_ctime_ns if _is_device(found) else 0)

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> StreamLine:
        """Raises RadioError."""
        # A tenth of a second and 10 MiB, which nobody pays who has no such toy; not in the loop.
        serialx = await asyncio.to_thread(importlib.import_module, "serialx")
        settings = self.settings
        line = SerialLine(on_bytes, on_lost, settings.prefix)
        try:
            await serialx.create_serial_connection(
                asyncio.get_running_loop(),
                lambda: line,
                self.path,
                settings.baud,
                serialx.Parity(settings.parity),
                serialx.StopBits(settings.stop),
                byte_size=settings.bits,
                # An Arduino resets, and does nothing for two seconds, when DTR rises: left as it is
                # on closing, it only rises once after plugging in.
                dtr_on_close=serialx.PinState.UNDEFINED,
                rts_on_close=serialx.PinState.UNDEFINED,
            )
        except (OSError, serialx.SerialException, ValueError) as error:
            text = await asyncio.to_thread(trouble, self.path, error)
            code = _CODES.get(getattr(error, "errno", None) or 0, ErrorCode.RADIO)
            raise RadioError(code, text) from error
        return line


class SerialLine(StreamLine):
    """Whoever closes the port of a device that takes nothing waits for half a minute, in the
    kernel. That is a thread of nobody's here, so that neither a line nor a program ends as late."""

    _last: int | None = None

    def lose(self, reason: str) -> None:
        transport = self._transport
        if sys.platform != "win32" and transport is not None and not transport.is_closing():
            port = self.descriptor()
            if port is not None:
                # The transport's own one is not the last one then, and is closed at once.
                self._last = os.dup(port)
                # It may be opened again meanwhile.
                fcntl.flock(self._last, fcntl.LOCK_UN)
        super().lose(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._last is not None:
            last, self._last = self._last, None
            threading.Thread(target=os.close, args=(last,), name="a port", daemon=True).start()


_CODES = {
    errno.ENOENT: ErrorCode.NOT_FOUND,
    errno.ENXIO: ErrorCode.NOT_FOUND,
    errno.ENODEV: ErrorCode.NOT_FOUND,
    errno.EBUSY: ErrorCode.BUSY,
    errno.EACCES: ErrorCode.REFUSED,
}


def missing(path: str) -> str:
    """What to say of a port that is not there."""
    return f"There is no port {path}. Plug the device in, or name another port."


def trouble(path: str, error: Exception) -> str:
    """Return what is wrong with this port and what to do, in a line. Looks around; takes time."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return missing(path)
    if number in (errno.EACCES, errno.EPERM):
        return _no_permission(path)
    if number == errno.EBUSY:
        who = holder(path)
        return f"{path} is in use by {who or 'another program'}. End that, or name another port."
    if number == errno.ENOTTY:
        return f"{path} is no serial port. Name another one."
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{path} cannot be opened: {text}"


def _no_permission(path: str) -> str:
    try:
        group = Path(path).group()
    except (OSError, KeyError, NotImplementedError):
        group = ""
    if not group or group == "root":
        return f"This program may not open {path}, and no group may: see its udev rules."
    return (
        f"This program may not open {path}. Add its user to the group {group} "
        f"(sudo usermod -aG {group} USER) and log in again."
    )


def holder(path: str) -> str | None:
    """Who has this port open, as `name (process 123)`; None if that cannot be seen."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        wanted = os.stat(path).st_rdev
    except OSError:
        return None
    mine = str(os.getpid())
    processes = [one for one in Path("/proc").iterdir() if one.name.isdigit() and one.name != mine]
    for process in processes[:PROCESSES_MOST]:
        if _has_open(process, wanted):
            try:
                name = (process / "comm").read_text().strip()
            except OSError:
                name = "a program"
            return f"{name} (process {process.name})"
    return None


def _has_open(process: Path, device: int) -> bool:
    try:
        for file in (process / "fd").iterdir():
            found = file.stat()
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == device:
                return True
    except OSError:
        return False  # it has ended, or is somebody else's
    return False


def _is_device(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode)
