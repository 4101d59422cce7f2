"""One hub per state folder: two that write the same files undo each other's decisions, and a relay
that one has revoked comes back by the other.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Final

from forwarder.errors import ConfigError

LOCK_FILE: Final = "hub.lock"
# Behind what a process number needs: Windows lets nobody read what is locked.
_LOCKED_BYTE: Final = 1 << 20


class StateLock:
    """Holds `folder`, which is made if there is none, until `release` or the end of the process,
    however that comes. The file stays, with the number of the process that had it last.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError if another hub has it, or if the folder cannot be used."""
        path = folder / LOCK_FILE
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise ConfigError(f"{path} cannot be opened: {error.strerror}.") from error
        self._close = weakref.finalize(self, os.close, handle)
        try:
            _lock(handle)
        except OSError as error:
            holder = os.pread(handle, 20, 0) if hasattr(os, "pread") else os.read(handle, 20)
            self.release()
            if not isinstance(error, BlockingIOError | PermissionError):
                raise ConfigError(
                    f"{path} cannot be locked ({error.strerror}): choose a folder on a disk of this"
                    " machine with --state."
                ) from error
            who = f"process {holder.decode()}" if holder.isdigit() else "another process"
            raise ConfigError(
                f"A hub runs with the state folder {folder} already, as {who}: end it, or give"
                " this one a folder of its own with --state."
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())

    def release(self) -> None:
        """Idempotent."""
        self._close()


if os.name == "nt":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows only
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
