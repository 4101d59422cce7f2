"""What the wearer wants, kept over restarts: paused, or stopped until they resume."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from relay.errors import UsageError
from relay.link.files.keys import spoil, write_private
from relay.link.files.statefile import NewerFormat, refuse_newer
from relay.link.messages import StopCause

log = logging.getLogger(__name__)


_FORMAT = 1


class _WearerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int = _FORMAT
    paused: bool = False
    stopped: bool = False


class WearerState:
    """The two switches of the person at this relay. `path` None: they last as long as we do.

    Setting one holds at once, and in memory even when it cannot be written down. A file that is
    damaged counts as stopped: better to ask once too often. `trouble`: why a switch that is set
    will not hold over a restart, in words; empty if it will.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.trouble = ""
        self._path = path
        self._state = _WearerFile() if path is None else _load(path)

    @property
    def paused(self) -> bool:
        return self._state.paused

    @property
    def stopped(self) -> bool:
        return self._state.stopped

    @property
    def cause(self) -> StopCause | None:
        """Why nothing may run, if so."""
        if self._state.stopped:
            return StopCause.EMERGENCY
        return StopCause.PAUSE if self._state.paused else None

    def pause(self) -> None:
        self._set(_WearerFile(paused=True, stopped=self._state.stopped))

    def stop(self) -> None:
        self._set(_WearerFile(paused=self._state.paused, stopped=True))

    def resume(self) -> None:
        self._set(_WearerFile())

    def _set(self, state: _WearerFile) -> None:
        self._state = state
        self.trouble = ""
        if self._path is None:
            return
        try:
            write_private(self._path, msgspec.json.encode(state))
        except OSError as error:
            self._not_written(self._path, error.strerror or str(error))

    def _not_written(self, path: Path, why: str) -> None:
        if self.cause is None:
            # What stands in the file is stricter, or the same.
            log.error("%s cannot be written (%s): the next start may stop once more", path, why)
            return
        try:
            spoil(path)
        except OSError:
            self.trouble = f"this will not survive a restart: {path} cannot be written ({why})"
            log.error("%s", self.trouble)
        else:
            log.error("%s cannot be written (%s): it is empty now, which means stopped", path, why)


def _load(path: Path) -> _WearerFile:
    try:
        data = path.read_bytes()
        refuse_newer(path, data, _FORMAT)
        return msgspec.json.decode(data, type=_WearerFile)
    except FileNotFoundError:
        return _WearerFile()
    except NewerFormat as error:
        raise UsageError(f"{error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("%s is damaged: stopped until you say `relay resume`", path)
        return _WearerFile(stopped=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
