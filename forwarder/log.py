"""Logging for both ways a hub is looked at: a person at a terminal, and a service's journal."""

from __future__ import annotations

import logging
import sys


def set_up(level: str) -> None:
    """Log to standard error, one line a record; a terminal needs no date, a journal adds its own.

    `level`: debug, info, warning or error.
    """
    shape = "%(levelname).1s %(name)s: %(message)s"
    if sys.stderr.isatty():
        shape = "%(asctime)s " + shape
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(shape, datefmt="%H:%M:%S"))
    root = logging.getLogger()
    # On the handler too: the dashboard's log wants more than a terminal, see forwarder.api.log.
    handler.setLevel(level.upper())
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their normal business is no news.
    for name in ("aiohttp.access", "asyncio", "bleak", "zeroconf"):
        logging.getLogger(name).setLevel(logging.WARNING)
