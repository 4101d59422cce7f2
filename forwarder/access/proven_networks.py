"""From which networks somebody has proven itself, and how many keys from each: what is known of a
house before any of its relays has said a word. On the disk, so that a hub that was killed knows a
thousand relays behind one address for what they are. Sans-I/O but for the file.

The file has no addresses, only digests under the hub's own key: who reads it learns of no network.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final

import msgspec

from forwarder.access.bounds import DIGEST_BYTES, MOST_KEYS, MOST_NETWORKS
from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_memory, write_state

log = logging.getLogger(__name__)

_FORMAT: Final = 1
_WITHOUT: Final = "many relays behind one address take longer to be back after a restart"


class _ProvenNetwork(msgspec.Struct, frozen=True):
    digest: bytes
    keys: tuple[bytes, ...] = ()


class _ProvenFile(msgspec.Struct, frozen=True):
    version: int
    networks: tuple[_ProvenNetwork, ...]


class ProvenNetworks:
    """`secret` keeps the file from telling addresses. Without a path: for this run only."""

    def __init__(self, path: Path | None = None, secret: bytes = b"") -> None:
        """Raises ConfigError if a newer version has written the file, or it cannot be read."""
        self._path = path
        self._secret = secret[: hashlib.blake2b.MAX_KEY_SIZE]
        # The one that proved something last is the last; so are its keys.
        self._networks: dict[bytes, dict[bytes, None]] = {}
        self._keys: Counter[bytes] = Counter()
        # Called when there is something new to be written.
        self.on_change: Callable[[], None] = lambda: None
        if path is None:
            return
        try:
            file = read_memory(path, _ProvenFile, _FORMAT, _WITHOUT)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        for network in () if file is None else file.networks[-MOST_NETWORKS:]:
            self._networks[network.digest] = dict.fromkeys(network.keys)
            self._keys[network.digest] = len(network.keys)

    def __len__(self) -> int:
        return len(self._networks)

    def known(self, network: str) -> bool:
        """Whether somebody has proven itself from there."""
        return self._digest(network.encode()) in self._networks

    def keys(self, network: str) -> int:
        """How many keys have proven themselves from there."""
        return self._keys[self._digest(network.encode())] if self._networks else 0

    def note(self, network: str, who: Hashable = None) -> None:
        """Somebody has proven itself from there: by the key `who`, if that is bytes."""
        digest = self._digest(network.encode())
        keys = self._networks.pop(digest, None)
        new = keys is None
        keys = {} if keys is None else keys
        self._networks[digest] = keys
        if isinstance(who, bytes):
            key = self._digest(who)
            new = new or key not in keys
            keys.pop(key, None)
            keys[key] = None
            self._keys[digest] = len(keys)
        if new:
            self._forget()
            self.on_change()

    def _forget(self) -> None:
        while len(self._networks) > 1 and (
            len(self._networks) > MOST_NETWORKS or self._keys.total() > MOST_KEYS
        ):
            oldest = next(iter(self._networks))
            del self._networks[oldest]
            self._keys.pop(oldest, None)
        last = next(reversed(self._networks))
        keys = self._networks[last]
        while len(keys) > MOST_KEYS:
            del keys[next(iter(keys))]
        self._keys[last] = len(keys)

    def _digest(self, of: bytes) -> bytes:
        return hashlib.blake2b(of, digest_size=DIGEST_BYTES, key=self._secret).digest()

    def file(self) -> _ProvenFile:
        """What is to be written."""
        networks = self._networks.items()
        return _ProvenFile(
            _FORMAT, tuple(_ProvenNetwork(digest, tuple(keys)) for digest, keys in networks)
        )

    def write(self, file: _ProvenFile) -> None:
        """Write it; if the disk refuses, that is logged and nothing else."""
        if self._path is None:
            return
        try:
            write_state(self._path, file)
        except OSError as error:
            log.warning("who has proven itself could not be kept in %s: %s", self._path, error)
