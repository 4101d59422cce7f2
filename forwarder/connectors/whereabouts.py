"""Tells relays where this hub is to be found, and once more whenever that changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from forwarder.connectors.bounds import ADDRESSES_S
from relay.link.messages import Places

log = logging.getLogger(__name__)


class KeepsPlaces(Protocol):
    """A relay. `tell_places` says it to one that is here and wants to know."""

    def tell_places(self, places: Places) -> None: ...


class Whereabouts:
    """`relays`: those that there are, by key."""

    def __init__(self, relays: Mapping[str, KeepsPlaces]) -> None:
        self._relays = relays
        self._places: Places | None = None

    async def watch(self, find: Callable[[], Places]) -> None:
        """Ask `find` again and again, in a thread, until cancelled."""
        while True:
            self.move(await asyncio.to_thread(find))
            await asyncio.sleep(ADDRESSES_S)

    def move(self, places: Places) -> None:
        """This hub is to be found there from now on."""
        if places == self._places:
            return
        if self._places is not None:
            log.info("this hub has other addresses now; its relays are told")
        self._places = places
        for relay in self._relays.values():
            self.greet(relay)

    def greet(self, relay: KeepsPlaces) -> None:
        """It has just come."""
        if self._places is not None:
            relay.tell_places(self._places)
