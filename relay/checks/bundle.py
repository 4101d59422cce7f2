"""What a person hands to somebody who helps: findings and versions, no addresses, names or keys."""

from __future__ import annotations

import getpass
import platform
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from relay.checks.findings import Finding, Redactor, lines
from relay.link.files.keys import write_private


class Leak(Exception):
    """Something would be given away; nothing was written."""


def own_secrets() -> Iterator[tuple[str, str]]:
    """What this machine and its user are called."""
    yield socket.gethostname(), "<machine>"
    yield platform.node().split(".")[0], "<machine>"
    yield str(Path.home()), "<home>"
    try:
        yield getpass.getuser(), "<user>"
    except (OSError, KeyError):
        return  # a user without a name has none to hide


def write_bundle(
    path: Path,
    program: str,
    findings: Sequence[Finding],
    folder: Path,
    secrets: Iterable[tuple[str, str]],
) -> None:
    """Write what was found, and the sizes and rights of the files in `folder`, to `path`.

    Raises Leak, and OSError.
    """
    redact = Redactor([*secrets, *own_secrets()])
    text = "\n".join([program, "", *lines(findings), "", *_files(folder)]) + "\n"
    text = redact(text)
    if redact.leaks(text):
        raise Leak
    write_private(path, text.encode())


def _files(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        yield "no state folder"
        return
    for item in sorted(folder.iterdir()):
        status = item.lstat()
        yield f"{item.name:24} {status.st_size:9} {status.st_mode & 0o777:o}"
