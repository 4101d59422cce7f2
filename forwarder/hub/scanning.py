"""`Scanning`: sources look for devices while any client wants that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from forwarder.hub.bounds import HUB_SCAN_S
from forwarder.hub.client import HubClient
from forwarder.sources.base import Source


class Scanning:
    """`sources`: all there are; their hub's own list."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._clients: set[HubClient] = set()
        self._hubs: dict[HubClient, asyncio.TimerHandle] = {}
        # Names of the sources whose scan has not ended by itself.
        self._going_on: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._clients)

    def start(self, client: HubClient) -> None:
        was_scanning = bool(self._clients)
        self._clients.add(client)
        if client.hub_id is not None:
            if client in self._hubs:
                self._hubs[client].cancel()
            loop = asyncio.get_running_loop()
            self._hubs[client] = loop.call_later(HUB_SCAN_S, self._hub_is_over, client)
        if not was_scanning:
            self._going_on = {source.name for source in self._sources}
            for source in self._sources:
                source.scan(True)

    def ended(self, source: Source) -> None:
        """The source's scan ended by itself."""
        self._going_on.discard(source.name)
        if not self._going_on:
            for client in self._clients:
                client.scanning_finished()
            self._clients.clear()

    def _hub_is_over(self, client: HubClient) -> None:
        if client in self._clients:
            client.scanning_finished()
        self.end(client)

    def end(self, client: HubClient) -> None:
        """This client wants it no longer, or left."""
        timer = self._hubs.pop(client, None)
        if timer is not None:
            timer.cancel()
        if client in self._clients:
            self._clients.discard(client)
            if not self._clients:
                for source in self._sources:
                    source.scan(False)
