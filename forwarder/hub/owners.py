"""Who drives what: the client that gave the newest command, per device and feature. Sans-I/O.

Looked up by device and by client, so that nothing here grows with what others drive.
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.hub.client import HubClient


class Owners:
    """Devices by their index."""

    def __init__(self) -> None:
        self._by_device: dict[int, dict[int, HubClient]] = {}
        # The devices of which each owns something, in the order in which it took them.
        self._by_client: dict[HubClient, dict[int, None]] = {}

    def of(self, index: int) -> dict[int, HubClient]:
        """Feature → who drives it now."""
        return dict(self._by_device.get(index, ()))

    def by(self, client: HubClient) -> list[tuple[int, set[int]]]:
        """What `client` drives now: device, features; devices in order."""
        return [
            (index, {at for at, owner in self._by_device[index].items() if owner is client})
            for index in sorted(self._by_client.get(client, ()))
        ]

    def take(self, index: int, feature: int, client: HubClient) -> bool:
        """`client` drives it from now on; returns whether nobody did."""
        device = self._by_device.setdefault(index, {})
        was = device.get(feature)
        if was is client:
            return False
        device[feature] = client
        self._by_client.setdefault(client, {})[index] = None
        if was is not None:
            self._let_go(was, index)
        return was is None

    def forget(self, index: int, features: Collection[int] | None = None) -> None:
        """Nobody drives these features, or all of the device."""
        device = self._by_device.get(index)
        if device is None:
            return
        owners = set(device.values())
        for feature in tuple(device) if features is None else features:
            device.pop(feature, None)
        for client in owners:
            self._let_go(client, index)
        if not device:
            del self._by_device[index]

    def leave(self, client: HubClient) -> list[tuple[int, set[int], bool]]:
        """`client` drives nothing from now on. Returns what it drove: device, features, and
        whether others drive that device, too."""
        driven = []
        for index in self._by_client.pop(client, ()):
            device = self._by_device[index]
            features = {feature for feature, owner in device.items() if owner is client}
            for feature in features:
                del device[feature]
            driven.append((index, features, bool(device)))
            if not device:
                del self._by_device[index]
        return driven

    def _let_go(self, client: HubClient, index: int) -> None:
        """It has lost a feature of this device, perhaps its last one."""
        if client in self._by_device.get(index, {}).values():
            return
        owned = self._by_client[client]
        del owned[index]
        if not owned:
            del self._by_client[client]
