"""Web pages that the user has allowed by a click: kept, so that the answer is asked for once."""

from __future__ import annotations

import json
from pathlib import Path

from forwarder.connectors.admission import OriginPolicy
from forwarder.errors import ConfigError
from relay.link.keys import write_private

# A person does not allow more; a script that does has a fault.
_MOST = 256


def allowed_origins(path: Path) -> tuple[str, ...]:
    """What was allowed before. Raises ConfigError for a damaged file."""
    try:
        return tuple(str(origin) for origin in json.loads(path.read_text("utf-8"))["allowed"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); repair or remove it.") from error


class Origins:
    """Changes the policy and the file together. `fixed`: from the configuration, not kept here."""

    def __init__(self, policy: OriginPolicy, path: Path, fixed: tuple[str, ...]) -> None:
        self._policy = policy
        self._path = path
        self._fixed = {origin.strip().lower().rstrip("/") for origin in fixed}

    def allow(self, origin: str) -> None:
        """Raises ConfigError for what is no origin, OSError from the disk."""
        if not _is_origin(origin):
            raise ConfigError("An origin looks like https://example.com, or null for files.")
        if len(self._policy.allowed) >= _MOST:
            raise ConfigError(f"{_MOST} web pages are allowed; forget one first.")
        kept = {*self._kept(), origin.strip().lower().rstrip("/")}
        self._save(kept)
        self._policy.allow(origin)

    def forget(self, origin: str) -> None:
        """Refuse it from now on, whether it was allowed or asked. Raises ConfigError, OSError."""
        wanted = origin.strip().lower().rstrip("/")
        if wanted in self._fixed:
            raise ConfigError(f"{wanted} stands in the configuration file; take it out there.")
        # It holds at once whatever the disk says.
        self._policy.forget(origin)
        self._save(self._kept() - {wanted})

    def _kept(self) -> set[str]:
        return set(self._policy.allowed) - self._fixed

    def _save(self, origins: set[str]) -> None:
        data = json.dumps({"version": 1, "allowed": sorted(origins)}, indent=1)
        write_private(self._path, data.encode())


def _is_origin(text: str) -> bool:
    text = text.strip()
    if text in ("null", "*"):
        return True
    scheme, found, rest = text.rstrip("/").partition("://")
    return bool(found and scheme and rest) and not any(mark in rest for mark in "/?# @")
