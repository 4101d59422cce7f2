"""The files that a hub's owner names, opened together: one may explain the words of another."""

from __future__ import annotations

from pathlib import Path

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.official import Official
from forwarder.definitions.user_files.user import UserConfig


def open_files(
    user: Path | None, default_user: Path, *, official: Path | None, own: Path | None
) -> tuple[UserConfig, Catalogue]:
    """What the user decided, and all devices.

    `user`, `official` and `own` must be there, as somebody has named them; `default_user` need not.
    Raises ConfigError: the file, the place in it, what is wrong, what to do.
    """
    published = Official.load(official) if official is not None else None
    config = UserConfig.load(
        default_user if user is None else user,
        named=user is not None,
        other_kinds=published.kinds if published is not None else frozenset(),
    )
    return config, Catalogue.load(official=published, user=config, own=own)
