"""The seam between a device's hardware and whoever has it: a link to a relay, or this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from forwarder.devices.driver import Outcome
from forwarder.sources.relays.waiting import ReplyFuture as Asked
from relay.link import messages as wire


class PeripheralRoute(Protocol):
    """The way to whoever has the peripheral, as `RelayLink` is the one to a relay.

    What is asked is on its way, in the order of the calls, when a call returns. `ended`: why there
    is no way any more, in words; None while there is.
    """

    ended: str | None

    def next_id(self) -> int:
        """An id for a request that is made now."""
        ...

    def request(self, message: wire.Request, *, deadline_s: float = ...) -> Asked:
        """Ask that. The future brings the reply, or fails with HardwareError: refused, timed out
        after `deadline_s`, no way, too much at a time."""
        ...

    def carry(
        self,
        message: wire.Request,
        *,
        deadline_s: float = ...,
        orphaned: Callable[[Outcome], None] | None = ...,
        shut: Callable[[], None] | None = ...,
    ) -> Outcome:
        """The same for a command of which only its fate counts. `orphaned` is given the outcome if
        the way ends before there was an answer: whoever drove it decides then. `shut` is called if
        a gate that was shut turned it back."""
        ...

    def silent_at(self, p: int) -> float:
        """When (loop time) the peripheral `p` is stopped by itself if nothing more is heard."""
        ...

    def renew(self) -> None:
        """Give the leases anew now: what runs changed, and they must not wait for the next beat."""
        ...

    def rouse(self) -> None:
        """A value is about to be sent: lease first, and at the fast rate from now on."""
        ...

    def lead(self) -> float | None:
        """How long (s) before its time a value must be sent to be carried out then; None: it would
        be carried out at once. Whoever asks is about to send some."""
        ...

    def theirs_us(self, at: float) -> int | None:
        """What the clock at the other end shows at `at` (loop time), for Output.at_us; None where
        `lead` is."""
        ...
