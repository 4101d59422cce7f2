"""Tokens of open dashboards: each page asks for one, and keeps it for as long as it is open."""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

from forwarder.access.bounds import MAX_PAGES

PREFIX: Final = "bpfp_"
_TOKEN_BYTES: Final = 32


@dataclass(slots=True)
class _Page:
    name: str = ""
    sockets: int = 0


class PageTokens:
    """At most MAX_PAGES, for this run only. The one used longest ago makes room for a new one, but
    never one whose page is connected: its Stop has to work.
    """

    def __init__(self, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random
        # By token, the one used last at the end.
        self._open: OrderedDict[str, _Page] = OrderedDict()

    def new(self) -> str | None:
        """A new token, or None if all there may be belong to pages that are connected."""
        if len(self._open) >= MAX_PAGES:
            idle = next((token for token, page in self._open.items() if not page.sockets), None)
            if idle is None:
                return None
            del self._open[idle]
        token = new_token(PREFIX, self._random)
        self._open[token] = _Page()
        return token

    def holds(self, token: str) -> bool:
        # A lookup by hash tells nothing useful about 256 random bits.
        if token not in self._open:
            return False
        self._open.move_to_end(token)
        return True

    def name(self, token: str) -> str | None:
        """What the page is called that `token` is of; None if it is of none. Two that are connected
        are told apart, where one of them is muted or disconnected."""
        if not self.holds(token):
            return None
        page = self._open[token]
        if not page.sockets:
            taken = {other.name for other in self._open.values() if other.sockets}
            names = ("Dashboard" if number == 1 else f"Dashboard {number}" for number in count(1))
            page.name = next(name for name in names if name not in taken)
        return page.name

    @contextmanager
    def connected(self, token: str) -> Iterator[None]:
        """Keep `token`, if it is one of ours, while the block runs."""
        if token not in self._open:
            yield
            return
        page = self._open[token]
        page.sockets += 1
        try:
            yield
        finally:
            page.sockets -= 1


def new_token(prefix: str, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """256 random bits for people and scripts to pass around."""
    return prefix + base64.urlsafe_b64encode(random(_TOKEN_BYTES)).rstrip(b"=").decode()
