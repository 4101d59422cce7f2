"""What survives a restart: which index each device has. One JSON file, replaced atomically."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from forwarder.device import Identity
from forwarder.errors import ConfigError
from relay.link.keys import write_private

log = logging.getLogger(__name__)

# The index is a u32 on the wire; a table of this size is a fault, not a collection.
_MAX_DEVICES = 100_000


class KnownDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device that was here once. `name`: what it was called then, for people."""

    address: str
    protocol: str
    index: int
    identifier: str | None = None
    name: str = ""


class _File(msgspec.Struct, frozen=True):
    version: int
    devices: tuple[KnownDevice, ...]


class Store:
    """The device indexes. Without a path everything is forgotten at the end."""

    def __init__(self, path: Path | None) -> None:
        """Read `path` if it exists. Raises ConfigError if it is there and cannot be read."""
        self._path = path
        self._known: dict[Identity, KnownDevice] = {}
        if path is None:
            return
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read ({error}); repair or remove it, then start again."
            ) from error
        for known in file.devices:
            self._known[Identity(known.address, known.protocol, known.identifier)] = known

    @property
    def known(self) -> tuple[KnownDevice, ...]:
        return tuple(self._known.values())

    def at(self, address: str) -> Identity | None:
        """What was at this address the last time that something new was there."""
        found = [identity for identity in self._known if identity.address == address]
        return found[-1] if found else None

    def index(self, identity: Identity, name: str, wish: int | None = None) -> int:
        """The index of this device: the one it had, else `wish` if free, else the lowest free one.

        A new index is on the disk when this returns; if the disk refuses, that is logged and the
        device works all the same.
        """
        known = self._known.get(identity)
        if known is not None:
            return known.index
        taken = {entry.index for entry in self._known.values()}
        if wish is not None and wish not in taken:
            index = wish
        else:
            index = next(number for number in range(_MAX_DEVICES) if number not in taken)
        self._known[identity] = KnownDevice(
            identity.address, identity.protocol, index, identity.identifier, name
        )
        self._save()
        return index

    def _save(self) -> None:
        if self._path is None:
            return
        data = msgspec.json.format(msgspec.json.encode(_File(1, tuple(self._known.values()))))
        try:
            write_private(self._path, data)
        except OSError as error:
            log.error("device indexes could not be saved to %s: %s", self._path, error)
