"""`DeviceNews`: tells clients that there is another list of devices, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from forwarder.hub.client import HubClient

# A box of toys that comes to life is a few lists, not one for each toy; nobody sees the difference.
EVERY_S: Final = 0.1
# What all lists together may be: with two hundred clients and five thousand devices one list to all
# is 250 MB. Above it they come less often, but people see what comes and goes.
LISTED_BYTES_S: Final = 64e6
SELDOM_S: Final = 2.0
# Told in one pass of the loop: making so many bytes leave takes 1 ms.
AT_ONCE_BYTES: Final = 1 << 20


class DeviceNews:
    """`clients`: who is told; `listed_bytes`: how long a list is, about.

    The first change is told at once, what follows when its time has come: all of it with one word.
    Owns one timer and one step, until `close`.
    """

    def __init__(
        self, clients: Callable[[], Iterable[HubClient]], listed_bytes: Callable[[], int]
    ) -> None:
        self._clients = clients
        self._listed_bytes = listed_bytes
        self._due = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._step: asyncio.Handle | None = None
        # Who has not been told of the newest change yet.
        self._left: dict[HubClient, None] = {}

    def changed(self) -> None:
        """There is another list."""
        if self._timer is not None or not any(True for _ in self._clients()):
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._due and self._step is None:
            self._tell()
        else:
            self._timer = loop.call_at(self._due, self._tell)

    def forget(self, client: HubClient) -> None:
        self._left.pop(client, None)

    def close(self) -> None:
        """Nobody is told any more."""
        for handle in (self._timer, self._step):
            if handle is not None:
                handle.cancel()
        self._timer = self._step = None

    def _tell(self) -> None:
        self.close()
        self._left = dict.fromkeys(self._clients())
        all_bytes = self._listed_bytes() * len(self._left)
        pause_s = min(max(EVERY_S, all_bytes / LISTED_BYTES_S), SELDOM_S)
        self._due = asyncio.get_running_loop().time() + pause_s
        self._tell_some()

    def _tell_some(self) -> None:
        """As many as make one step; the others after everybody else's turn."""
        self._step = None
        for _ in range(max(1, AT_ONCE_BYTES // max(1, self._listed_bytes()))):
            if not self._left:
                return
            client = next(iter(self._left))
            del self._left[client]
            client.devices_changed()
        if self._left:
            self._step = asyncio.get_running_loop().call_soon(self._tell_some)
