"""Files of state: JSON with the number of their format, told apart when they cannot be used.

Two kinds. What holds decisions (keys, pairings, tokens, limits) stops the start: to go on without
it would undo a decision. What is only memory is set aside, said, and done without. Neither is ever
written over when a newer version of the program has written it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from relay.link.files.keys import PrivateFileError, read_private, write_private
from relay.link.misfit import misfit

log = logging.getLogger(__name__)

# Kept so that a person can look; the next one takes its place.
SET_ASIDE: Final = ".damaged"
_MAX_REASON_CHARS: Final = 120


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


class _Head(msgspec.Struct, frozen=True):
    version: int


class _Numbered(msgspec.Struct, frozen=True):
    version: int = 1


State = TypeVar("State", bound=Versioned)


class NewerFormat(PrivateFileError):
    """A newer version of the program has written the file."""


def read_state(
    path: Path,
    kind: type[State],
    version: int,
    remedy: str,
    *,
    read: Callable[[Path], bytes] = read_private,
    oldest: int | None = None,
) -> State | None:
    """Return what `path` holds, None if there is no such file.

    `version`: the only format that is known, or the newest since `oldest`. `remedy`: what to do
    about a damaged file, as the end of a sentence. Raises PrivateFileError, one line: damaged,
    newer, not readable, open to others.
    """
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    except PrivateFileError:
        raise
    except OSError as error:
        raise PrivateFileError(
            f"{path} cannot be read ({error.strerror}): move it away, or make it readable for this"
            " user"
        ) from error
    if not data.strip():
        raise PrivateFileError(f"{path} is empty, as after a power cut; {remedy}")
    try:
        known = msgspec.json.decode(data, type=_Head).version
        if (version if oldest is None else oldest) <= known <= version:
            return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply"
        if isinstance(error, msgspec.MsgspecError):
            reason = str(misfit(error, kind))[:_MAX_REASON_CHARS]
        elif isinstance(error, ValueError):
            reason = str(error)[:_MAX_REASON_CHARS]
        raise PrivateFileError(f"{path} is damaged ({reason}); {remedy}") from error
    _refuse_newer(path, known, version)
    raise PrivateFileError(f"{path} is damaged (there is no format {known}); {remedy}")


def refuse_newer(path: Path, data: bytes, version: int) -> None:
    """Raises NewerFormat if `data`, which is what `path` holds, says that it is of a later format;
    msgspec.DecodeError if it is no such file. Without a number it is of format 1."""
    _refuse_newer(path, msgspec.json.decode(data, type=_Numbered).version, version)


def _refuse_newer(path: Path, known: int, version: int) -> None:
    if known > version:
        raise NewerFormat(
            f"{path} was written by a newer version of this program (format {known}, this one knows"
            f" {version}): start that version, or move the file away"
        )


def read_memory(path: Path, kind: type[State], version: int, consequence: str) -> State | None:
    """The same for what is only memory: a damaged file is renamed, and counts as none.

    `consequence`: what is different now, as a sentence for the log. Raises PrivateFileError for a
    file that is newer, or that cannot be read at all.
    """
    try:
        return read_state(path, kind, version, consequence, read=Path.read_bytes)
    except NewerFormat:
        raise
    except PrivateFileError as error:
        if isinstance(error.__cause__, OSError):
            raise
        aside = path.with_name(path.name + SET_ASIDE)
        log.warning("%s. It is kept as %s", error, aside)
        try:
            os.replace(path, aside)
        except OSError as failed:
            log.warning("%s cannot be renamed: %s", path, failed.strerror)
        return None


def write_state(path: Path, state: Versioned) -> None:
    """Replace `path` in one piece. Raises OSError."""
    write_private(path, msgspec.json.format(msgspec.json.encode(state)) + b"\n")
