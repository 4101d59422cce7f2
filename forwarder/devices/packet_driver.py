"""`PacketDriver`: moves a device by packets, made by its protocol and carried by its hardware."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.devices.bounds import MOVE_MOST_MS, READ_S, READ_TURN_S
from forwarder.devices.driver import Fate, OnReading, Outcome, settled
from forwarder.devices.handshake_runner import Notifications, StepRunner
from forwarder.devices.hardware import Hardware
from forwarder.errors import DeviceError, HardwareError, Unsupported
from forwarder.hub.truth import FeatureValue, Truth
from forwarder.protocols.base import DeviceProtocol, ProtocolError
from forwarder.protocols.connecting import FAULTS
from relay.link.messages import ErrorCode, Packet

log = logging.getLogger(__name__)


class PacketDriver:
    """One device over one hardware. Made and armed by `sources.opening`.

    `truth` is the device's, to look at. `on_failed`: a move that goes on by itself cannot go on;
    who is told stops the device.
    """

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        protocol: DeviceProtocol,
        notifications: Notifications,
        on_failed: Callable[[DeviceError], None],
        truth: Truth,
    ) -> None:
        self._name = name
        self._hardware = hardware
        self._truth = truth
        self.protocol = protocol
        self._notifications = notifications
        self._runner = StepRunner(hardware, notifications, name)
        self._on_failed = on_failed
        # What stops it from any state, whatever becomes of the protocol's memory.
        self._armed = protocol.armed()
        # Subscribed inputs: the endpoint that carries each, and who hears it.
        self._listeners: dict[tuple[int, InputType], tuple[str, Callable[[bytes], None]]] = {}
        self._tick: asyncio.TimerHandle | None = None
        # One query at a time: their answers carry no number to tell them apart.
        self._querying = asyncio.Lock()
        for endpoint in protocol.listens:
            notifications.listen(endpoint, partial(self._heard, endpoint))

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        try:
            packets = self.protocol.output(feature, kind, value, duration_ms)
        except ProtocolError as error:
            raise Unsupported(f"{self._name}: {error}") from error
        try:
            at_rest = self._truth.rests_after({feature: FeatureValue(kind, value, duration_ms)})
            moves_ms = _moves_ms(FeatureValue(kind, value, duration_ms), at_rest)
            merge = self.protocol.shares_packets(feature)
            if at is not None and self._takes_times and (packets or at_rest):
                off = not value and not kind.is_position
                return self._hardware.output(
                    packets, merge=merge, at_rest=at_rest, moves_ms=moves_ms, at=at, off=off
                )
            return self._send(packets, merge, at_rest, moves_ms)
        except DeviceError:
            # It has not left and never will: a packet of another feature must not carry it.
            self._remember(feature, self._truth.taken(feature) or FeatureValue(kind, 0))
            raise
        finally:
            if self._tick is not None or self.protocol.tick_ms is not None:
                self._schedule_tick()

    @property
    def _takes_times(self) -> bool:
        """A toggle counts, and what goes on by the clock has a time of its own: both go at once."""
        return self._armed is not None and self.protocol.tick_ms is None

    def lead(self) -> float | None:
        return self._hardware.lead() if self._takes_times else None

    def _send(
        self,
        packets: Sequence[Packet],
        merge: bool,
        at_rest: bool,
        moves_ms: int | None = None,
    ) -> Outcome:
        if not packets and not at_rest:
            return settled()
        if self._armed is not None or not packets:
            return self._hardware.output(packets, merge=merge, at_rest=at_rest, moves_ms=moves_ms)
        try:
            outcome = self._hardware.output(packets, merge=merge, at_rest=at_rest)
        except DeviceError:
            self._hardware.own_stop()
            raise
        outcome.then(self._counted)
        return outcome

    def _counted(self, outcome: Outcome) -> None:
        """A toggle that may be lost leaves nobody knowing what runs: only letting go is sure."""
        if not _arrived(outcome):
            self._hardware.own_stop()

    def _press(self, packets: Sequence[Packet]) -> Outcome:
        """What stops a device whose off is a toggle: behind what was sent, never in its place."""
        if not packets:
            return self._hardware.output((), merge=False, at_rest=True)
        final = Outcome()

        def give_up() -> None:
            self._hardware.own_stop().then(let_go)

        def pressed(outcome: Outcome) -> None:
            if _arrived(outcome):
                final.set_result(Fate.TAKEN)
            else:
                give_up()

        def let_go(outcome: Outcome) -> None:
            error = None if outcome.cancelled() else outcome.exception()
            if error is None:
                final.set_result(Fate.TAKEN)
            else:
                final.set_exception(error)
                final.exception()  # nobody has to look

        try:
            outcome = self._hardware.output(packets, merge=False, at_rest=True)
        except DeviceError:
            give_up()
        else:
            outcome.then(pressed)
        return final

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> Outcome | None:
        if not self.protocol.shares_packets(feature):
            return None
        packets = self._remember(feature, value)
        if not (packets and again):
            return None
        rests = self._truth.rests_after({feature: value})
        return self._send(packets, True, rests, _moves_ms(value, rests))

    def _remember(self, feature: int, value: FeatureValue) -> Sequence[Packet]:
        """Have the protocol believe that it is there; returns what would bring it there."""
        # First of all what goes on by the clock ends.
        rest = self._forget((feature,))
        self._schedule_tick()
        if not value.steps and not value.kind.is_position:
            return rest
        if self.protocol.tick_ms is not None:
            return rest  # a move by the clock has a gap now, and is not taken up again
        return self.protocol.output(feature, value.kind, value.steps, value.duration_ms)

    def stop(self, features: Collection[int] | None) -> Outcome:
        try:
            packets = self.protocol.stop(features)
        except (ProtocolError, *FAULTS) as error:
            log.error("%s: its stop cannot be made: %s", self._name, error)
            if not self._armed:
                raise HardwareError(
                    ErrorCode.REFUSED, f"{self._name} cannot be stopped: {error}. Switch it off."
                ) from error
            packets, features = self._armed, None
        if self._tick is not None or self.protocol.tick_ms is not None:
            self._schedule_tick()
        if self._armed is None:
            return self._press(packets)
        if features is None:
            return self._hardware.stop(packets, everything=True, at_rest=True)
        at_rest = self._truth.rests_after(dict.fromkeys(features))
        return self._hardware.stop(packets, everything=False, at_rest=at_rest)

    def stopped(self) -> None:
        """The hardware was stopped without us: what the protocol remembers is at rest again."""
        self._forget(None)
        self._schedule_tick()

    def _forget(self, features: Collection[int] | None) -> Sequence[Packet]:
        """Have the protocol take these for at rest; returns what would bring them there."""
        try:
            return self.protocol.stop(features)
        except (ProtocolError, *FAULTS) as error:
            log.error("%s: its stop cannot be made: %s", self._name, error)
            return ()

    def _schedule_tick(self) -> None:
        wanted = self.protocol.tick_ms
        if wanted is None:
            if self._tick is not None:
                self._tick.cancel()
                self._tick = None
        elif self._tick is None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_later(wanted / 1000, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        try:
            outcome = self._send(self.protocol.tick(), False, self._truth.rests_after({}))
        except (DeviceError, ProtocolError) as error:
            self._cannot(error)
            return
        self._schedule_tick()
        outcome.then(self._tick_written)

    def _tick_written(self, outcome: Outcome) -> None:
        error = None if outcome.cancelled() else outcome.exception()
        if isinstance(error, DeviceError) and self._tick is not None:
            # It has a gap now: rest is the only state that is known.
            self._on_failed(error)

    def _heard(self, endpoint: str, data: bytes) -> None:
        """The device spoke by itself; some want an answer."""
        try:
            if packets := self.protocol.heard(endpoint, data):
                self._send(packets, False, self._truth.rests_after({}))
        except (DeviceError, ProtocolError) as error:
            self._cannot(error)

    def _cannot(self, error: DeviceError | ProtocolError) -> None:
        """What the device wants by itself cannot be sent to it."""
        if isinstance(error, ProtocolError):
            error = Unsupported(f"{self._name}: {error}")
        self._on_failed(error)

    @property
    def stop_waits_for_reads(self) -> bool:
        return any(packet.response for packet in self._armed or ())

    async def read(self, feature: int, kind: InputType) -> int:
        try:
            async with asyncio.timeout(READ_TURN_S):
                await self._querying.acquire()
        except TimeoutError:
            raise HardwareError(
                ErrorCode.CONGESTED, f"{self._name} has too many questions to answer."
            ) from None
        try:
            return await self._runner.run(self.protocol.read(feature, kind), READ_S)
        except ProtocolError as error:
            raise HardwareError(ErrorCode.REFUSED, f"{self._name}: {error}") from error
        except TimeoutError:
            raise HardwareError(
                ErrorCode.TIMEOUT, f"{self._name} did not answer within {READ_S:g} s."
            ) from None
        finally:
            self._querying.release()

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        endpoint = self.protocol.subscription(feature, kind)

        def heard(data: bytes) -> None:
            value = self.protocol.reading(feature, kind, data)
            if value is not None:
                on_reading(value)

        outcome = self._notifications.hold(endpoint, (feature, kind))
        self._unlisten(feature, kind)
        self._listeners[feature, kind] = endpoint, heard
        self._notifications.listen(endpoint, heard)
        return outcome

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome | None:
        # The peripheral goes on if a handshake, a query or another input shares the endpoint.
        endpoint = self._unlisten(feature, kind)
        return None if endpoint is None else self._notifications.release(endpoint, (feature, kind))

    def _unlisten(self, feature: int, kind: InputType) -> str | None:
        endpoint, heard = self._listeners.pop((feature, kind), (None, None))
        if endpoint is not None and heard is not None:
            self._notifications.unlisten(endpoint, heard)
        return endpoint

    async def close(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        await self._hardware.disconnect()


def _arrived(outcome: Outcome) -> bool:
    return (
        not outcome.cancelled() and outcome.exception() is None and outcome.result() is Fate.TAKEN
    )


def _moves_ms(value: FeatureValue, at_rest: bool) -> int | None:
    """How long `value` moves something by itself; None: for good, or at the device's own pace."""
    if value.kind is OutputType.HW_POSITION_WITH_DURATION:
        return min(value.duration_ms, MOVE_MOST_MS)
    return 0 if at_rest and not value.kind.is_position else None
