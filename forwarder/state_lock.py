"""One hub per state folder: a relay that one of two has revoked would come back by the other."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from forwarder.errors import ConfigError
from relay.link.files.folder_lock import FolderLock, FolderTaken

LOCK_FILE: Final = "hub.lock"


class StateLock(FolderLock):
    """Holds the state folder `folder` until `release`, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError if another hub has it, or if the folder cannot be used."""
        path = folder / LOCK_FILE
        try:
            super().__init__(path)
        except FolderTaken as taken:
            raise ConfigError(
                f"A hub runs with the state folder {folder} already, as {taken.who}: end it, or"
                " give this one a folder of its own with --state."
            ) from None
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(
                f"{folder} is a file, not a folder: choose another one with --state."
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be locked ({error.strerror}): choose a folder on a disk of this"
                " machine with --state."
            ) from error
