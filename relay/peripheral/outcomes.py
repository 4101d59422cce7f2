"""What comes of an operation, and of the end: the second half of `machine`. Sans-I/O."""

from __future__ import annotations

from relay.link.messages import Done, ErrorCode, Read, StopCause, Stopped, Value
from relay.peripheral.actions import Cut, Dropped, Note, Over, RadioRefused, Result, Taken
from relay.peripheral.gate import GateState
from relay.peripheral.history import PastWrite
from relay.peripheral.limits import (
    FAILING_EMERGENCY_S,
    FAILING_S,
    LAST_STOP_S,
    RETRY_MOST_S,
    STRAGGLER_S,
)
from relay.peripheral.worker import Kind, Operation, Worker


class Outcomes(Worker):
    # --- what came of it -----------------------------------------------------------------------

    def _finished(self, now: float, result: Result) -> None:
        op = self._op
        if op is None:
            return
        gone = isinstance(result, RadioRefused) and result.code is ErrorCode.GONE
        if gone and op.kind is not Kind.LET_GO:
            assert isinstance(result, RadioRefused)
            self._gone(result.text)
            return
        self._op = None
        if isinstance(result, Dropped):
            self._dropped(now, op)
            return
        if op.moves_ms is not None:
            # However long the radio took: the move begins no later than this.
            late_s = STRAGGLER_S if isinstance(result, Cut) else 0.0
            self._history.handed(now + late_s, op.moves_ms)
        if isinstance(result, Cut):
            self._cut(now, op)
            how = "gave way to a stop" if op.hurried else "took too long"
            result = RadioRefused(ErrorCode.TIMEOUT, f"the radio operation {how}")
        match op.kind:
            case Kind.VALUE:
                self._value_finished(now, op, result)
            case Kind.REQUEST:
                self._request_finished(now, op, result)
            case Kind.STOP:
                self._stop_finished(now, op, result)
            case Kind.AGAIN:
                self._again_finished(now, op, result)
            case Kind.ARMED:
                self._armed_finished(now, op, result)
            case Kind.LET_GO:
                self._let_go_finished(now, op, result)

    def _cut(self, now: float, op: Operation) -> None:
        """Whatever it wrote may reach the toy a while later."""
        if op.packet is None or op.armed:
            return
        self._late_until = now + STRAGGLER_S

    def _dropped(self, now: float, op: Operation) -> None:
        """A stop came before it; reading waits for that."""
        if op.packet is None and op.link == self.link:
            self._slots.put_back()
        elif op.group is not None and self.gate.state is not GateState.STOPPING:
            # What the stop does not take the place of is still to come.
            op.group.superseded = True
            if self._slots.finished(now):
                self._done(op, superseded=True)
        elif op.kind in (Kind.VALUE, Kind.REQUEST):
            self._slots.finished(now)
            self._refuse(op, RadioRefused(ErrorCode.GATE, "a stop came before it"))

    def _value_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        group, packet = op.group, op.packet
        assert group is not None
        assert packet is not None
        failed = isinstance(result, RadioRefused)
        if not failed and group.id is not None:
            self._history.taken(PastWrite(packet, group.rest, group.moves_ms))
        ended = self._slots.finished(now, failed=failed)
        if isinstance(result, RadioRefused):
            self.tally["failed"] += 1
            self._refuse(op, result)
        elif ended:
            if group.struck:
                self._refuse(op, RadioRefused(ErrorCode.GATE, "this device was stopped"))
                return
            holds = group.mark == self._touched and not self._late(group.began)
            if not group.superseded and group.armed and holds:
                self._settle(now)
            elif not group.superseded and group.rest and group.id is not None:
                self.gate.rested(now, waits=self._value_waits)
                if self._late(group.began) and self.armed.stop:
                    self._once_more(max(now, self._late_until))
            self._done(op, superseded=group.superseded)

    def _request_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        assert op.request is not None
        self._slots.finished(now)
        if isinstance(result, RadioRefused):
            self.tally["failed"] += 1
            self._refuse(op, result)
        elif not isinstance(op.request.message, Read):
            self._done(op)
        elif op.link == self.link:
            self._say(Value(op.request.message.id, result.value))

    def _stop_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        stop = op.stop
        assert stop is not None
        if isinstance(result, RadioRefused):
            self.tally["failed stops"] += 1
        if not self._stops.holds(stop):
            return  # The armed stop has taken its place.
        if isinstance(result, Taken):
            stop.run.taken(now)
        elif stop.run.failed(now, op.began) >= FAILING_S:
            self._trigger_stop(now, StopCause.RADIO)

    def _again_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        if isinstance(result, RadioRefused):
            self.tally["failed stops"] += 1
        if not self._again or self._again.first().run is not op.run:
            return  # Another one has taken its place.
        again = self._again.first()
        if isinstance(result, RadioRefused):
            if again.run.failed(now, op.began) >= FAILING_S:
                self._trigger_stop(now, StopCause.RADIO)
            return
        again.run.taken(now)
        if again.run.over and again.armed:
            self._history.clear()
            if self._holds(again.run):
                self._settle(now)
            else:
                self._once_more(max(now, self._late_until))

    def _armed_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        run = self._run
        assert run is not None
        if isinstance(result, RadioRefused):
            self.tally["failed stops"] += 1
            emergency = self.gate.cause is StopCause.EMERGENCY
            limit = FAILING_EMERGENCY_S if emergency else FAILING_S
            if run.failed(now, op.began) >= limit:
                self._hopeless = result
                self._let_go_at = now
            return
        run.taken(now)
        if run.over:
            self._stop_taken(now, run.began)

    def _let_go_finished(self, now: float, op: Operation, result: RadioRefused | Taken) -> None:
        stopping = self.gate.state is GateState.STOPPING
        gone = isinstance(result, Taken) or result.code is ErrorCode.GONE
        if not gone and stopping and self._ends_at is None:
            assert isinstance(result, RadioRefused)
            self._not_even_let_go(now, result)
            return
        if stopping and (self.gate.settled or not self.armed.stop) and gone:
            self._stop_taken(now, self._late_until)
        elif stopping:
            error = self._hopeless or RadioRefused(ErrorCode.TIMEOUT, "there was no time left")
            self._tell(
                RadioRefused(error.code, f"it did not take its stop and was let go: {error.text}")
            )
        self._finish(op.why if self._ends_at is None else "the relay ended")

    def _not_even_let_go(self, now: float, error: RadioRefused) -> None:
        error = self._hopeless or error
        self._let_go_at = now + self._let_go_pause_s
        self._let_go_pause_s = min(2 * self._let_go_pause_s, RETRY_MOST_S)
        self._hopeless = None
        if not self._complained:
            self._complained = True
            self._out.append(Note("stop failed", self.gate.cause, error.text))
            self._not_stopped(self.gate.cause, error.text, self.gate.n)
        self._tell(error)

    # --- the end -------------------------------------------------------------------------------

    def _end(self, now: float) -> None:
        if self.over is not None:
            return
        if self._op is not None and self._op.kind is not Kind.LET_GO:
            self._finished(now, Cut())
        self._op = None
        self._ends_at = now + LAST_STOP_S
        self._let_go_at = now
        self._trigger_stop(now, StopCause.SHUTDOWN)

    def _gone(self, reason: str) -> None:
        """It went away by itself."""
        if self.over is not None:
            return
        if self.gate.state is GateState.STOPPING:
            if self.armed.stop:
                self._not_stopped(self.gate.cause, reason, self.gate.n)
                self._tell(RadioRefused(ErrorCode.GONE, reason))
            else:
                self._say(Stopped(self.p, self.gate.cause or StopCause.RADIO, number=self.gate.n))
                self._tell(None)
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        """Nothing more will happen: answer everybody who still waits."""
        self.over = reason
        may_run = self.gate.handed_at is not None
        if self._op is not None:
            self._refuse(self._op, RadioRefused(ErrorCode.GONE, reason))
        self._op = None
        for id in (*self._slots.drop_all(), *self._timed.drop(), *self._stops.drop()):
            self._fail(id, ErrorCode.GONE, reason)
        self._part(reason, leaving=self.leaving)
        self._out.append(Over(reason, owes=may_run and bool(self.armed.stop or self._owed)))

    def _done(self, op: Operation, *, superseded: bool = False) -> None:
        """Answer the link that asked, unless another one has taken its place in the meantime."""
        if op.id is not None and op.link == self.link:
            self._say(Done(op.id, superseded))

    def _refuse(self, op: Operation, error: RadioRefused) -> None:
        """Likewise."""
        if op.id is not None and op.link == self.link:
            self._fail(op.id, error.code, error.text)
