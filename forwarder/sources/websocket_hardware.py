"""`WebsocketHardware`: a device that dialed in by itself, and takes its packets as binary frames.

There is no radio and no relay in between, so what a relay does for a peripheral is done here: the
newest packet per slot, the gap, running numbers, keep-alive, and the stop before this end closes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.driver import Fate, Outcome
from forwarder.errors import HardwareError
from forwarder.hardware import EndpointsOf, OnNotification
from forwarder.protocols.base import KeepAlive, Packet
from forwarder.truth import Truth
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed
from relay.link.messages import ErrorCode

# The reference has these two, whatever the definition says; neither is told to the device.
ENDPOINTS = frozenset({"tx", "rx"})
# Packets that may wait for one device. Newer ones take the place of older ones, so only a device
# that reads nothing any more gets there.
MAX_WAITING = 256
# A device that does not take a frame for so long is stuck.
SEND_S = 3.0


class _Batch:
    """The packets of one call; its outcome is known when none of them waits any more."""

    __slots__ = ("fate", "left", "outcome")

    def __init__(self, left: int) -> None:
        self.left = left
        self.fate = Fate.TAKEN
        self.outcome: Outcome = asyncio.get_running_loop().create_future()
        self.settle(0)

    def settle(self, count: int = 1) -> None:
        self.left -= count
        if self.left <= 0 and not self.outcome.done():
            self.outcome.set_result(self.fate)

    def fail(self, error: HardwareError) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)
            self.outcome.exception()  # nobody has to look


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    packet: Packet
    batch: _Batch


class WebsocketHardware:
    """Implements Hardware over `channel`. `write_on` must run for anything to be written."""

    def __init__(self, channel: Channel, address: str, name: str) -> None:
        self._channel = channel
        self._address = address
        self._name = name
        self._clock = asyncio.get_running_loop().time
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._listeners: dict[str, OnNotification] = {}
        self._gone: HardwareError | None = None
        self._gap_s = 0.0
        self._stop: Sequence[Packet] | None = None
        self._keepalive: KeepAlive | None = None
        self._running = False
        self._last: dict[tuple[str, str], Packet] = {}
        self._last_at = float("-inf")
        self._numbers: dict[tuple[str, int], int] = {}

    def __repr__(self) -> str:
        return f"<WebsocketHardware {self._name} {self._address}>"

    @property
    def address(self) -> str:
        return self._address

    @property
    def endpoints(self) -> frozenset[str]:
        return ENDPOINTS

    @property
    def gap_ms(self) -> int:
        return 0

    def bind(self, endpoints_of: EndpointsOf) -> None:
        """There are no characteristics to look for."""

    def follow(self, truth: Truth) -> None:
        """Nothing is leased here, so nobody has to know."""

    # --- what is to be written ------------------------------------------------------------------

    def output(self, packets: Sequence[Packet], *, merge: bool, at_rest: bool) -> Outcome:
        self._check()
        keys = {key for packet in packets for key in packet.keys}
        self._supersede(keys)
        if len(self._queue) + len(packets) > MAX_WAITING:
            raise HardwareError(ErrorCode.CONGESTED, f"{self._name} does not keep up.")
        self._running = not at_rest
        batch = _Batch(len(packets))
        self._queue.extend(_Waiting(packet, batch) for packet in packets)
        self._wake.set()
        return batch.outcome

    def stop(
        self, packets: Sequence[Packet], *, everything: bool, at_rest: bool = False
    ) -> Outcome:
        self._check()
        if everything or at_rest:
            self._running = False
        if everything:
            self._supersede(None)
            self._last.clear()
        else:
            self._supersede({key for packet in packets for key in packet.keys})
        batch = _Batch(len(packets))
        self._queue.extendleft(_Waiting(packet, batch) for packet in reversed(packets))
        self._wake.set()
        return batch.outcome

    def _supersede(self, keys: set[str] | None) -> None:
        """Take out of the queue what is older than these slots' new values; None: all of it."""
        kept: deque[_Waiting] = deque()
        for entry in self._queue:
            if keys is None or not keys.isdisjoint(entry.packet.keys):
                entry.batch.fate = Fate.SUPERSEDED
                entry.batch.settle()
            else:
                kept.append(entry)
        self._queue = kept

    async def write(self, endpoint: str, data: bytes, response: bool) -> None:
        self._check()
        batch = _Batch(1)
        self._queue.append(_Waiting(Packet(endpoint, data, response), batch))
        self._wake.set()
        await batch.outcome

    async def arm(
        self, stop: Sequence[Packet] | None, *, gap_ms: int, keepalive: KeepAlive | None
    ) -> None:
        self._stop = stop
        self._gap_s = gap_ms / 1000
        self._keepalive = keepalive
        self._last_at = self._clock()
        self._wake.set()

    # --- writing --------------------------------------------------------------------------------

    async def write_on(self) -> None:
        """Write until cancelled. Raises ChannelClosed, HardwareError if the device is stuck."""
        while True:
            due = self._due()
            if due is None or due > self._clock():
                self._wake.clear()
                try:
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # something is due now
            elif self._queue:
                await self._write(self._queue.popleft())
            else:
                for packet in self._repetition():
                    await self._put(packet)
                self._last_at = self._clock()

    def _due(self) -> float | None:
        """When to write next; None if there is nothing to write."""
        if self._queue:
            return self._last_at + max(self._gap_s, self._queue[0].packet.after_ms / 1000)
        return self._repeat_at()

    async def _write(self, entry: _Waiting) -> None:
        try:
            await self._put(entry.packet)
        except BaseException:
            entry.batch.fail(HardwareError(ErrorCode.GONE, f"{self._name} is gone."))
            raise
        entry.batch.settle()

    def _repeat_at(self) -> float | None:
        alive = self._keepalive
        # No phone is in between that would demand traffic.
        if alive is None or alive.only_demanded or (alive.only_running and not self._running):
            return None
        if alive.packet is None and not self._last:
            return None
        return self._last_at + alive.every_ms / 1000

    def _repetition(self) -> tuple[Packet, ...]:
        if self._keepalive is not None and self._keepalive.packet is not None:
            return (self._keepalive.packet,)
        return tuple({id(packet): packet for packet in self._last.values()}.values())

    async def _put(self, packet: Packet) -> None:
        for key in packet.keys or ("",):
            self._last[packet.endpoint, key] = packet
        self._last_at = self._clock()
        try:
            async with asyncio.timeout(SEND_S):
                await self._channel.send(self._numbered(packet))
        except TimeoutError:
            raise HardwareError(
                ErrorCode.TIMEOUT, f"{self._name} has read nothing for {SEND_S:g} s."
            ) from None

    def _numbered(self, packet: Packet) -> bytes:
        """The bytes, with the next running number if the packet has one."""
        counter = packet.counter
        if counter is None or counter.at >= len(packet.data):
            return packet.data
        data = bytearray(packet.data)
        old = data[counter.at]
        place = packet.endpoint, counter.at
        new = (self._numbers[place] + 1) & 0xFF if place in self._numbers else old
        self._numbers[place] = data[counter.at] = new
        if counter.xor_at is not None and counter.xor_at < len(data):
            data[counter.xor_at] ^= old ^ new
        return bytes(data)

    # --- what comes back ------------------------------------------------------------------------

    def heard(self, data: bytes) -> None:
        """A frame came: a notification, though of which endpoint it does not say."""
        for listener in tuple(self._listeners.values()):
            listener(data)

    async def read(self, endpoint: str) -> bytes:
        raise HardwareError(ErrorCode.UNSUPPORTED, f"{self._name} cannot be read from.")

    def subscribe(self, endpoint: str, on_value: OnNotification) -> Outcome:
        self._check()
        self._listeners[endpoint] = on_value
        return _Batch(0).outcome

    def unsubscribe(self, endpoint: str) -> Outcome:
        # It has no way to be told: what it says is passed over from now on.
        self._listeners.pop(endpoint, None)
        return _Batch(0).outcome

    # --- the end --------------------------------------------------------------------------------

    def gone(self, reason: str) -> None:
        """The device can be reached no more; whatever waits fails. Idempotent."""
        if self._gone is None:
            self._gone = HardwareError(ErrorCode.GONE, f"{self._name}: {reason}.")
        for entry in self._queue:
            entry.batch.fail(self._gone)
        self._queue.clear()

    async def disconnect(self) -> None:
        """Stop the device, then close. Nothing that was queued follows the stop."""
        try:
            for packet in self._stop or ():
                await self._put(packet)
        except (ChannelClosed, HardwareError):
            pass  # it went by itself, or reads nothing: all that is left is to hang up
        finally:
            self.gone("this hub let it go")
            await self._channel.close(1000, "stopped and let go")

    def _check(self) -> None:
        if self._gone is not None:
            raise HardwareError(self._gone.reason, str(self._gone))
