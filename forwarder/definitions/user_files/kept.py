"""The user's file while a hub runs: Intiface, or an editor, may write it as well."""

from __future__ import annotations

from pathlib import Path

from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError


class KeptUserFile:
    """`user` as `path` has it. What somebody else has decided there is never written over."""

    def __init__(self, path: Path, user: UserConfig) -> None:
        self._path = path
        self._user = user
        self._seen = _mark(path)
        # What was found to be wrong, and how.
        self._wrong: tuple[_Mark, ConfigError] | None = None

    def look(self) -> bool:
        """Take over what somebody else has written; returns whether that was anything.

        Raises ConfigError as long as that is wrong: what was read before stays in force. So it does
        when the file is taken away, which is no error.
        """
        mark = _mark(self._path)
        if mark == self._seen:
            return False
        if mark is not None:
            if self._wrong is not None and self._wrong[0] == mark:
                raise self._wrong[1]
            try:
                self._user.adopt(self._user.again(self._path))
            except ConfigError as error:
                self._wrong = mark, error
                raise
        self._seen = mark
        return mark is not None

    def save(self, draft: UserConfig) -> None:
        """Write what `draft` says, and have it. Raises OSError; `look` just before."""
        draft.save(self._path)
        self._user.adopt(draft)
        self._seen = _mark(self._path)


_Mark = tuple[int, int, int]


def _mark(path: Path) -> _Mark | None:
    """What is other when a file was written; None: there is none, or it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
