"""The seam between a device and the way to it: a relay's peripheral, or a websocket device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from forwarder.devices.driver import Outcome
from forwarder.hub.truth import Truth
from forwarder.protocols.base import KeptAlive
from relay.link.messages import Packet, Service

OnNotification = Callable[[bytes], None]
EndpointsOf = Callable[[tuple[Service, ...]], dict[str, int]]
"""Finds a definition's endpoints among discovered services: endpoint → characteristic handle."""


class Hardware(Protocol):
    """One connected peripheral, addressed by endpoints. Failures are HardwareError.

    `output` and `stop` put their packets on their way before they return, in the order of the
    calls; the future is done when the radio has taken them, or a newer value took their place.
    """

    @property
    def address(self) -> str:
        """As its radio names it, in canonical form; what is kept about a toy is kept by it."""
        ...

    def bind(self, endpoints_of: EndpointsOf) -> None:
        """Give the characteristics the role names that this definition uses."""
        ...

    @property
    def endpoints(self) -> Mapping[str, int]:
        """The role names of what was found here; empty before `bind`."""
        ...

    @property
    def gap_ms(self) -> int:
        """The gap this kind of radio wants when the definition names none."""
        ...

    def output(
        self,
        packets: Sequence[Packet],
        *,
        merge: bool,
        at_rest: bool,
        moves_ms: int | None = None,
        at: float | None = None,
        off: bool = False,
    ) -> Outcome:
        """`merge`: other features' values may follow in the same packet; `at_rest`: all are off.
        `moves_ms`: what this starts is over by itself after so long; None: not by itself, or nobody
        knows. `at`: when it begins (loop time), where the way to it takes times; None: now. `off`:
        what it changes is off after it, so that it is carried out however late it comes."""
        ...

    def lead(self) -> float | None:
        """How long (s) before its time a value must be given; None: it is carried out at once."""
        ...

    def stop(
        self, packets: Sequence[Packet], *, everything: bool, at_rest: bool = False
    ) -> Outcome:
        """Overtakes everything; `everything`: nothing that is queued survives; `at_rest`: all is
        off after it, though it names some features only."""
        ...

    def own_stop(self) -> Outcome:
        """Have whoever holds the armed stop run it, whatever it is."""
        ...

    async def write(self, endpoint: str, data: bytes, response: bool) -> None:
        """One write in order, for handshakes; return when the radio has taken it. It passes the
        gate as an output does. Raises HardwareError; when cancelled it may have been written."""
        ...

    async def read(self, endpoint: str) -> bytes:
        """Return what the characteristic holds. Raises HardwareError."""
        ...

    def subscribe(self, endpoint: str, on_value: OnNotification) -> Outcome:
        """Like `output`: on its way when it returns, and in order with `unsubscribe`."""
        ...

    def unsubscribe(self, endpoint: str) -> Outcome:
        """`on_value` hears nothing any more when this returns, or raises."""
        ...

    async def arm(
        self, stop: Sequence[Packet] | None, *, gap_ms: int, keepalive: KeptAlive | None
    ) -> None:
        """Hand over what stops the device without us. None: nothing is known yet, so let it go.
        An empty sequence: silence is its stop."""
        ...

    def follow(self, truth: Truth) -> None:
        """From now on this knows whether the device may be running; until then it may."""
        ...

    async def disconnect(self) -> None:
        """Stop it and let it go. Where whoever has it cannot be reached, its lease stops it."""
        ...
