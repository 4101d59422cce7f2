"""Logging for both ways a hub is looked at: a person at a terminal, and a service's journal."""

from __future__ import annotations

import logging
import sys

from relay.link.names import neutralise

# Longer than anything that is worth reading in a log; the rest is cut off.
_MAX_CHARS = 1000


class _OneLine(logging.Formatter):
    """Names of toys, relays and apps are in many lines, and come from strangers: whatever they
    hold, a record is one line, and none of its characters moves a terminal's cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = neutralise(record.message, _MAX_CHARS)
        return super().formatMessage(record)


def set_up(level: str) -> None:
    """Log to standard error, one line a record; a terminal needs no date, a journal adds its own.

    `level`: debug, info, warning or error.
    """
    shape = "%(levelname).1s %(name)s: %(message)s"
    if sys.stderr.isatty():
        shape = "%(asctime)s " + shape
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(shape, datefmt="%H:%M:%S"))
    root = logging.getLogger()
    # On the handler too: the dashboard's log wants more than a terminal, see forwarder.api.log.
    handler.setLevel(level.upper())
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their normal business is no news.
    for name in ("aiohttp.access", "asyncio", "bleak", "zeroconf"):
        logging.getLogger(name).setLevel(logging.WARNING)
