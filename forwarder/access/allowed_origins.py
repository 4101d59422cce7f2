"""Web pages that the user has allowed by a click: kept, so that the answer is asked for once."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forwarder.access.admission import EMPTY_ORIGIN, OriginPolicy, normal_origin
from forwarder.access.bounds import ALLOWED_ORIGINS_MOST
from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state

_FORMAT = 1
_REMEDY = "repair it, or delete it and allow the pages again"


class _OriginsFile(msgspec.Struct, frozen=True):
    version: int
    allowed: tuple[str, ...]


def allowed_origins(path: Path) -> tuple[str, ...]:
    """What was allowed before. Raises ConfigError for a file that is damaged or newer."""
    try:
        file = read_state(path, _OriginsFile, _FORMAT, _REMEDY)
    except PrivateFileError as error:
        raise ConfigError(f"{error}.") from error
    return () if file is None else file.allowed


class Origins:
    """Changes the policy and the file together. `fixed`: from the configuration, not kept here."""

    def __init__(self, policy: OriginPolicy, path: Path, fixed: tuple[str, ...]) -> None:
        self._policy = policy
        self._path = path
        self._fixed = {normal_origin(origin) for origin in fixed}

    def allow(self, origin: str) -> None:
        """Raises ConfigError for what is no origin, OSError from the disk."""
        if not _is_origin(origin):
            raise ConfigError("An origin looks like https://example.com, or null for files.")
        if len(self._policy.allowed) >= ALLOWED_ORIGINS_MOST:
            raise ConfigError(f"{ALLOWED_ORIGINS_MOST} web pages are allowed; forget one first.")
        kept = {*self._kept(), normal_origin(origin)}
        self._save(kept)
        self._policy.allow(origin)

    def forget(self, origin: str) -> None:
        """Refuse it from now on, whether it was allowed or asked. Raises ConfigError, OSError."""
        wanted = normal_origin(origin)
        if wanted in self._fixed:
            raise ConfigError(f"{wanted} stands in the configuration file; take it out there.")
        # It holds at once whatever the disk says.
        self._policy.forget(origin)
        self._save(self._kept() - {wanted})

    def _kept(self) -> set[str]:
        return set(self._policy.allowed) - self._fixed

    def _save(self, origins: set[str]) -> None:
        write_state(self._path, _OriginsFile(_FORMAT, tuple(sorted(origins))))


def _is_origin(text: str) -> bool:
    text = text.strip()
    if text in ("null", "*", "file://", EMPTY_ORIGIN):
        return True
    scheme, found, rest = text.rstrip("/").partition("://")
    return bool(found and scheme and rest) and not any(mark in rest for mark in "/?# @")
