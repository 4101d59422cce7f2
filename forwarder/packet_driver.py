"""`PacketDriver`: moves a device by packets, made by its protocol and carried by its hardware."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.driver import OnReading
from forwarder.errors import DeviceError, HardwareError, Unsupported
from forwarder.hardware import Hardware
from forwarder.protocols.base import DeviceProtocol, Packet, ProtocolError
from forwarder.protocols.connecting import FAULTS
from forwarder.steps import Notifications, StepRunner
from relay.link.messages import ErrorCode

log = logging.getLogger(__name__)

# A toy that answers at all answers within a second; buttplug clients give up after 30 s.
READ_S = 5.0
# So long a query waits for those before it, which may be those of other clients.
READ_TURN_S = 10.0


class PacketDriver:
    """One device over one hardware. Made and armed by `sources.opening`."""

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        protocol: DeviceProtocol,
        notifications: Notifications,
        on_failed: Callable[[DeviceError], None],
    ) -> None:
        self._name = name
        self._hardware = hardware
        self.protocol = protocol
        self._notifications = notifications
        self._runner = StepRunner(hardware, notifications, name)
        self._on_failed = on_failed
        # What stops it from any state, whatever becomes of the protocol's memory.
        self._armed = protocol.armed()
        # Features whose output is on: decides about the lease and about some keep-alives.
        self._running: set[int] = set()
        # Subscribed inputs: the endpoint that carries each, and who hears it.
        self._listeners: dict[tuple[int, InputType], tuple[str, Callable[[bytes], None]]] = {}
        self._tick: asyncio.TimerHandle | None = None
        # One query at a time: their answers carry no number to tell them apart.
        self._querying = asyncio.Lock()
        for endpoint in protocol.listens:
            notifications.listen(endpoint, partial(self._heard, endpoint))

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int
    ) -> asyncio.Future[None]:
        try:
            packets = self.protocol.output(feature, kind, value, duration_ms)
        except ProtocolError as error:
            raise Unsupported(f"{self._name}: {error}") from error
        if value and not kind.is_position:
            self._running.add(feature)
        else:
            self._running.discard(feature)
        try:
            outcome = self._send(packets, merge=self.protocol.shares_packets(feature))
        except DeviceError:
            # It has not left and never will: a packet of another feature must not carry it.
            self._forget((feature,))
            self._running.discard(feature)
            raise
        finally:
            self._schedule_tick()
        return outcome

    def _send(self, packets: Sequence[Packet], *, merge: bool) -> asyncio.Future[None]:
        if not packets and self._running:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        return self._hardware.output(packets, merge=merge, at_rest=not self._running)

    def stop(self, features: Collection[int] | None) -> asyncio.Future[None]:
        try:
            packets = self.protocol.stop(features)
        except (ProtocolError, *FAULTS) as error:
            log.error("%s: its stop cannot be made: %s", self._name, error)
            if not self._armed:
                raise HardwareError(
                    ErrorCode.REFUSED, f"{self._name} cannot be stopped: {error}. Switch it off."
                ) from error
            packets, features = self._armed, None
        if features is None:
            self._running.clear()
        else:
            self._running.difference_update(features)
        self._schedule_tick()
        return self._hardware.stop(packets, everything=features is None)

    def stopped(self) -> None:
        """The hardware was stopped without us: what the protocol remembers is at rest again."""
        self._forget(None)
        self._running.clear()
        self._schedule_tick()

    def _forget(self, features: Collection[int] | None) -> None:
        """Have the protocol take these for at rest; nothing is sent."""
        try:
            self.protocol.stop(features)
        except (ProtocolError, *FAULTS) as error:
            log.error("%s: its stop cannot be made: %s", self._name, error)

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
            outcome = self._send(self.protocol.tick(), merge=False)
        except DeviceError as error:
            self._give_up(error)
            return
        outcome.add_done_callback(self._tick_written)
        self._schedule_tick()

    def _tick_written(self, outcome: asyncio.Future[None]) -> None:
        error = None if outcome.cancelled() else outcome.exception()
        if isinstance(error, DeviceError) and self._tick is not None:
            self._give_up(error)

    def _give_up(self, error: DeviceError) -> None:
        """A move that goes on by itself has a gap now: rest is the only state that is known."""
        try:
            self.stop(None)
        except HardwareError as gone:
            # The relay is away, and has stopped the device.
            log.warning("%s: %s", self._name, gone)
        self._on_failed(error)

    def _heard(self, endpoint: str, data: bytes) -> None:
        """The device spoke by itself; some want an answer."""
        try:
            if packets := self.protocol.heard(endpoint, data):
                self._send(packets, merge=False)
        except DeviceError as error:
            self._give_up(error)

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

    def subscribe(
        self, feature: int, kind: InputType, on_reading: OnReading
    ) -> asyncio.Future[None]:
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

    def unsubscribe(self, feature: int, kind: InputType) -> asyncio.Future[None] | None:
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
