"""What a relay writes down about a connected peripheral, so that its next start can stop it.

A small file per peripheral: its address before a connection is asked for, how to stop it from the
first Arm on, and whether it may run. Removed when the peripheral was let go, stopped. Written off
the event loop, in order; a file that cannot be written is said once, and the relay works on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import msgspec

from relay.debts.bounds import FLUSH_S, MOST_FILES, RECORDS_WRITE_S
from relay.debts.record import Record
from relay.link.files.keys import PrivateFileError, read_private, write_private

log = logging.getLogger(__name__)

_SUFFIX = ".json"


class Records:
    """The records in `folder`; None keeps nothing. `run` writes what `put` and `drop` ask for."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, Record] = {}
        self._pending: dict[str, Record | None] = {}
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._complained = False
        # Held while files are written: what `flush` does comes behind what a thread has begun.
        self._writing = threading.Lock()

    @property
    def kept(self) -> bool:
        """Whether there are any at all."""
        return self._folder is not None

    def path(self, address: str) -> Path | None:
        """Where the record of `address` is."""
        if self._folder is None:
            return None
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in address)
        return self._folder / (name + _SUFFIX)

    def load(self) -> list[tuple[Record, float]]:
        """Return what an earlier relay left behind, and how old (s) each record is."""
        if self._folder is None:
            return []
        found = []
        for path in sorted(self._folder.glob("*" + _SUFFIX))[:MOST_FILES]:
            try:
                record = msgspec.json.decode(read_private(path), type=Record)
                age_s = max(0.0, time.time() - path.stat().st_mtime)
            except (OSError, PrivateFileError, msgspec.DecodeError) as error:
                log.error("what %s says of a device that may be running is lost: %s", path, error)
                continue
            self._known[record.address] = record
            found.append((record, age_s))
        return found

    def get(self, address: str) -> Record | None:
        return self._known.get(address)

    def put(self, record: Record) -> None:
        """Write it down soon, if it is news."""
        if self._folder is not None and self._known.get(record.address) != record:
            self._known[record.address] = self._pending[record.address] = record
            self._wake()

    def drop(self, address: str) -> None:
        """Remove it soon: the peripheral was stopped and let go."""
        if self._known.pop(address, None) is not None:
            self._pending[address] = None
            self._wake()

    async def written(self, limit_s: float = RECORDS_WRITE_S) -> None:
        """Wait until everything is written, for `limit_s` at most."""
        if self._folder is None:
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%s takes its time; going on without it", self._folder)

    async def run(self) -> None:
        """Until cancelled; `flush` does what is left."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                pending, self._pending = self._pending, {}
                await asyncio.to_thread(self._write, pending)
            self._idle.set()

    def flush(self) -> None:
        """Write what is left, at once: the program ends."""
        pending, self._pending = self._pending, {}
        if not self._writing.acquire(timeout=FLUSH_S):
            log.error(
                "%s takes too long: the next start may look for devices in vain", self._folder
            )
            return
        self._writing.release()
        self._write(pending)

    def _wake(self) -> None:
        self._idle.clear()
        self._changed.set()

    def _write(self, pending: dict[str, Record | None]) -> None:
        with self._writing:
            for address, record in pending.items():
                path = self.path(address)
                assert path is not None  # nothing is put or dropped without a folder
                try:
                    if record is None:
                        path.unlink(missing_ok=True)
                    else:
                        write_private(path, msgspec.json.encode(record))
                except OSError as error:
                    self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.error(
                "%s cannot be written (%s): if this relay is killed, its next start does not know"
                " which devices may be running", self._folder, error.strerror,
            )  # fmt: skip
