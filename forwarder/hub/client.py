"""Who drives a hub: what it knows of a client, and of what its token allows."""

from __future__ import annotations

from typing import Protocol

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.errors import DeviceError
from forwarder.hub.device import Device


class ClientGrant(Protocol):
    """What a client beyond loopback was allowed by its token."""

    @property
    def name(self) -> str:
        """The token's."""
        ...

    @property
    def refusal(self) -> str | None:
        """Why it may drive nothing at all now, in words; None if it may."""
        ...

    def sees(self, device: Device) -> bool:
        """Whether it is in this client's list. What it does not see does not exist for it."""
        ...

    def allows(self, device: Device, kind: OutputType) -> bool:
        """Whether it may drive outputs of this kind there, up to `ceiling`."""
        ...

    def ceiling(self, device: Device, kind: OutputType) -> float:
        """The highest fraction of the range that this client may use, 0..1."""
        ...


class HubClient(Protocol):
    """A client as the hub sees it; all calls are synchronous and never block."""

    @property
    def name(self) -> str:
        """As it calls itself, neutralised; not unique."""
        ...

    @property
    def version(self) -> int | None:
        """Of the Buttplug spec; None for what speaks none."""
        ...

    @property
    def grant(self) -> ClientGrant | None:
        """What it may do; None: whatever a program of this machine may."""
        ...

    @property
    def hub_id(self) -> str | None:
        """Set if this client is another hub."""
        ...

    def devices_changed(self) -> None:
        """A device came, went, or has other ranges: look at the hub's table again."""
        ...

    def scanning_finished(self) -> None:
        """The scan that it asked for has ended by itself."""
        ...

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        """A value of an input that it subscribed to, in the input's own unit."""
        ...

    def trouble(self, error: DeviceError) -> None:
        """Something the client did not ask about went wrong with a device it drives."""
        ...

    def dismiss(self, reason: str) -> None:
        """The person ends this connection: what it drives is stopped, and it drives no more."""
        ...
