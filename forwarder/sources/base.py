"""Seams between the hub and where devices come from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from forwarder.hub.device import Device


class HeldBack(NamedTuple):
    """A toy that is not connected because the person's stop holds. `name`: as far as known."""

    address: str
    name: str


class DeviceSink(Protocol):
    """What a source tells about devices; the hub implements it. All calls are synchronous."""

    @property
    def holds(self) -> bool:
        """Whether the person holds everything. Then nothing new is connected, for a handshake may
        move a toy; what may be running is stopped and let go."""
        ...

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

    def hold_changed(self) -> None:
        """`DeviceSink.holds` is another one: end what is being connected, or connect what was held
        back. As `scan`."""
        ...

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        """What would be connected if the person's stop did not hold."""
        ...
