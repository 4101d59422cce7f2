"""Log lines for machines: one JSON object a line, of both programs alike."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

from relay.link.names import neutralise

# As much of a text, and of a traceback, as is worth keeping.
MOST_TEXT: Final = 1000
MOST_TRACE: Final = 8000


class JsonLines(logging.Formatter):
    """`time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `text`; `trace` of an exception;
    `again` where the record says that lines like it were kept back (`kept_back`)."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, object] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            # Names in it come from strangers; JSON keeps it one line, this keeps it harmless to
            # whoever prints it.
            "text": neutralise(record.getMessage(), MOST_TEXT),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)[-MOST_TRACE:]
        if kept_back := getattr(record, "kept_back", 0):
            told["again"] = kept_back
        return json.dumps(told)
