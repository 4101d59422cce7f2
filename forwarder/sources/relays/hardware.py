"""`RelayHardware`: one peripheral on a relay's radio, as the hub reaches it over the link."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from forwarder.devices.driver import Fate, Outcome, settled
from forwarder.devices.hardware import EndpointsOf, OnNotification
from forwarder.errors import Denied, HardwareError
from forwarder.hub.truth import Truth
from forwarder.protocols.base import KeptAlive
from forwarder.sources.relays.bounds import CONNECT_S, STOP_S
from forwarder.sources.relays.open_stops import OpenStops
from forwarder.sources.relays.waiting import ReplyFuture as Asked
from forwarder.sources.way import PeripheralRoute
from relay.link import messages as wire
from relay.link.messages import Connected, ErrorCode, Service, Value

log = logging.getLogger(__name__)


_Arming = tuple[tuple[wire.Packet, ...] | None, int, wire.KeepAlive | None]


class RelayHardware:
    """A peripheral that stays the same one while its relay's link comes and goes.

    `link` is None while the relay is away. `blocked` says why outputs are refused right now.
    `supervised`: what its relay drives is stopped even if the relay dies.
    """

    def __init__(
        self, p: int, address: str, gap_ms: int, relay_name: str, *, supervised: bool = True
    ) -> None:
        self.p = p
        self.gap_ms = gap_ms
        self.supervised = supervised
        self.services: tuple[Service, ...] = ()
        self.link: PeripheralRoute | None = None
        self.blocked: str | None = None
        self.armed = False
        # While it is being opened, nobody knows whether it runs.
        self._truth: Truth | None = None
        self._open_stops = OpenStops(relay_name, lambda: self.running)
        self._address = address
        self._relay_name = relay_name
        self._handles: dict[str, int] = {}
        self._listeners: dict[int, OnNotification] = {}
        # Characteristics whose newest beginning or end is not confirmed; None: it could not leave.
        self._unsure: dict[int, Outcome | None] = {}
        self._arming: _Arming | None = None
        # Whether something was written of which nobody knows what it does, without an "all is off"
        # behind it that was confirmed; and how often, for one that came before the newest is none.
        self._wrote = False
        self._writes = 0
        # Stops that the relay ran by itself, as far as we know: an Arm names them, so that one
        # that was under way meanwhile does not count.
        self._stops_seen = 0

    def __repr__(self) -> str:
        return f"<RelayHardware {self.p} {self._address} at {self._relay_name}>"

    @property
    def address(self) -> str:
        return self._address

    @property
    def endpoints(self) -> Mapping[str, int]:
        return self._handles

    def bind(self, endpoints_of: EndpointsOf) -> None:
        self._handles = endpoints_of(self.services)

    # --- connecting -----------------------------------------------------------------------------

    async def connect(self, link: PeripheralRoute, *, timeout_ms: int = 20_000) -> bool:
        """Connect over `link`; returns whether the relay had kept the connection. `timeout_ms`: how
        long the relay may try."""
        # Before anything can be heard of it: the relay counts its stops from the Connect on.
        self._stops_seen = 0
        connect = wire.Connect(link.next_id(), self.p, self._address, timeout_ms)
        reply = await link.request(connect, deadline_s=CONNECT_S)
        if not isinstance(reply, Connected):
            raise HardwareError(ErrorCode.RADIO, f"{self._relay_name} gave a wrong answer")
        if link.ended is not None:
            raise HardwareError(ErrorCode.GONE, link.ended)
        self.services = reply.services
        self.link = link
        if not reply.resumed:
            link.rouse()  # nobody knows what it does
        if reply.resumed:
            self._settle_notifications()
        return reply.resumed

    def follow(self, truth: Truth) -> None:
        self._truth = truth

    @property
    def running(self) -> bool:
        """Whether an output is on, or may be: what has not been confirmed counts as on."""
        return self._truth is None or self._truth.running or self._wrote

    def detach(self, stopped: Callable[[], None]) -> None:
        """The link is gone; the relay stops the peripheral by itself and may keep it connected.

        Once its last lease has run out, within a second, `stopped` is called if it was armed at a
        relay whose stops do not need it to be alive; then the stops are answered that were left
        open.
        """
        link, self.link = self.link, None
        by_itself = self.armed and self.supervised
        self.disarmed()
        if link is None:
            return

        def silent() -> None:
            if by_itself and self.link is None:
                stopped()

        self._open_stops.wait_until(link.silent_at(self.p), silent)

    def release(self) -> None:
        """The peripheral is no device any more. Nothing is known about what it does."""
        self.link = None
        self.disarmed()
        self._open_stops.end()

    def disarmed(self) -> None:
        """The relay was told to stop it, or does so by itself; nothing starts until it is armed."""
        self.armed = self._wrote = False

    async def disconnect(self) -> None:
        if self.link is not None:
            disconnect = wire.Disconnect(self.link.next_id(), self.p)
            await self.link.request(disconnect, deadline_s=STOP_S)

    # --- safety ---------------------------------------------------------------------------------

    async def arm(
        self, stop: Sequence[wire.Packet] | None, *, gap_ms: int, keepalive: KeptAlive | None
    ) -> None:
        alive = None
        if keepalive is not None:
            alive = wire.KeepAlive(
                keepalive.every_ms,
                keepalive.packet,
                only_running=keepalive.only_running,
                only_demanded=keepalive.only_demanded,
            )
        self._arming = (None if stop is None else tuple(stop), gap_ms, alive)
        await self._rearm()

    def rearm(self) -> None:
        """Arm again what was armed last, and renew the lease: after the relay stopped on its own.

        Does not wait; outputs may be sent at once behind it, the link keeps the order.
        """
        if self._arming is not None and self.link is not None:
            self._rearm().add_done_callback(self._armed_again)

    def _rearm(self) -> Asked:
        assert self._arming is not None
        packets, gap_ms, alive = self._arming
        link = self._reachable()
        message = wire.Arm(link.next_id(), self.p, packets, gap_ms, alive, seen=self._stops_seen)
        outcome = link.request(message)
        self.armed = True
        if self.link is not None:
            self.link.renew()
        return outcome

    def _armed_again(self, outcome: Asked) -> None:
        error = None if outcome.cancelled() else outcome.exception()
        if error is not None:
            self.armed = False
            log.warning("%s at %s: arming again failed: %s", self._address, self._relay_name, error)

    def stopped(self, news: wire.Stopped) -> None:
        """The relay stopped the peripheral on its own: nothing is on, nothing is armed."""
        self._stops_seen = max(self._stops_seen, news.number)
        self.disarmed()

    # --- moving ---------------------------------------------------------------------------------

    def output(
        self,
        packets: Sequence[wire.Packet],
        *,
        merge: bool,
        at_rest: bool,
        moves_ms: int | None = None,
        at: float | None = None,
        off: bool = False,
    ) -> Outcome:
        if self.blocked is not None:
            raise Denied(self.blocked)
        link = self._reachable()
        if not self.armed:
            self.rearm()
        if not at_rest:
            link.rouse()
        at_us = None if at is None else link.theirs_us(at)
        off = off and at_us is not None
        message = wire.Output(
            link.next_id(), self.p, tuple(packets), merge, at_rest, moves_ms, at_us, off
        )
        outcome = link.carry(message, shut=self._gate_was_shut)
        if at_rest and self._wrote:
            self._off_when(outcome)
        return outcome

    def lead(self) -> float | None:
        return None if self.link is None else self.link.lead()

    def _gate_was_shut(self) -> None:
        """A gate that was shut without a word of it is armed again with the next output."""
        self.armed = False

    def _off_when(self, outcome: Outcome) -> None:
        """`outcome` says that everything is off, unless something is written in the meantime."""
        writes = self._writes

        def settled(done: Outcome) -> None:
            if not _failed(done) and self._writes == writes:
                self._wrote = False

        outcome.then(settled)

    def stop(
        self, packets: Sequence[wire.Packet], *, everything: bool, at_rest: bool = False
    ) -> Outcome:
        if self.link is None:
            return self._open_stops.new()
        rest = everything or at_rest
        message = wire.Stop(
            self.link.next_id(), self.p, tuple(packets), everything, rest, self._stops_seen
        )
        outcome = self.link.carry(message, deadline_s=STOP_S, orphaned=self._open_stops.add)
        if rest and self._wrote:
            self._off_when(outcome)
        return outcome

    def own_stop(self) -> Outcome:
        if self.link is None:
            return settled(Fate.BY_ITSELF)
        # A stop that knows of none of the relay's own is answered with that.
        message = wire.Stop(self.link.next_id(), self.p, (), all=True, rest=True)
        return self.link.carry(message, deadline_s=STOP_S)

    async def write(self, endpoint: str, data: bytes, response: bool) -> None:
        h = self._handle(endpoint)
        was_running = self.running
        # The relay cannot know what it does; the next beat must come before the short lease lapses.
        link = self._reachable()
        link.rouse()
        outcome = link.request(wire.Write(link.next_id(), self.p, h, data, response))
        self._wrote = True
        self._writes += 1
        try:
            await outcome
        finally:
            # Unless something was said meanwhile that is on.
            told_to_run = self._truth is None or self._truth.running
            if not (was_running or told_to_run) and self.link is not None:
                rest = wire.Output(self.link.next_id(), self.p, (), rest=True)
                self._off_when(self.link.carry(rest))

    async def read(self, endpoint: str) -> bytes:
        h = self._handle(endpoint)
        link = self._reachable()
        reply = await link.request(wire.Read(link.next_id(), self.p, h))
        if not isinstance(reply, Value):
            raise HardwareError(ErrorCode.RADIO, f"{self._relay_name} gave a wrong answer")
        return reply.data

    def subscribe(self, endpoint: str, on_value: OnNotification) -> Outcome:
        h = self._handle(endpoint)
        if h in self._unsure and ((before := self._unsure[h]) is None or before.done()):
            # An end that was not confirmed: a radio that still notifies would refuse to begin.
            self._end(h)
        outcome = self._change(h, wire.Subscribe)
        self._listeners[h] = on_value

        def begun(done: Outcome) -> None:
            if _failed(done) and self._listeners.get(h) is on_value:
                del self._listeners[h]

        outcome.then(begun)
        return outcome

    def unsubscribe(self, endpoint: str) -> Outcome:
        h = self._handle(endpoint)
        self._listeners.pop(h, None)
        return self._end(h)

    def _end(self, h: int) -> Outcome:
        return self._change(h, wire.Unsubscribe)

    def _change(self, h: int, kind: type[wire.Subscribe | wire.Unsubscribe]) -> Outcome:
        """Begin or end notifications. Until that is confirmed nobody knows whether they come."""
        self._unsure[h] = None
        link = self._reachable()
        outcome = self._unsure[h] = link.carry(kind(link.next_id(), self.p, h))

        def settled(done: Outcome) -> None:
            if not _failed(done) and self._unsure.get(h) is done:
                del self._unsure[h]

        outcome.then(settled)
        return outcome

    def _settle_notifications(self) -> None:
        """The relay kept the connection: end what nobody listens to any more. Else it goes on."""
        for h in tuple(self._unsure):
            if h not in self._listeners:
                self._end(h)

    def heard(self, h: int, data: bytes) -> None:
        """A notification came."""
        listener = self._listeners.get(h)
        if listener is not None:
            listener(data)

    # --- helpers --------------------------------------------------------------------------------

    def _reachable(self) -> PeripheralRoute:
        if self.link is None:
            what = "the device may still run" if self.running else "it has stopped the device"
            raise HardwareError(ErrorCode.GONE, f"The relay {self._relay_name} is away; {what}.")
        return self.link

    def _handle(self, endpoint: str) -> int:
        try:
            return self._handles[endpoint]
        except KeyError:
            raise HardwareError(
                ErrorCode.UNSUPPORTED, f"The device has no endpoint {endpoint}."
            ) from None


def _failed(done: Outcome) -> bool:
    return done.cancelled() or done.exception() is not None
