"""What is written next, and what comes of it: the inside of `machine`. Sans-I/O.

Priorities, highest first: the armed stop while the gate is STOPPING (and then nothing else), stops
of the hub, a stop that is written once more, leaving, the queue, the keep-alive.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from enum import Enum

from msgspec import Struct

from relay.link.messages import (
    Arm,
    Done,
    ErrorCode,
    KeepAlive,
    Output,
    Packet,
    Read,
    StopCause,
    Stopped,
    Subscribe,
    Unsubscribe,
    Write,
)
from relay.peripheral.actions import KeepRecord, Note, Operate, RadioRefused, ShortenDeadline, What
from relay.peripheral.gate import Gate, GateEvent, GateState, Lockout
from relay.peripheral.history import History, PastWrite, longest_ms
from relay.peripheral.limits import (
    LAST_LET_GO_S,
    LET_GO_S,
    OPERATION_S,
    PACKET_S,
    PATIENCE_S,
    RETRY_FIRST_S,
    SILENCE_S,
)
from relay.peripheral.runs import Run, armed_steps, same_stop
from relay.peripheral.slots import Group, QueuedRequest, Slots
from relay.peripheral.stops import Again, HubStop, HubStops, StopsAgain
from relay.peripheral.timed import TimedValues
from relay.peripheral.voice import Voice

_NEVER = float("inf")
_WHAT = {Read: What.READ, Subscribe: What.SUBSCRIBE, Unsubscribe: What.UNSUBSCRIBE}


class Kind(Enum):
    VALUE = "value"
    REQUEST = "request"
    STOP = "stop of the hub"
    AGAIN = "stop once more"
    ARMED = "armed stop"
    LET_GO = "letting go"


class Operation(Struct, eq=False):
    """The operation under way. `link`: of which link it was asked; `id`: whom it answers."""

    kind: Kind
    began: float
    link: int
    id: int | None = None
    packet: Packet | None = None
    group: Group | None = None
    request: QueuedRequest | None = None
    stop: HubStop | None = None
    run: Run | None = None
    moves_ms: int | None = None
    armed: bool = False
    hurried: bool = False
    why: str = ""


class Worker(Voice):
    def __init__(
        self,
        block: Lockout,
        now: float,
        *,
        max_run_s: float = 0,
        owes: bool = False,
        demands_traffic: bool = False,
        tally: Tally[str] | None = None,
    ) -> None:
        super().__init__(tally)
        self.gate = Gate(block, max_run_s=max_run_s)
        if owes:
            self.gate.handed_at = now
        self.armed = Arm(0, 0)
        self.leaving = False
        self.over: str | None = None
        self.demands_traffic = demands_traffic
        self._slots = Slots()
        self._timed = TimedValues()
        self._history = History(now)
        self._stops = HubStops()
        self._again = StopsAgain()
        self._op: Operation | None = None
        self._run: Run | None = None
        # Until then a write that was cut short may still reach the toy.
        self._late_until = now
        # How many packets were handed over that are not part of the armed stop.
        self._touched = 0
        self._hopeless: RadioRefused | None = None
        self._complained = False
        self._let_go_at = now
        self._let_go_pause_s = RETRY_FIRST_S
        self._ends_at: float | None = None
        self._owed = owes
        self._due = _NEVER

    def _look(self, now: float) -> None:
        """See what the clock says, before anything else that happens."""
        if self.over is not None or now < self.gate.deadline:
            return
        cause = self.gate.lapsed(now)
        if cause is not None:
            self._trigger_stop(now, cause)
        elif self.gate.doubts(now):
            self.gate.rested_at = None
            if self.armed.stop:
                self._once_more(now)
            else:
                self._settle(now)

    def _arm(self, now: float, message: Arm) -> None:
        old, new = self.armed.stop, message.stop
        if old != new and not same_stop(new, old):
            # What is still written of the old one is none any more.
            self.gate.settled = False
            self._slots.drop_repeats()
            self._stops.arm(new)
            self._again.disarm()
        self.armed = message
        self.gate.take(GateEvent.ARM)
        self._slots.gap_s = message.gap_ms / 1000
        self._history.last_at = max(self._history.last_at, now)
        self._out.append(KeepRecord(self.gate.handed_at is not None, armed=True))
        if self._owed and new:
            self._once_more(now)

    def _once_more(self, now: float) -> None:
        self._again.add_armed(self.armed, now)

    def _trigger_stop(self, now: float, cause: StopCause | None) -> None:
        if self.over is not None or not self.gate.trigger_stop(cause):
            return
        self._run = Run(armed_steps(self.armed), now)
        self._complained = False
        self._let_go_at = now
        self._let_go_pause_s = RETRY_FIRST_S
        self._again.clear()
        outputs, writes = self._slots.drop_writes(struck=True)
        for id in (*outputs, *writes, *self._timed.drop()):
            self._fail(id, ErrorCode.GATE, "this device was stopped")
        self._joined += self._stops.drop()
        self._shorten_deadline(now, drop=True)

    def _shorten_deadline(self, now: float, *, drop: bool) -> None:
        """A stop waits: what is under way has a moment left, unless it stops as well."""
        op = self._op
        if op is None or op.kind in (Kind.ARMED, Kind.LET_GO) or (op.hurried and not drop):
            return
        if op.kind in (Kind.STOP, Kind.AGAIN) and self.gate.state is not GateState.STOPPING:
            return
        op.hurried = True
        self._out.append(ShortenDeadline(now + PATIENCE_S, drop))

    def _holds(self, run: Run) -> bool:
        """Whether a stop that was taken as this run is the last word: nothing else was handed over
        between its packets, and nothing that was cut short can still come behind it."""
        return run.mark == self._touched and not self._late(run.began)

    def _late(self, began: float) -> bool:
        return began < self._late_until

    def _settle(self, now: float) -> None:
        """It is off, and nothing that was handed over can change that."""
        if self.gate.handed_at is not None:
            self._out.append(KeepRecord(False))
        self.gate.stopped(waits=self._value_waits)
        self._history.settled(now)
        if self._again.since < _NEVER:
            self._again.clear()
        self._owed = False

    @property
    def _value_waits(self) -> bool:
        return self._timed.due < _NEVER or (self._slots.size > 0 and self._slots.hold_value)

    # --- what is done next ---------------------------------------------------------------------

    def _next(self, now: float) -> float:
        """Begin the next operation, if there is one to begin; return when to ask again."""
        while self.over is None:
            if self.gate.state is GateState.STOPPING:
                due = self._next_of_strike(now)
            elif self._stops.waiting:
                due = self._next_of_stop(now, self._stops.first())
            elif self._again.since <= now:
                due = self._next_of_again(now, self._again.first())
            else:
                due = self._next_of_queue(now)
            if due is not None:
                return due
        return _NEVER

    def _next_of_strike(self, now: float) -> float | None:
        armed, run = self.armed.stop, self._run
        ends_at = _NEVER if self._ends_at is None else self._ends_at
        if self._hopeless is not None or now >= ends_at:
            return self._let_go(now, "it could not be stopped otherwise")
        if armed is None:
            return self._let_go(now, "letting it go is its stop")
        if not armed:
            until = self._history.moves_until
            if self._history.endless or until - now > SILENCE_S:
                return self._let_go(now, "nobody knows when it ends by itself")
            if until > now:
                return min(until, ends_at)
            self._stop_taken(now, now)
            return None
        assert run is not None
        if run.due > now:
            return min(run.due, ends_at)
        run.begin(now, self._touched)
        op = Operation(Kind.ARMED, now, self.link, packet=run.packet, armed=True)
        return self._write(now, op, min(PACKET_S, ends_at - now))

    def _next_of_stop(self, now: float, stop: HubStop) -> float | None:
        if stop.run.over:
            self._stop_done(now, stop)
            return None
        if stop.run.due > now:
            return stop.run.due
        packet = stop.run.packet
        stop.run.begin(now, self._touched)
        op = Operation(Kind.STOP, now, self.link, packet=packet, stop=stop, armed=stop.armed)
        return self._write(now, op, PACKET_S, rest=stop.message.rest)

    def _next_of_again(self, now: float, again: Again) -> float | None:
        if again.run.over or not (again.armed or self.gate.refuses() is None):
            self._again.done()
            return None
        if again.run.due > now:
            return again.run.due
        again.run.begin(now, self._touched)
        op = Operation(Kind.AGAIN, now, self.link, packet=again.run.packet, armed=again.armed)
        op.run = again.run
        return self._write(now, op, PACKET_S, rest=again.rest)

    def _next_of_queue(self, now: float) -> float | None:
        later = self._again.since
        if self._ends_at is not None:
            return self._let_go(now, "the relay ended")
        if self.leaving:
            if self._again:
                return later
            return self._let_go(now, "nobody wants it any more")
        alive = self.armed.keepalive
        feed_due = _NEVER if alive is None else self._feed_due(alive)
        if alive is not None and feed_due <= now:
            self._feed(now, alive)
            feed_due = self._feed_due(alive)
        taken = self._slots.take(now)
        if taken is None:
            return min(later, self._slots.due, feed_due)
        if isinstance(taken, QueuedRequest):
            return self._begin_request(now, taken)
        group, packet = taken
        if not group.armed and self.gate.refuses() is not None:
            self._slots.finished(now, failed=True)
            if group.id is not None:
                self._fail(group.id, ErrorCode.GATE, "this device was stopped")
            return None
        if group.rest:
            self._history.rests()
        op = Operation(Kind.VALUE, now, self.link, group.id, packet, group, armed=group.armed)
        op.moves_ms = group.moves_ms
        if now < group.began:
            group.began, group.mark = now, self._touched
        return self._write(now, op, OPERATION_S, rest=group.rest)

    def _begin_request(self, now: float, request: QueuedRequest) -> float | None:
        message = request.message
        if isinstance(message, Output):
            # At rest without a packet: what was written before is over with it.
            self._slots.finished(now)
            self._history.rests()
            self.gate.rested(now, waits=self._value_waits)
            self._say(Done(message.id))
            return None
        if isinstance(message, Write):
            if self.gate.refuses() is not None:
                self._slots.finished(now)
                self._fail(message.id, ErrorCode.GATE, "this device was stopped")
                return None
            packet = Packet(message.handle, message.data, message.response)
            op = Operation(Kind.REQUEST, now, self.link, message.id, packet, request=request)
            return self._write(now, op, OPERATION_S)
        self._op = Operation(Kind.REQUEST, now, self.link, message.id, request=request)
        self._out.append(Operate(_WHAT[type(message)], OPERATION_S, message.handle))
        return _NEVER

    def _write(self, now: float, op: Operation, limit_s: float, *, rest: bool = False) -> float:
        packet = op.packet
        assert packet is not None
        if not op.armed:
            if self.gate.handed_at is None:
                self._out.append(KeepRecord(True))
            self._touched += 1
            moves = op.id is not None and op.moves_ms != 0
            self.gate.handed(now, rest=rest, moves=moves)
            self._history.handed(now, op.moves_ms)
            if self._again.since < _NEVER and op.kind in (Kind.VALUE, Kind.STOP):
                self._again.forget(packet, stops=op.kind is Kind.STOP, rest=rest)
        self._slots.wrote(now)
        self._history.last_at = now
        stops = op.kind in (Kind.ARMED, Kind.STOP, Kind.AGAIN)
        self.tally["stops" if stops else "writes"] += 1
        self._op = op
        data = self._history.number(packet)
        self._out.append(Operate(What.WRITE, limit_s, packet.handle, data, packet.response, stops))
        return _NEVER

    def _let_go(self, now: float, why: str) -> float:
        if self._let_go_at > now:
            return self._let_go_at
        self._op = Operation(Kind.LET_GO, now, self.link, why=why)
        limit_s = LET_GO_S if self._ends_at is None else LAST_LET_GO_S
        self._out.append(Operate(What.DISCONNECT, limit_s))
        return _NEVER

    # --- keep-alive ----------------------------------------------------------------------------

    def _feed_due(self, alive: KeepAlive) -> float:
        if self._slots.size or (alive.only_demanded and not self.demands_traffic):
            return _NEVER
        if not (self._passes and self._history.running) and (
            alive.only_running or not (self.armed.stop or (self._passes and self._history.any))
        ):
            return _NEVER
        return self._history.last_at + alive.every_ms / 1000

    @property
    def _passes(self) -> bool:
        return self.gate.refuses() is None

    def _feed(self, now: float, alive: KeepAlive) -> None:
        self.tally["repetitions"] += 1
        written = self._history.repetition(alive, now, open=self._passes)
        if written is None:
            group = Group(None, deque(self.armed.stop or ()), now, armed=True)
        else:
            packets, moves = deque(each.packet for each in written), longest_ms(written)
            group = Group(None, packets, now, rest=not self._history.running, moves_ms=moves)
        self._slots.repeat(group)

    # --- stops that are done ---------------------------------------------------------------------

    def _stop_done(self, now: float, stop: HubStop) -> None:
        """The radio has taken every packet of it."""
        message = stop.message
        self._stops.done()
        if message.all or stop.armed:
            self._history.clear()
        elif message.rest:
            self._history.rests()
        if not stop.armed:
            for packet in message.packets:
                self._history.taken(PastWrite(packet, message.rest))
        if self._late(stop.run.began):
            self._again.add(message, max(now, self._late_until), armed=stop.armed)
        elif stop.armed and stop.run.mark == self._touched:
            self._settle(now)
        if message.rest and not self.gate.settled:
            self.gate.rested(now, waits=self._value_waits)
        for id in stop.ids:
            self._say(Done(id))

    def _stop_taken(self, now: float, began: float) -> None:
        """The armed stop has done its work."""
        cause = self.gate.cause
        self.gate.take(GateEvent.TAKEN)
        self._history.clear()
        if self._late(began):
            self._once_more(max(now, self._late_until))
        else:
            self._settle(now)
        self._out.append(Note("stopped", cause))
        if cause is not None or self._complained:
            self._say(Stopped(self.p, cause or StopCause.RADIO, number=self.gate.n))
        self._tell(None)
