"""Who drove the toys that are not connected any more. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from forwarder.errors import HardwareError
from forwarder.hub.bounds import DROVE_MOST
from forwarder.hub.client import HubClient
from forwarder.hub.device import Device
from relay.link.messages import ErrorCode


class Drove:
    """`missing`: the addresses of toys that are not connected and may be running."""

    def __init__(self, missing: Callable[[], Iterable[str]]) -> None:
        self._missing = missing
        self._by: dict[str, tuple[str, set[HubClient]]] = {}

    def left(self, device: Device, clients: Iterable[HubClient]) -> None:
        """These drove it when it stopped to be driven: it went, or its relay stopped it."""
        address = device.identity.address
        _, known = self._by.pop(address, ("", set()))
        if known.union(clients):
            if len(self._by) >= DROVE_MOST:
                del self._by[next(iter(self._by))]
            self._by[address] = device.shown_name, known.union(clients)

    def here(self, device: Device) -> None:
        """It is connected, and was stopped before that."""
        self._by.pop(device.identity.address, None)

    def forget(self, client: HubClient) -> None:
        for _, clients in self._by.values():
            clients.discard(client)

    def unstopped(self, client: HubClient) -> list[HardwareError]:
        """What a stop of everything leaves open for `client`: the toys that it drove, that may be
        running and that nobody can reach."""
        return [
            HardwareError(
                ErrorCode.GONE,
                f"{name} is not connected and may be running: it is looked for, and stopped when it"
                " is found. Switch it off by hand.",
            )
            for address in self._missing()
            for name, clients in [self._by.get(address, ("", set()))]
            if client in clients
        ]
