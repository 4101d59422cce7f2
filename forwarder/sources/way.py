"""The seam between a device's hardware and whoever has it: a link to a relay, or this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from forwarder.devices.driver import Outcome
from forwarder.sources.relays.waiting import ReplyFuture as Asked
from relay.link import messages as wire


class PeripheralRoute(Protocol):
    """The way to whoever has the peripheral, as `RelayLink` is the one to a relay."""

    ended: str | None

    def request(self, make: Callable[[int], wire.Request], *, deadline_s: float = ...) -> Asked: ...

    def carry(
        self,
        make: Callable[[int], wire.Request],
        *,
        deadline_s: float = ...,
        orphaned: Callable[[Outcome], None] | None = ...,
    ) -> Outcome: ...

    def silent_at(self, p: int) -> float: ...

    def renew(self) -> None: ...

    def rouse(self) -> None: ...
