"""The hub's log as the dashboard and scripts see it: the newest lines, without what identifies."""

from __future__ import annotations

import logging
import re
from collections import deque
from types import TracebackType

from forwarder.access.tokens import without_tokens
from forwarder.api.bounds import DASHBOARD_KEPT, MAX_CHARS
from forwarder.api.documents.model import LogLine
from forwarder.clients.budget import again
from forwarder.log import Sparing
from relay.link.names import neutralise

# Loggers of our own; libraries talk to developers.
_OURS = ("forwarder", "relay")
# A Bluetooth address names a toy and so a person; its end is enough to tell two apart.
_ADDRESS = re.compile(r"\b(?:[0-9A-Fa-f]{2}[:_-]){4}([0-9A-Fa-f]{2}[:_-][0-9A-Fa-f]{2})\b")


class LogTail(logging.Handler):
    """Keeps the last lines of INFO and above, whatever the terminal shows. `with` attaches it.

    `last` is the number of the newest line; numbers only grow, so that readers can go on from one.
    """

    def __init__(self, kept: int = DASHBOARD_KEPT) -> None:
        super().__init__(logging.INFO)
        self.addFilter(Sparing())
        self._lines: deque[LogLine] = deque(maxlen=kept)
        self._levels: dict[str, int] = {}
        self.last = 0

    def __enter__(self) -> LogTail:
        for name in _OURS:
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            if logger.getEffectiveLevel() > logging.INFO:
                # The terminal's handler has the level that the user chose, see forwarder.log.
                logger.setLevel(logging.INFO)
            logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).removeHandler(self)
            logging.getLogger(name).setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        self.last += 1
        level = record.levelname.lower()
        text = shown(record.getMessage()) + again(getattr(record, "kept_back", 0))
        self._lines.append(LogLine(n=self.last, time=record.created, level=level, text=text))

    def since(self, n: int, most: int = DASHBOARD_KEPT) -> tuple[LogLine, ...]:
        """The newest `most` lines after number `n`, in order."""
        return tuple(line for line in self._lines if line.n > n)[-most:]


def shown(text: str) -> str:
    """`text` on one line, without tokens, and of addresses only the end."""
    return neutralise(_ADDRESS.sub(r"…\1", without_tokens(text)), MAX_CHARS)
