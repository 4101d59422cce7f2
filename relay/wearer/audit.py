"""The audit log: what happened at this relay that its wearer may want to look up later.

One JSON line per event. No values and no names, only what happened to which device and why. When
the file has grown to half its bound it becomes FILE.1, so both together stay within the bound.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path

import msgspec

from relay.wearer.bounds import MOST_BYTES

log = logging.getLogger(__name__)


class Audit:
    """Writes to `path`; None keeps nothing. A full disk costs the log, never a stop."""

    def __init__(self, path: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._half = most_bytes // 2
        self._complained = False

    def note(self, event: str, address: str | None = None, **details: str | int | None) -> None:
        """Write down `event` with the wall clock's time."""
        if self._path is None:
            return
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event}
        rest = {"address": address, **details}
        record = line | {key: value for key, value in rest.items() if value is not None}
        try:
            self._append(self._path, msgspec.json.encode(record) + b"\n")
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("the audit log %s cannot be written: %s", self._path, error)

    def _append(self, path: Path, line: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):  # The first event makes the file.
            if path.stat().st_size + len(line) > self._half:
                path.replace(path.with_name(path.name + ".1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
