"""Tokens of open dashboards: each page asks for one, and keeps it for as long as it is open."""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PREFIX: Final = "bpfp_"
# Dashboards of one person, with room for tabs that were forgotten.
MAX_PAGES: Final = 64
_TOKEN_BYTES: Final = 32


class PageTokens:
    """At most MAX_PAGES, for this run only. The one used longest ago makes room for a new one, but
    never one whose page is connected: its Stop has to work.
    """

    def __init__(self, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random
        # Token → how many sockets are open with it, the one used last at the end.
        self._open: OrderedDict[str, int] = OrderedDict()

    def new(self) -> str | None:
        """A new token, or None if all there may be belong to pages that are connected."""
        if len(self._open) >= MAX_PAGES:
            idle = next((token for token, sockets in self._open.items() if not sockets), None)
            if idle is None:
                return None
            del self._open[idle]
        token = new_token(PREFIX, self._random)
        self._open[token] = 0
        return token

    def holds(self, token: str) -> bool:
        # A lookup by hash tells nothing useful about 256 random bits.
        if token not in self._open:
            return False
        self._open.move_to_end(token)
        return True

    @contextmanager
    def connected(self, token: str) -> Iterator[None]:
        """Keep `token`, if it is one of ours, while the block runs."""
        if token not in self._open:
            yield
            return
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1


def new_token(prefix: str, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """256 random bits for people and scripts to pass around."""
    return prefix + base64.urlsafe_b64encode(random(_TOKEN_BYTES)).rstrip(b"=").decode()
