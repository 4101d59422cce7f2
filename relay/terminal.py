"""What an output stream is: a screen that can be drawn on, a file, a service's journal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO


def can_draw(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines that were written can be written anew in place: a terminal that moves its
    cursor, which one of TERM=dumb (an editor's, a serial console's) does not."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def time_format(stream: TextIO, environment: Mapping[str, str] = os.environ) -> str | None:
    """How a log line says when it was: the time of day on a terminal, with its date in a file, None
    in a journal, which says it by itself (JOURNAL_STREAM, systemd.exec(5))."""
    if stream.isatty():
        return "%H:%M:%S"
    return None if "JOURNAL_STREAM" in environment else "%Y-%m-%d %H:%M:%S"
