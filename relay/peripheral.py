"""One connected peripheral: what the hub wants done, in the right order, through the gate.

Requests come in by plain calls that decide at once and never wait. One worker (`run`) carries out
one radio operation at a time. Whatever ends the worker (the peripheral leaves, cancellation, a
bug), the armed stop is written before the peripheral is let go.

Priorities of the worker, highest first: the armed stop while the gate is STOPPING (and then
nothing else), stops of the hub, leaving, the queue, the keep-alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.audit import Audit
from relay.errors import GateShut
from relay.gate import RETRY_FIRST_S, Gate, State
from relay.link.messages import (
    Arm,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    Fallback,
    FromRelay,
    Notification,
    Output,
    Packet,
    Read,
    Stop,
    StopCause,
    Stopped,
    Subscribe,
    Unsubscribe,
    Value,
    Write,
)
from relay.operation import Operation
from relay.radio.base import Connection, RadioError
from relay.repeat import Written
from relay.slots import MOST, Congested, Group, Request, Slots

log = logging.getLogger(__name__)

# Seconds one operation may take. A write with response is answered within the supervision timeout
# of the connection, 4 to 6 s with the usual hosts; a stop that takes a second has failed.
OPERATION_S = 5.0
STOP_S = 1.0
# A peripheral that is let go in order answers at once, but BlueZ waits 2 s before it says so.
LET_GO_S = 2.5
# When the program ends, everything together has to be over within two seconds.
LAST_STOP_S = 0.7
LAST_LET_GO_S = 0.4
# The least pause (s) before an armed stop without response is written for the second time, and
# the longest (s) that a stop may ask for between two of its packets.
SECOND_ROUND_S = 0.02
STOP_DELAY_MOST_S = 0.5
# An operation that was cut short may still reach the device; the stop is repeated after this (s).
STRAGGLER_S = 0.5

OnStopped = Callable[[RadioError | None], None]


class Sink(Protocol):
    """Where messages for the hub go. Never waits."""

    def put(self, message: FromRelay) -> None: ...


@dataclass(slots=True, eq=False)
class _Stop:
    """A Stop of the hub that is being written; `next` is the first packet still to be."""

    ids: list[int]
    packets: tuple[Packet, ...]
    everything: bool
    since: float
    ready_at: float
    next: int = 0
    attempts: int = 0


@dataclass(slots=True)
class Surroundings:
    """What a peripheral shares with the other ones of its relay."""

    audit: Audit
    tally: Tally[str] = field(default_factory=Tally)
    demands_traffic: bool = False


class Peripheral:
    """Made within a running event loop, with a fresh `connection`, which it owns from then on.

    `bind` says which hub it belongs to at the moment; without one it only stops.
    """

    def __init__(
        self, address: str, connection: Connection, gate: Gate, around: Surroundings
    ) -> None:
        self.address = address
        self.connection = connection
        self.gate = gate
        self.p = 0
        self._sink: Sink | None = None
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._operation = Operation()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._slots = Slots()
        self._written = Written()
        self._armed = Arm(0, 0)
        self._stops: deque[_Stop] = deque()
        self._again: tuple[float, tuple[Packet, ...]] | None = None
        self._stopping = False
        self._complained = False
        self._waiting: list[OnStopped] = []
        self._under_way: int | None = None
        self.leaving = False
        self._farewells: list[int] = []
        self._over: str | None = None
        self._asked_to_go = False
        self._ending = False

    def __repr__(self) -> str:
        return f"<Peripheral {self.address} {self.gate.state.value}, {len(self._slots)} queued>"

    @property
    def bound(self) -> bool:
        return self._sink is not None

    # --- who it belongs to ---------------------------------------------------------------------

    def bind(self, p: int, sink: Sink, *, active_s: float, idle_s: float) -> None:
        """It belongs to this link from now on, under the number `p`."""
        self.p = p
        self._sink = sink
        self.gate.active_s, self.gate.idle_s = active_s, idle_s
        self.gate.stops = 0

    def unbind(self) -> None:
        """The link is gone: stop, and forget what its hub still wanted."""
        self._sink = None
        self.strike(StopCause.LINK)
        self._slots.drop_all()
        self._under_way = None
        self._farewells.clear()
        for stop in self._stops:
            stop.ids.clear()

    def on_gone(self, reason: str) -> None:
        """The radio says that the peripheral went away."""
        if self._over is None:
            self._over = reason or "the device disconnected"
            self._operation.cut()
            self._wake.set()

    # --- what the hub wants --------------------------------------------------------------------

    def arm(self, message: Arm) -> None:
        now = self._loop.time()
        try:
            self.gate.arm(now, message.seen)
        except GateShut as error:
            self._settle()
            self._fail(message.id, ErrorCode.GATE, str(error))
            return
        self._armed = message
        self._slots.gap_s = message.gap_ms / 1000
        self._written.armed(now)
        self._settle()
        self._say(Done(message.id))

    def lease(self, ms: int) -> None:
        self.gate.lease(self._loop.time(), ms / 1000)
        self._settle()

    def output(self, message: Output) -> None:
        now = self._loop.time()
        if not self._admit(message.id, now, rest=_at_rest(message.packets)):
            return
        if not message.packets:
            self._say(Done(message.id))
            return
        try:
            gone = self._slots.output(message.id, message.packets, now, merge=message.merge)
        except Congested:
            self._congested(message.id)
            return
        self._superseded(gone)
        self._wake.set()

    def request(self, message: Write | Read | Subscribe | Unsubscribe) -> None:
        if isinstance(message, Write) and not self._admit(message.id, self._loop.time()):
            return
        try:
            self._slots.request(message)
        except Congested:
            self._congested(message.id)
            return
        self._wake.set()

    def stop(self, message: Stop) -> None:
        """Write these packets before anything else; what they overtake is gone."""
        now = self._loop.time()
        if message.all:
            outputs, writes = self._slots.drop_writes()
            for id in writes:
                self._fail(id, ErrorCode.GATE, "a stop came before it")
        else:
            outputs = self._slots.drop_keys({k for p in message.packets for k in p.k}, now)
        self._superseded(outputs)
        if not message.packets:
            self._say(Done(message.id))
            return
        for waiting in self._stops:
            same = waiting.packets == message.packets and waiting.everything == message.all
            if same and waiting.next == 0 and len(waiting.ids) < MOST:
                waiting.ids.append(message.id)
                break
        else:
            delay = min(message.packets[0].after_ms / 1000, STOP_DELAY_MOST_S)
            self._stops.append(_Stop([message.id], message.packets, message.all, now, now + delay))
            if len(self._stops) > MOST:
                self.strike(StopCause.RADIO)
        self._operation.hurry()
        self._wake.set()

    def disconnect(self, message: Disconnect) -> None:
        """Stop it, then let it go."""
        self._farewells.append(message.id)
        self.leave()

    def leave(self) -> None:
        """Nobody wants it any more: stop it, then let it go."""
        if not self.leaving:
            self.leaving = True
            self.strike(None)
            self._operation.hurry()
            self._wake.set()

    # --- what stops it -------------------------------------------------------------------------

    def strike(self, cause: StopCause | None, then: OnStopped | None = None) -> None:
        """Run the armed stop because of `cause` (None: the hub asked for it).

        `then` is called once: with None when it was written (or there was nothing to stop), with
        the first error if the radio did not take it; it is retried nevertheless.
        """
        self.gate.strike(self._loop.time(), cause)
        self._settle()
        if then is not None:
            self.after_stop(then)

    def after_stop(self, then: OnStopped) -> None:
        """Call `then` as `strike` would, when no stop is under way: maybe at once."""
        self._waiting.append(then)
        if self.gate.state is not State.STOPPING:
            self._tell_waiting(None)

    def _settle(self) -> None:
        """Bring everything here in line with the gate; called after each word with it."""
        gate = self.gate
        if gate.state is State.STOPPING and not self._stopping:
            self._stopping = True
            self._complained = False
            outputs, writes = self._slots.drop_writes()
            for id in (*outputs, *writes):
                self._fail(id, ErrorCode.GATE, "this device was stopped")
            log.info("%s: stopping (%s)", self.address, gate.cause or "asked to")
            self._operation.hurry()
            self._wake.set()
        deadline = gate.deadline
        if deadline is not None and (self._timer is None or deadline < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.gate.tick(self._loop.time())
        self._settle()

    # --- the worker ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until the peripheral is gone. Cancelling it stops the peripheral and lets it go."""
        try:
            while self._over is None:
                await self._step()
        finally:
            try:
                if self._over is None:
                    await self._leave_now()
            finally:
                if self._timer is not None:
                    self._timer.cancel()
                self._finish()

    async def _step(self) -> None:
        now = self._loop.time()
        self.gate.tick(now)
        self._settle()
        if self.gate.state is State.STOPPING:
            due = self.gate.stop_due
            if due is not None and now < due:
                await self._wait(due)
            else:
                await self._armed_stop(STOP_S)
        elif self._stops:
            await self._stop_packet(self._stops[0], now)
        elif self.leaving:
            self._asked_to_go = True
            await self._let_go("the hub let it go", LET_GO_S)
        elif self._again is not None and now >= self._again[0]:
            await self._stop_again(self._again[1])
        else:
            self._queue_repetition(now)
            taken = self._slots.take(now)
            if taken is None:
                await self._wait(self._due(now))
            elif isinstance(taken, Request):
                await self._carry_out(taken)
            else:
                await self._write_packet(*taken)

    async def _wait(self, due: float | None) -> None:
        # No await between the decision that there is nothing to do and this, so no wake is lost.
        self._wake.clear()
        try:
            async with asyncio.timeout_at(due):
                await self._wake.wait()
        except TimeoutError:
            return

    def _due(self, now: float) -> float | None:
        dues = [self._slots.due(now)]
        if self._again is not None:
            dues.append(self._again[0])
        keepalive = self._armed.keepalive
        if keepalive is not None and self._may_repeat():
            dues.append(self._written.due(keepalive))
        return min((due for due in dues if due is not None), default=None)

    # --- writing -------------------------------------------------------------------------------

    async def _write_packet(self, group: Group, packet: Packet) -> None:
        sink = self._sink
        self._under_way = group.id
        try:
            await self._write(packet, counts=group.id is not None)
        except RadioError as error:
            self._slots.finished(self._loop.time(), failed=True)
            self._failed(sink, group.id, error)
            return
        self._under_way = None
        if self._slots.finished(self._loop.time()) and group.id is not None:
            self._answer(sink, Done(group.id, superseded=group.superseded))

    async def _write(self, packet: Packet, *, counts: bool) -> None:
        """Write something other than a stop. A repetition does not count as a new value."""
        now = self._loop.time()
        # The last question before the radio: nothing is awaited between it and the write.
        if not self.gate.passes(now):
            self._settle()
            raise RadioError(ErrorCode.GATE, "this device was stopped")
        self._again = None
        self._slots.wrote(now)
        if counts:
            self.gate.wrote(now, rest=packet.rest)
            self._written.note(packet, now)
            self._settle()
        data = self._written.number(packet)
        self._around.tally["writes"] += 1
        work = self.connection.write(packet.h, data, packet.r)
        await self._operation.run(work, OPERATION_S, urgent=False)

    async def _carry_out(self, request: Request) -> None:
        message, sink = request.message, self._sink
        self._under_way = message.id
        try:
            answer = await self._request(message)
        except RadioError as error:
            self._failed(sink, message.id, error)
        else:
            self._answer(sink, answer)
        finally:
            self._slots.finished(self._loop.time())

    async def _request(self, message: Write | Read | Subscribe | Unsubscribe) -> Done | Value:
        work: Coroutine[None, None, None]
        match message:
            case Write():
                packet = Packet(message.h, message.d, message.r)
                await self._write(packet, counts=False)
                return Done(message.id)
            case Read():
                reading = self.connection.read(message.h)
                data = await self._operation.run(reading, OPERATION_S, urgent=False)
                return Value(message.id, data)
            case Subscribe():
                handle = message.h
                work = self.connection.subscribe(handle, lambda data: self._notify(handle, data))
            case Unsubscribe():
                work = self.connection.unsubscribe(message.h)
        await self._operation.run(work, OPERATION_S, urgent=False)
        return Done(message.id)

    def _queue_repetition(self, now: float) -> None:
        keepalive = self._armed.keepalive
        if keepalive is None or not self._may_repeat():
            return
        due = self._written.due(keepalive)
        if due is not None and due <= now:
            self._around.tally["repetitions"] += 1
            self._slots.repeat(self._written.repetition(keepalive, now), now)

    def _may_repeat(self) -> bool:
        keepalive = self._armed.keepalive
        return (
            keepalive is not None
            and self.gate.state is State.OPEN
            and not len(self._slots)
            and (self._around.demands_traffic or not keepalive.only_demanded)
        )

    # --- stopping ------------------------------------------------------------------------------

    async def _stop_packet(self, stop: _Stop, now: float) -> None:
        """Write the next packet of a Stop. Retried for STOP_S, then the armed stop takes over."""
        if now < stop.ready_at:
            await self._wait(stop.ready_at)
            return
        straggler = self._operation.abandoned
        try:
            await self._write_stop(stop.packets[stop.next], STOP_S)
        except RadioError as error:
            self._stop_refused(stop, error)
            return
        stop.next += 1
        stop.attempts = 0
        now = self._loop.time()
        if straggler:
            self._again = (now + STRAGGLER_S, stop.packets)
        if stop.next < len(stop.packets):
            delay = min(stop.packets[stop.next].after_ms / 1000, STOP_DELAY_MOST_S)
            stop.ready_at = now + delay
            return
        self._stops.popleft()
        for packet in stop.packets:
            self.gate.wrote(now, rest=packet.rest)
            self._written.note(packet, now)
        if stop.everything:
            self._written.stopped(stop.packets, now)
        self._settle()
        for id in stop.ids:
            self._say(Done(id))

    def _stop_refused(self, stop: _Stop, error: RadioError) -> None:
        now = self._loop.time()
        self._around.tally["failed stops"] += 1
        if error.code is ErrorCode.GONE:
            self.on_gone(error.text)
            return
        log.error("%s: the radio did not take a stop: %s", self.address, error.text)
        if now - stop.since < STOP_S:
            stop.ready_at = now + RETRY_FIRST_S * 2**stop.attempts
            stop.attempts += 1
            return
        self._stops.popleft()
        for id in stop.ids:
            self._fail(id, error.code, error.text)
        self.strike(StopCause.RADIO)

    async def _stop_again(self, packets: tuple[Packet, ...]) -> None:
        self._again = None
        try:
            for packet in packets:
                await self._write_stop(packet, STOP_S)
        except RadioError as error:
            log.error("%s: the radio did not take a stop: %s", self.address, error.text)
            if error.code is ErrorCode.GONE:
                self.on_gone(error.text)
            else:
                self.strike(StopCause.RADIO)

    async def _write_stop(self, packet: Packet, limit_s: float) -> None:
        self._slots.wrote(self._loop.time())
        self._around.tally["stops"] += 1
        work = self.connection.write(packet.h, self._written.number(packet), packet.r)
        await self._operation.run(work, limit_s, urgent=True)

    async def _armed_stop(self, limit_s: float) -> None:
        """Try once to write the armed stop, and tell everybody how that went."""
        armed = self._armed
        straggler = self._operation.abandoned
        try:
            if armed.stop:
                async with asyncio.timeout(limit_s + sum(_delays(armed.stop))):
                    await self._write_armed(armed, limit_s)
            elif armed.fallback is Fallback.DISCONNECT:
                await self._let_go("letting it go is its stop", limit_s)
        except RadioError as error:
            await self._armed_stop_failed(error)
            return
        except TimeoutError:
            late = RadioError(ErrorCode.TIMEOUT, f"the stop took longer than {limit_s:g} s")
            await self._armed_stop_failed(late)
            return
        now = self._loop.time()
        cause, asked = self.gate.cause, self.gate.cause is None
        self.gate.stop_written()
        self._stopping = False
        self._written.stopped(armed.stop, now)
        self._again = (now + STRAGGLER_S, armed.stop) if straggler and armed.stop else None
        self._around.audit.note("stopped", self.address, cause=cause)
        if not asked or self._complained:
            self._say(Stopped(self.p, cause or StopCause.RADIO, n=self.gate.stops))
        self._tell_waiting(None)

    async def _write_armed(self, armed: Arm, limit_s: float) -> None:
        """Every packet once; then those again that nobody acknowledges, for one may be lost."""
        for packet, delay_s in zip(armed.stop, _delays(armed.stop), strict=True):
            if delay_s:
                await asyncio.sleep(delay_s)
            await self._write_stop(packet, limit_s)
        unanswered = [packet for packet in armed.stop if not packet.r]
        if unanswered:
            await asyncio.sleep(min(max(self._slots.gap_s, SECOND_ROUND_S), STOP_DELAY_MOST_S))
        for packet in unanswered:
            await self._write_stop(packet, limit_s)

    async def _armed_stop_failed(self, error: RadioError) -> None:
        self._around.tally["failed stops"] += 1
        hopeless = self.gate.stop_failed(self._loop.time())
        if error.code is ErrorCode.GONE:
            self.on_gone(error.text)
        if not self._complained:
            self._complained = True
            cause = self.gate.cause or StopCause.RADIO
            log.error("%s: could not be stopped, trying again: %s", self.address, error.text)
            self._around.audit.note("stop failed", self.address, cause=cause)
            self._say(Stopped(self.p, cause, ok=False, text=error.text, n=self.gate.stops))
            self._tell_waiting(error)
        wanted = self._armed.fallback is Fallback.DISCONNECT or self.leaving
        if hopeless and wanted and not self._ending and self._over is None:
            try:
                await self._let_go("it could not be stopped otherwise", LET_GO_S)
            except RadioError as worse:
                log.error("%s: could not be let go either: %s", self.address, worse.text)

    # --- leaving -------------------------------------------------------------------------------

    async def _let_go(self, why: str, limit_s: float) -> None:
        try:
            await self._operation.run(self.connection.disconnect(), limit_s, urgent=True)
        except RadioError as error:
            if error.code is not ErrorCode.GONE and not self._asked_to_go:
                raise
            log.warning("%s: did not go in order: %s", self.address, error.text)
        self._over = self._over or why

    async def _leave_now(self) -> None:
        """The worker is ending although the peripheral is there: stop it, then let it go."""
        self._ending = True
        self.strike(StopCause.SHUTDOWN)
        try:
            await self._last_stop()
        finally:
            if self._over is None:
                self._asked_to_go = True
                await self._let_go("the relay ended", LAST_LET_GO_S)

    async def _last_stop(self) -> None:
        ends = self._loop.time() + LAST_STOP_S
        while self.gate.state is State.STOPPING and self._over is None:
            now = self._loop.time()
            if now >= ends:
                break
            if self.gate.stop_due is not None and self.gate.stop_due > now:
                await asyncio.sleep(self.gate.stop_due - now)
            await self._armed_stop(ends - now)

    def _finish(self) -> None:
        """Nothing more will happen: answer everybody who still waits."""
        reason = self._over or "the relay ended"
        self._over = reason
        gone = RadioError(ErrorCode.GONE, reason)
        if self._stopping:
            self._stopping = False
            cause = self.gate.cause or StopCause.RADIO
            self._say(Stopped(self.p, cause, ok=False, text=reason, n=self.gate.stops))
        self._tell_waiting(gone)
        left = [] if self._under_way is None else [self._under_way]
        left += self._slots.drop_all()
        for id in (*left, *(id for stop in self._stops for id in stop.ids)):
            self._fail(id, ErrorCode.GONE, reason)
        for id in self._farewells:
            self._say(Done(id))
        if not self.leaving:
            self._say(Disconnected(self.p, reason[:512]))
        self._sink = None

    # --- telling the hub -----------------------------------------------------------------------

    def _admit(self, id: int, now: float, *, rest: bool = False) -> bool:
        try:
            self.gate.admit(now, rest=rest)
        except GateShut as error:
            self._settle()
            self._fail(id, ErrorCode.GATE, str(error))
            return False
        self._settle()
        return True

    def _failed(self, sink: Sink | None, id: int | None, error: RadioError) -> None:
        self._around.tally["failed"] += 1
        if error.code is ErrorCode.GONE:
            self.on_gone(error.text)
        if id is not None:
            self._answer(sink, Failed(id, error.code, error.text[:512]))

    def _answer(self, sink: Sink | None, message: FromRelay) -> None:
        """Answer the link that asked, unless another one has taken its place in the meantime."""
        self._under_way = None
        if sink is self._sink:
            self._say(message)

    def _congested(self, id: int) -> None:
        self._around.tally["congested"] += 1
        self._fail(id, ErrorCode.CONGESTED, f"{MOST} writes already wait for this device")

    def _superseded(self, ids: Sequence[int]) -> None:
        self._around.tally["superseded"] += len(ids)
        for id in ids:
            self._say(Done(id, superseded=True))

    def _notify(self, handle: int, data: bytes) -> None:
        self._say(Notification(self.p, handle, data))

    def _tell_waiting(self, error: RadioError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(error)

    def _fail(self, id: int, code: ErrorCode, text: str) -> None:
        self._say(Failed(id, code, text[:512]))

    def _say(self, message: FromRelay) -> None:
        if self._sink is not None:
            self._sink.put(message)


def _at_rest(packets: Sequence[Packet]) -> bool:
    return bool(packets) and packets[-1].rest


def _delays(packets: Sequence[Packet]) -> Iterator[float]:
    return (min(packet.after_ms / 1000, STOP_DELAY_MOST_S) for packet in packets)
