"""What survives a restart: which index each device has, and what wearers keep at their relays. One
JSON file, replaced atomically.

Written behind, off the loop, and in batches: `run` does that. Who invents devices gets no more than
a quota of indexes: of each source the oldest that nobody ever used is forgotten for a new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from forwarder.errors import ConfigError
from forwarder.hub.bounds import BEHIND_S, STORE_MOST, UNUSED_EACH
from forwarder.hub.device import Identity
from forwarder.hub.kept import KeptConnection
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_memory, write_state

log = logging.getLogger(__name__)

# The index is a u32 on the wire.
_MAX_INDEX = 0xFFFFFFFF
_FORMAT = 1
_WITHOUT = (
    "devices get their indexes anew, and apps may know them by others; tokens that name devices by"
    " index have to be looked through"
)


class KnownDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device that was here once. `name`: what it was called then, for people.

    `source`: what brought it. `used`: it was driven. `here`: it was connected when this was noted.
    """

    address: str
    protocol: str
    index: int
    identifier: str | None = None
    name: str = ""
    source: str = ""
    used: bool = False
    here: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.address, self.protocol, self.identifier)


class _StoreFile(msgspec.Struct, frozen=True):
    version: int
    devices: tuple[KnownDevice, ...]
    kept: tuple[KeptConnection, ...] = ()


class Store:
    """The device indexes, oldest first. Without a path everything is forgotten at the end."""

    def __init__(self, path: Path | None) -> None:
        """Read `path` if it exists; what is damaged is set aside, and said.

        Raises ConfigError if a newer version has written it, or if it cannot be read.
        """
        self._path = path
        self._known: dict[Identity, KnownDevice] = {}
        # The same by address, in order; how many of each source may be forgotten.
        self._at: dict[str, dict[Identity, None]] = {}
        self._idle: Counter[str] = Counter()
        self._taken: set[int] = set()
        self._lowest = 0  # below it every index is taken
        self._changed = asyncio.Event()
        # What was here when the hub ended.
        self.expected: tuple[Identity, ...] = ()
        self._kept: tuple[KeptConnection, ...] = ()
        if path is None:
            return
        try:
            file = read_memory(path, _StoreFile, _FORMAT, _WITHOUT)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        if file is not None:
            self._kept = file.kept
            self._load(file.devices)

    def _load(self, devices: Iterable[KnownDevice]) -> None:
        """Take what can be said to clients; what cannot, or is there twice, gets another index."""
        again: list[KnownDevice] = []
        for known in devices:
            if 0 <= known.index <= _MAX_INDEX and known.index not in self._taken:
                self._put(known)
            elif known.identity not in self._known:
                again.append(known)
        for known in again:
            index = self._free()
            log.warning(
                "%s: index %d of %s is taken or none, it has %d now",
                self._path,
                known.index,
                known.name or known.address,
                index,
            )
            self._put(replace(known, index=index))
        self.expected = tuple(known.identity for known in self.known if known.here)
        for known in self.known:
            self._put(replace(known, here=False))
        self._changed.clear()
        for _ in range(len(self._known) - STORE_MOST):
            self._forget_one(None)

    @property
    def known(self) -> tuple[KnownDevice, ...]:
        return tuple(self._known.values())

    @property
    def kept(self) -> tuple[KeptConnection, ...]:
        return self._kept

    def keep(self, kept: tuple[KeptConnection, ...]) -> None:
        """These are kept now, and no others."""
        if kept != self._kept:
            self._kept = kept
            self._changed.set()

    def at(self, address: str) -> Identity | None:
        """What was at this address the last time that something new was there."""
        found = self._at.get(address)
        return next(reversed(found)) if found else None

    def of(self, identity: Identity) -> KnownDevice | None:
        """What is known of this device."""
        return self._known.get(identity)

    def index(
        self, identity: Identity, name: str, wish: int | None = None, *, source: str = ""
    ) -> int:
        """The index of this device, which is here now: the one it had, else `wish` if free, else
        the lowest free one."""
        known = self._known.get(identity)
        if known is not None:
            self._put(replace(known, here=True))
            return known.index
        if self._idle[source] >= UNUSED_EACH:
            self._forget_one(source)
        elif len(self._known) >= STORE_MOST:
            self._forget_one(None)
        wished = wish is not None and 0 <= wish <= _MAX_INDEX and wish not in self._taken
        index = wish if wish is not None and wished else self._free()
        known = KnownDevice(
            identity.address,
            identity.protocol,
            index,
            identity.identifier,
            name,
            source=source,
            here=True,
        )
        self._put(known)
        return index

    def used(self, identity: Identity) -> None:
        """It was driven: from now on it is not forgotten for others."""
        known = self._known.get(identity)
        if known is not None and not known.used:
            self._put(replace(known, used=True))

    def gone(self, identity: Identity) -> None:
        """It is not here any more."""
        known = self._known.get(identity)
        if known is not None and known.here:
            self._put(replace(known, here=False))

    def _free(self) -> int:
        while self._lowest in self._taken:
            self._lowest += 1
        return self._lowest

    def _put(self, known: KnownDevice) -> None:
        self._count(self._known.get(known.identity), -1)
        self._count(known, 1)
        self._known[known.identity] = known
        self._at.setdefault(known.address, {})[known.identity] = None
        self._taken.add(known.index)
        self._changed.set()

    def _count(self, known: KnownDevice | None, by: int) -> None:
        if known is not None and not (known.used or known.here):
            self._idle[known.source] += by

    def _forget_one(self, source: str | None) -> None:
        """Forget the oldest that nobody used, of `source` if given. What is here stays."""
        away = [
            entry
            for entry in self._known.values()
            if not entry.here and source in (None, entry.source)
        ]
        if not away:
            return
        forgotten = min(away, key=lambda entry: entry.used)
        self._count(forgotten, -1)
        del self._known[forgotten.identity]
        at = self._at[forgotten.address]
        del at[forgotten.identity]
        if not at:
            del self._at[forgotten.address]
        self._taken.discard(forgotten.index)
        self._lowest = min(self._lowest, forgotten.index)
        self._changed.set()

    # --- the file -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what changes, a moment later and beside the loop, until cancelled; then at once."""
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(BEHIND_S)
                self._changed.clear()
                await self._write_aside()
        finally:
            self.save()

    async def _write_aside(self) -> None:
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(None, self._write, self._file())
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # An older state must not replace the last one.
            await asyncio.wait([writing])
            raise

    def save(self) -> None:
        """Write what has changed, now. If the disk refuses, that is logged and nothing else."""
        if self._changed.is_set():
            self._changed.clear()
            self._write(self._file())

    def _file(self) -> _StoreFile:
        return _StoreFile(_FORMAT, tuple(self._known.values()), self._kept)

    def _write(self, file: _StoreFile) -> None:
        if self._path is None:
            return
        try:
            write_state(self._path, file)
        except OSError as error:
            log.error("device indexes could not be saved to %s: %s", self._path, error)
