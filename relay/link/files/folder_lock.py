"""One program per state folder: two that write the same files undo each other's decisions."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Final

# Behind what a process number needs: Windows lets nobody read what is locked.
_LOCKED_BYTE: Final = 1 << 20


class FolderTaken(Exception):
    """Another program has the folder; `who` it is, as far as that can be told."""

    def __init__(self, who: str) -> None:
        super().__init__(who)
        self.who = who


class FolderLock:
    """Holds the lock file `path`, whose folder is made if there is none, until `release` or the end
    of the process, however that comes. The file stays, with the number of its last process.
    """

    def __init__(self, path: Path) -> None:
        """Raises FolderTaken, OSError."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, flags, 0o600)
        self._close = weakref.finalize(self, os.close, handle)
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            holder = os.read(handle, 20)
            self.release()
            who = f"process {holder.decode()}" if holder.isdigit() else "another process"
            raise FolderTaken(who) from None
        except OSError:
            self.release()
            raise
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
