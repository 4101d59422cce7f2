"""One connected peripheral: what the hub wants done, in the right order, through the gate.

Requests come in by plain calls that decide at once and never wait. One worker (`run`) carries out
one radio operation at a time. Whatever ends the worker (the peripheral leaves, cancellation, a
bug), the armed stop is written before the peripheral is let go.

Priorities of the worker, highest first: the armed stop while the gate is STOPPING (and then
nothing else), stops of the hub, leaving, the queue, the keep-alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from relay.errors import GateShut
from relay.gate import Gate, State
from relay.link.messages import (
    Advertisement,
    Arm,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    Notification,
    Output,
    Packet,
    Read,
    Stop,
    StopCause,
    Subscribe,
    Unsubscribe,
    Value,
    Write,
)
from relay.radio.base import Connection, RadioError
from relay.slots import MOST, Congested, Group, Request, Slots
from relay.stopper import LET_GO_S, OnStopped, Stopper
from relay.supervision.holds import Hold
from relay.surroundings import Surroundings
from relay.wire import Wire

# When the program ends, everything together has to be over within two seconds.
LAST_STOP_S = 0.7
LAST_LET_GO_S = 0.4


class Sink(Protocol):
    """Where messages for the hub go. Never waits."""

    def put(self, message: FromRelay) -> None: ...


class Peripheral:
    """Made within a running event loop, with a fresh `connection`, which it owns from then on.

    `bind` says which hub it belongs to at the moment; without one it only stops.
    """

    def __init__(
        self, address: str, connection: Connection, gate: Gate, around: Surroundings
    ) -> None:
        self.address = address
        self.advertisement: Advertisement | None = None
        self.connection = connection
        self.gate = gate
        self.p = 0
        self._sink: Sink | None = None
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._slots = Slots()
        self._wire = Wire(address, connection, around.tally, self._wake.set)
        self._stopper = Stopper(self._wire, gate, around, self._say)
        self._under_way: int | None = None
        self._farewells: list[int] = []

    def __repr__(self) -> str:
        return f"<Peripheral {self.address} {self.gate.state.value}, {len(self._slots)} queued>"

    @property
    def name(self) -> str:
        """What it calls itself; empty if it does not say."""
        return (self.advertisement.name or "") if self.advertisement is not None else ""

    @property
    def bound(self) -> bool:
        return self._sink is not None

    @property
    def leaving(self) -> bool:
        return self._stopper.leaving

    @property
    def owes(self) -> bool:
        """Whether it is to be stopped as soon as anybody says how: it was lost while it ran."""
        return self._stopper.owes

    @owes.setter
    def owes(self, owes: bool) -> None:
        self._stopper.owes = owes

    # --- who it belongs to ---------------------------------------------------------------------

    def bind(self, p: int, sink: Sink, *, active_s: float, idle_s: float) -> None:
        """It belongs to this link from now on, under the number `p`."""
        self.p = self._stopper.p = p
        self._sink = sink
        self.gate.active_s, self.gate.idle_s = active_s, idle_s
        self.gate.stops = 0

    def unbind(self) -> None:
        """The link is gone: stop, and forget what its hub still wanted."""
        self._sink = None
        self.strike(StopCause.LINK)
        self._slots.drop_all()
        self._stopper.forget_hub()
        self._under_way = None
        self._farewells.clear()

    def hold(self) -> Hold:
        """How to stop it without us, as things are now."""
        return self._stopper.hold()

    def on_gone(self, reason: str) -> None:
        """The radio says that the peripheral went away."""
        self._wire.gone(reason)

    # --- what the hub wants --------------------------------------------------------------------

    def arm(self, message: Arm) -> None:
        now = self._loop.time()
        try:
            self.gate.arm(now, message.seen)
        except GateShut as error:
            self._settle()
            self._fail(message.id, ErrorCode.GATE, str(error))
            return
        self._stopper.arm(message, now)
        self._slots.gap_s = message.gap_ms / 1000
        self._wire.written.armed(now)
        self._settle()
        self._around.armed()
        self._wake.set()
        self._say(Done(message.id))

    def lease(self, ms: int) -> None:
        self.gate.lease(self._loop.time(), ms / 1000)
        self._settle()

    def output(self, message: Output) -> None:
        now, packets = self._loop.time(), message.packets
        if not self._admit(message.id, now, rest=bool(packets) and packets[-1].rest):
            return
        if not packets:
            self._say(Done(message.id))
            return
        try:
            gone = self._slots.output(message.id, packets, now, merge=message.merge)
        except Congested:
            self._congested(message.id)
            return
        self._superseded(gone)
        self._wake.set()

    def request(self, message: Write | Read | Subscribe | Unsubscribe) -> None:
        now = self._loop.time()
        if isinstance(message, Write) and not self._admit(message.id, now, rest=False):
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
        knows = self.gate.knows(now, message.seen)
        self._settle()
        if not knows:
            # Shut, or it crossed a stop of ours: these packets may start what ours has stopped.
            self.gate.demand(now)
            self._settle()
            self._answer_with_the_stop(message.id)
            return
        if not message.packets:
            self._say(Done(message.id))
            return
        self._stopper.add(message, now)
        self._settle()
        self._wire.hurry()
        self._wake.set()

    def _answer_with_the_stop(self, id: int) -> None:
        sink = self._sink

        def stopped(error: RadioError | None) -> None:
            if sink is not None and sink is self._sink:
                sink.put(Done(id) if error is None else Failed(id, error.code, error.text[:512]))

        self._stopper.after(stopped)

    def disconnect(self, message: Disconnect) -> None:
        """Stop it, then let it go."""
        self._farewells.append(message.id)
        self.leave()

    def leave(self) -> None:
        """Nobody wants it any more: stop it, then let it go."""
        if not self.leaving:
            self._stopper.leaving = True
            self.strike(None)
            self._wire.hurry()
            self._wake.set()

    # --- what stops it -------------------------------------------------------------------------

    def strike(self, cause: StopCause | None) -> None:
        """Run the armed stop because of `cause` (None: the hub asked for it)."""
        self.gate.strike(self._loop.time(), cause)
        self._settle()

    def after_stop(self, then: OnStopped) -> None:
        """Call `then` when no armed stop is under way, maybe at once.

        With None if the radio took it, with the error if its first attempt failed.
        """
        self._stopper.after(then)

    def _settle(self) -> None:
        """Bring everything here in line with the gate; called after each word with it."""
        if self._stopper.begins():
            outputs, writes = self._slots.drop_writes()
            for id in (*outputs, *writes):
                self._fail(id, ErrorCode.GATE, "this device was stopped")
            for id in self._stopper.join():
                self._answer_with_the_stop(id)
            self._wire.hurry()
            self._wake.set()
        deadline = self.gate.deadline
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
            while self._wire.over is None:
                await self._step()
        finally:
            try:
                if self._wire.over is None:
                    await self._end()
            finally:
                self._finish()

    async def _step(self) -> None:
        now = self._loop.time()
        self.gate.tick(now)
        self._settle()
        stop_due = self._stopper.due()
        if stop_due is not None and stop_due <= now:
            await self._stopper.step()
            self._slots.wrote(self._loop.time())
            self._settle()
        elif self._stopper.waits:
            await self._wait(stop_due)
        elif self.leaving:
            await self._wire.let_go("nobody wants it any more", LET_GO_S, trust=True)
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
        dues = (self._stopper.due(), self._slots.due(now), self._repetition_due())
        return min((due for due in dues if due is not None), default=None)

    async def _write_packet(self, group: Group, packet: Packet) -> None:
        sink = self._sink
        self._under_way = group.id
        try:
            await self._write(packet, keeps=group.id is not None)
        except RadioError as error:
            self._slots.finished(self._loop.time(), failed=True)
            self._failed(sink, group.id, error)
            return
        self._under_way = None
        if self._slots.finished(self._loop.time()) and group.id is not None:
            self._answer(sink, Done(group.id, superseded=group.superseded))

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
        handle = message.h
        match message:
            case Write():
                await self._write(Packet(handle, message.d, message.r), keeps=False)
            case Read():
                return Value(message.id, await self._wire.run(self.connection.read(handle)))
            case Subscribe():

                def notified(data: bytes) -> None:
                    self._say(Notification(self.p, handle, data))

                await self._wire.run(self.connection.subscribe(handle, notified))
            case Unsubscribe():
                await self._wire.run(self.connection.unsubscribe(handle))
        return Done(message.id)

    async def _write(self, packet: Packet, *, keeps: bool) -> None:
        """Write something other than a stop. `keeps`: it is a value, and a new one."""
        now = self._loop.time()
        # The last question before the radio: nothing is awaited between it and the write.
        if not self.gate.passes(now):
            self._settle()
            raise RadioError(ErrorCode.GATE, "this device was stopped")
        self._stopper.overtaken()
        self._slots.wrote(now)
        if not packet.rest and (keeps or packet.k):
            self.gate.wrote(now, rest=False)
        if keeps:
            self._wire.written.note(packet, now)
        self._settle()
        await self._wire.write(packet)
        if packet.rest:
            self.gate.wrote(self._loop.time(), rest=True)

    # --- keep-alive ----------------------------------------------------------------------------

    def _repetition_due(self) -> float | None:
        keepalive = self._stopper.armed.keepalive
        if keepalive is None or self.gate.state is not State.OPEN or len(self._slots):
            return None
        if keepalive.only_demanded and not self._around.demands_traffic:
            return None
        return self._wire.written.due(keepalive)

    def _queue_repetition(self, now: float) -> None:
        keepalive, due = self._stopper.armed.keepalive, self._repetition_due()
        if keepalive is not None and due is not None and due <= now:
            self._around.tally["repetitions"] += 1
            self._slots.repeat(self._wire.written.repetition(keepalive, now), now)

    # --- the end -------------------------------------------------------------------------------

    async def _end(self) -> None:
        """The worker is ending although the peripheral is there: stop it, then let it go."""
        self.strike(StopCause.SHUTDOWN)
        try:
            await self._stopper.last(LAST_STOP_S)
        finally:
            if self._wire.over is None:
                await self._wire.let_go("the relay ended", LAST_LET_GO_S, trust=True)

    def _finish(self) -> None:
        """Nothing more will happen: answer everybody who still waits."""
        if self._timer is not None:
            self._timer.cancel()
        reason = self._wire.over = self._wire.over or "the relay ended"
        left = [] if self._under_way is None else [self._under_way]
        left += self._slots.drop_all()
        left += self._stopper.finish(reason)
        for id in left:
            self._fail(id, ErrorCode.GONE, reason)
        for id in self._farewells:
            self._say(Done(id))
        if not self.leaving:
            self._say(Disconnected(self.p, reason[:512]))
        self._sink = None

    # --- telling the hub -----------------------------------------------------------------------

    def _admit(self, id: int, now: float, *, rest: bool) -> bool:
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
            self._wire.gone(error.text)
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

    def _fail(self, id: int, code: ErrorCode, text: str) -> None:
        self._say(Failed(id, code, text[:512]))

    def _say(self, message: FromRelay) -> None:
        if self._sink is not None:
            self._sink.put(message)
