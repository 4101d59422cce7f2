"""One lock per address in the runtime folder: which relay of this machine has a peripheral.

A relay that finds a record of a killed one must not let a toy go that another relay drives. The
system drops a lock with the process that holds it. Platforms without such locks have no system
that keeps connections of dead programs either.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

log = logging.getLogger(__name__)

if sys.platform != "win32":
    import fcntl


class Locks:
    """The locks of one relay in `folder`; None takes none, and every address is free."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}
        self._complained = False

    def take(self, address: str) -> bool:
        """Whether this relay may have `address`: it is its own until `drop`."""
        if self._folder is None or address in self._held or sys.platform == "win32":
            return True
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in address)
        path = self._folder / (name + ".lock")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._complain(error)
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            self._complain(error)
            return True
        self._held[address] = handle
        return True

    def drop(self, address: str) -> None:
        """It may be another's. The file stays: removing it would let two hold it."""
        handle = self._held.pop(address, None)
        if handle is not None:
            os.close(handle)

    def close(self) -> None:
        for address in tuple(self._held):
            self.drop(address)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning("%s: no locks, two relays may take one device: %s", self._folder, error)
