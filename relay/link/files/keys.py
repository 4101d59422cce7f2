"""Files that hold secrets: readable by their owner only, replaced in one piece or not at all.

A static key is one such file, `FILE_HEAD` and the private key as base64 on two lines.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from relay.link.errors import LinkError
from relay.link.security.noise import KEY_BYTES, KeyPair

FILE_HEAD: Final = "bpforward key 1"
# Far more than any of our files needs; keeps a wrong path (a log, a device) out of memory.
_MAX_FILE_BYTES: Final = 4 << 20
_OTHERS: Final = 0o077


class PrivateFileError(LinkError):
    """A file with secrets is missing, damaged, or open to other users; says what to do."""


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, mode 0600: after a kill or a power cut, the old file or the new.

    Creates the folder with mode 0700, and removes what writers left that were killed. Raises
    OSError; the old file is untouched then. For one writer at a time per path in this process.
    """
    with _written_beside(path, data) as temporary:
        os.replace(temporary, path)
    _sync_folder(path.parent)


def spoil(path: Path) -> None:
    """Leave an empty file at `path`, which no reader takes for a good one. That needs no room on
    the disk, so it still works where `write_private` fails for want of it. Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags, 0o600)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
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
        raise PrivateFileError(
            f"{path} cannot be read ({error.strerror}): make it readable for this user, or move it"
            " away"
        ) from error
    try:
        # The open file is asked, not the path: nobody can swap it in between.
        _check_private(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > _MAX_FILE_BYTES:
        raise PrivateFileError(f"{path} is far too large to be what it should be: move it away")
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
    with _written_beside(path, f"{FILE_HEAD}\n{body}\n".encode()) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, fails if somebody else was faster
        except FileExistsError:
            return load_key(path)
        except OSError:
            os.replace(temporary, path)  # a file system without links, such as FAT on a card
    _sync_folder(path.parent)
    return key


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """Write `data` to a new file in the folder of `path`, down to the disk; it is gone, or has
    another name, when the block ends. Held locked meanwhile, which says that its writer lives.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(path)
    temporary, handle = _new_locked(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if os.name == "posix":
                yield temporary
        if os.name != "posix":  # Windows renames no open file
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _new_locked(path: Path) -> tuple[Path, int]:
    """A new file beside `path`, open and locked."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_CLOEXEC", 0)
    while True:
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
        handle = os.open(temporary, flags, 0o600)
        if _lock(handle) and os.fstat(handle).st_nlink:
            return temporary, handle
        # Before it was locked another writer took it for one whose writer is dead, and removes it.
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove what was left beside `path` by writers that were killed: nobody has it locked."""
    # A pipe must not hold us up, and a link not lead us away.
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        # Gone already, somebody else's, or open (which is how Windows says that its writer lives).
        with contextlib.suppress(OSError):
            handle = os.open(left, flags | getattr(os, "O_CLOEXEC", 0))
            try:
                if not _lock(handle):
                    continue
                if os.name == "posix":
                    left.unlink()
            finally:
                os.close(handle)
            if os.name != "posix":
                left.unlink()


if os.name == "posix":
    import fcntl

    def _lock(handle: int) -> bool:
        """Whether the file was free. True, too, where a file system knows no locks: then a writer
        may lose its file to another one, and says so."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
else:

    def _lock(handle: int) -> bool:
        return True  # what is open cannot be deleted here


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
        raise PrivateFileError(f"{path} is not a file: move it away")
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
