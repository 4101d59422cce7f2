"""Logging for both ways a hub is looked at: a person at a terminal, and a service's journal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from forwarder.clients.budget import Budget, Sayings, again
from relay.json_log import JsonLines
from relay.link.names import neutralise
from relay.terminal import time_format

# Longer than anything that is worth reading in a log; the rest is cut off.
_MAX_CHARS = 1000


# Of one kind of line: a house that comes home at once. Peers decide how often things happen, and
# they must not decide how large a log becomes.
KIND_S = 0.5
KIND_BURST = 30.0
# Kinds that are remembered; there are some hundred in the source.
_KINDS = 512


class Sparing(logging.Filter):
    """Passes the same line once a minute, and of one kind KIND_BURST and then one in 2 s. What was
    kept back is counted in the record's `kept_back`, for the next line of its kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lines = Sayings()
        self._kinds: dict[tuple[str, str], Budget] = {}
        self._kept: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = self._clock(), (record.name, str(record.msg))
        since = self._lines.say((*kind, str(record.args)), now)
        if since is None:
            return False
        budget = self._kinds.get(kind)
        if budget is None:
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
                self._kept.clear()
            budget = self._kinds[kind] = Budget(KIND_S, KIND_BURST, now)
        if budget.left(now) < 1:
            self._kept[kind] = self._kept.get(kind, 0) + 1 + since
            return False
        budget.spend(1, now)
        record.kept_back = since + self._kept.pop(kind, 0)
        return True


class _OneLine(logging.Formatter):
    """Names of toys, relays and apps are in many lines, and come from strangers: whatever they
    hold, a record is one line, and none of its characters moves a terminal's cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = neutralise(record.message, _MAX_CHARS)
        record.message += again(getattr(record, "kept_back", 0))
        return super().formatMessage(record)


def set_up(level: str, form: str = "text") -> None:
    """Log to standard error, one line a record, with its time where nothing else says it.

    `level`: debug, info, warning or error. `form`: text, or json (relay.json_log).
    """
    shape = "%(levelname).1s %(name)s: %(message)s"
    when = time_format(sys.stderr)
    if when is not None:
        shape = "%(asctime)s " + shape
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else _OneLine(shape, datefmt=when))
    handler.addFilter(Sparing())
    root = logging.getLogger()
    # On the handler too: the dashboard's log wants more than a terminal, see
    # forwarder.api.dashboard.log.
    handler.setLevel(level.upper())
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What strangers ask for in a websocket's handshake is no news at all.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    # Their normal business is no news.
    for name in ("aiohttp.access", "asyncio", "bleak", "zeroconf"):
        logging.getLogger(name).setLevel(logging.WARNING)
