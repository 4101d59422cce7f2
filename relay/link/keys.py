"""Files that hold secrets: readable by their owner only, replaced in one piece or not at all.

A static key is one such file, `FILE_HEAD` and the private key as base64 on two lines.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final

from relay.link.errors import LinkError
from relay.link.noise import KEY_BYTES, KeyPair

FILE_HEAD: Final = "bpforward key 1"
# Far more than any of our files needs; keeps a wrong path (a log, a device) out of memory.
_MAX_FILE_BYTES: Final = 4 << 20
_OTHERS: Final = 0o077


class PrivateFileError(LinkError):
    """A file with secrets is missing, damaged, or open to other users; says what to do."""


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, mode 0600: after a kill or a power cut, the old file or the new.

    Creates the folder with mode 0700. Raises OSError; the old file is untouched then. For one
    writer at a time per path.
    """
    temporary = _write_beside(path, data)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink()
        raise
    _sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Return the content. Raises FileNotFoundError, PrivateFileError if others could read it."""
    # O_NONBLOCK: a path that is a pipe must not hold us up; it is refused below.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        # The open file is asked, not the path: nobody can swap it in between.
        _check_private(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > _MAX_FILE_BYTES:
        raise PrivateFileError(f"{path} is far too large to be what it should be")
    return data


def load_key(path: Path) -> KeyPair:
    """Return the key pair in `path`. Raises FileNotFoundError, PrivateFileError."""
    data = read_private(path)
    try:
        head, body = data.decode("ascii").splitlines()
        private = base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise _damaged(path) from error
    if head != FILE_HEAD or len(private) != KEY_BYTES:
        raise _damaged(path)
    return KeyPair(private)


def load_or_create_key(path: Path) -> KeyPair:
    """Return the key pair in `path`; make one if there is no such file.

    Two programs that start at once get the same key. Raises PrivateFileError, OSError.
    """
    try:
        return load_key(path)
    except FileNotFoundError:
        pass  # the first start
    key = KeyPair.generate()
    body = base64.b64encode(key.private_bytes()).decode()
    temporary = _write_beside(path, f"{FILE_HEAD}\n{body}\n".encode())
    try:
        os.link(temporary, path)  # unlike a rename, fails if somebody else was faster
    except FileExistsError:
        return load_key(path)
    except OSError:
        os.replace(temporary, path)  # a file system without links, such as FAT on a card
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return key


def _write_beside(path: Path, data: bytes) -> Path:
    """Write `data` to a new file in the folder of `path`, down to the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)  # left by a process with our number that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def _sync_folder(folder: Path) -> None:
    # Else the name may be gone after a power cut. Windows cannot open folders, and need not.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PrivateFileError(f"{path} is not a file")
    if os.name != "posix":
        return  # Windows: the user's profile folder is closed to other users by its own rights
    if status.st_mode & _OTHERS:
        raise PrivateFileError(
            f"{path} is open to other users of this machine; if you trust them all, run"
            f" `chmod 600 {path}`, else delete it and pair again"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise PrivateFileError(f"{path} belongs to another user; run as that user, or move it away")


def _damaged(path: Path) -> PrivateFileError:
    return PrivateFileError(
        f"{path} is damaged; restore it from a backup, or delete it and pair again"
    )
