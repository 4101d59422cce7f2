"""Seams between the hub and where devices come from."""

from __future__ import annotations

from typing import Protocol

from forwarder.hub.device import Device


class DeviceSink(Protocol):
    """What a source tells about devices; the hub implements it. All calls are synchronous."""

    def add(self, device: Device) -> int:
        """Announce `device` to clients; returns its index, the one it had before if known."""
        ...

    def remove(self, device: Device, reason: str) -> None:
        """The device is gone."""
        ...

    def changed(self, device: Device) -> None:
        """Name, limits or ranges of the device changed."""
        ...

    def stopped(self, device: Device, reason: str) -> None:
        """Something other than a client stopped the device; clients are told."""
        ...

    def scan_ended(self, source: Source) -> None:
        """The source's scan ended by itself."""
        ...


class Source(Protocol):
    """Where devices come from. Never imports the hub: it is given the sink it reports to."""

    @property
    def name(self) -> str: ...

    def scan(self, on: bool) -> None:
        """Look for devices, or stop looking; takes effect soon, never blocks, never fails."""
        ...
