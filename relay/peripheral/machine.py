"""The machine of one connected peripheral: events in, actions out, one deadline. Sans-I/O.

It stands between a hub that may be wrong, late, hostile or gone, and a toy that obeys every packet.
What it promises is the same for all of them: **after whatever went wrong the toy is stopped, or let
go, and nothing that starts it again reaches the radio until a hub that knows of it says so.**

A packet's name proves nothing about what it does: "stop" is a word of the hub, and a packet that
stops one motor of two may keep the other on. So the machine believes in one thing only, the *armed
stop*, handed over beforehand, and distinguishes packets by whether they are part of it:

* Outside OPEN nothing is written but the armed stop. (Reading and subscribing move nothing: they
  pass in every state, and wait while a stop is due.)
* What is handed to the radio counts as on from that moment, whatever message brought it and
  whatever becomes of it; as off counts only an armed stop that the radio has taken. In between the
  hub's word ("at rest") makes a lease longer, and is made sure of after a while (`BREAK_S`).
* A *strike* (a cause of the relay's own, or a stop whose hub does not know what has happened) runs
  the armed stop, tries until the radio takes it, and lets the toy go where it does not.

| Event                           | SHUT     | ARMED    | OPEN     | STOPPING          |
|---------------------------------|----------|----------|----------|-------------------|
| Arm, newest `seen`              | ARMED    | ARMED    | OPEN     | refused           |
| Arm, any other                  | refused  | refused  | refused  | refused           |
| Beat with a lease for it        | –        | OPEN     | OPEN     | –                 |
| Output, Write                   | refused  | refused  | passes   | refused           |
| Stop, newest `seen`             | STOPPING | STOPPING | passes   | joins it          |
| Stop, any other                 | STOPPING | STOPPING | STOPPING | joins it          |
| a cause                         | STOPPING | STOPPING | STOPPING | STOPPING, goes on |
| the armed stop was taken        |          |          |          | SHUT              |
| a packet of it was not taken    |          |          |          | STOPPING, again   |
| Read, Subscribe, Unsubscribe    | passes   | passes   | passes   | waits             |

* *Arm* and leases change nothing while the wearer's pause or stop holds, and no value passes.
* *Refused* is Failed `gate`. *Passes* is: to the radio, a Stop before everything else.
* *Joins it*: the armed stop answers it: Done once it was taken, Failed when the toy had to be let
  go without it. So are answered the Stops that lead to STOPPING, and those that a strike drops.
* *A cause* finds nothing to do in SHUT if the armed stop is the last thing that was written and the
  radio took it. Each cause is counted (`n`); a Stop is not. Of two the stronger one is told.
* *Again*: after 50 ms, doubling to 500 ms, behind the packets that were taken. When one packet has
  failed for 1 s (3 s in an emergency), the toy is let go; only if that fails, too, Stopped is said
  with `ok` false, and both are tried on. When it was taken, Stopped is said with `ok`, if the hub
  has not asked for it.

A strike drops whatever waits: Stops get the outcome of the armed stop, all else fails. A write that
was cut short is taken to reach the toy after the stop that overtook it, and that stop is written
once more behind it. An armed stop without packets (`()`) is silence: it has happened when the last
move that was given is over, and where nobody can say when, the toy is let go. No armed stop at all
(`None`) means that letting it go is its stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from msgspec.structs import replace

from relay.link.messages import (
    Arm,
    Disconnect,
    Done,
    ErrorCode,
    Output,
    Read,
    Stop,
    StopCause,
    Subscribe,
    Unsubscribe,
    Write,
)
from relay.peripheral.actions import MachineAction, Result, StopOutcome
from relay.peripheral.gate import GateState
from relay.peripheral.limits import AHEAD_S, PAUSES_S, QUEUE_MOST
from relay.peripheral.outcomes import Outcomes
from relay.peripheral.runs import pauses_s, same_stop
from relay.peripheral.slots import Congested
from relay.peripheral.timed import is_late

_NEVER = float("inf")


class Machine(Outcomes):
    """Each event returns the actions that it brings; `tick` must come no later than `deadline`.

    `owes`: it ran when it was lost the last time. `over`: why it is gone, None while it is there;
    whoever asks for something from then on hears that.
    """

    # --- who it belongs to ---------------------------------------------------------------------

    def bind(self, now: float, p: int, active_s: float, idle_s: float) -> list[MachineAction]:
        """It belongs to a new link, whose hub calls it `p` and has heard nothing of it so far."""
        self.link += 1
        self.bound = True
        self.p = p
        self.gate.bind(active_s, idle_s)
        return self._go(now)

    def unbind(self, now: float) -> list[MachineAction]:
        """The link is gone: stop, and forget what its hub still wanted."""
        self.bound = False
        self.link += 1
        self._trigger_stop(now, StopCause.LINK)
        self._slots.drop_all()
        self._joined.clear()
        self._farewells.clear()
        return self._go(now)

    # --- what the hub wants --------------------------------------------------------------------

    def arm(self, now: float, message: Arm) -> list[MachineAction]:
        self._look(now)
        refusal = self.gate.refuses_arm(message.seen)
        if self._is_over(message.id):
            pass
        elif refusal is not None:
            self._fail(message.id, ErrorCode.GATE, refusal)
        elif (pauses := pauses_s(message)) > PAUSES_S:
            text = f"a stop that pauses for {pauses:g} s is too slow: {PAUSES_S:g} s at most"
            self._fail(message.id, ErrorCode.REFUSED, text)
        else:
            self._arm(now, message)
            self._say(Done(message.id))
        return self._go(now)

    def lease(self, now: float, ends_at: float) -> list[MachineAction]:
        """Outputs may go on until `ends_at`, as far as our own bounds allow."""
        self._look(now)
        self.gate.lease(now, ends_at)
        return self._go(now)

    def output(self, now: float, message: Output) -> list[MachineAction]:
        """A new value, which waits if its time is ahead; see `timed`."""
        if self._admitted(now, message.id, rest=message.rest):
            if message.at_us is not None:
                self._output_at(now, message, message.at_us / 1e6)
            elif self._timed.due < _NEVER:
                self._newest(now, message)
            else:
                self._queue(now, message)
        return self._go(now)

    def request(
        self, now: float, message: Write | Read | Subscribe | Unsubscribe
    ) -> list[MachineAction]:
        if isinstance(message, Write):
            if not self._admitted(now, message.id, rest=False):
                return self._go(now)
            # Nobody here knows what it does: no word that everything is off is newer than it.
            self._slots.unrest()
            self._timed.unrest()
        else:
            self._look(now)
            if self._is_over(message.id):
                return self._go(now)
        try:
            self._slots.request(message)
        except Congested:
            self._congested(message.id)
        return self._go(now)

    def stop(self, now: float, message: Stop) -> list[MachineAction]:
        """Write its packets before anything else, or the armed stop if its hub cannot know."""
        self._look(now)
        if self._is_over(message.id):
            return self._go(now)
        if not self.gate.knows(message.seen):
            self._joined.append(message.id)
            self._trigger_stop(now, None)
            return self._go(now)
        keys, others = set[int](), list[int]()
        if message.all:
            outputs, others = self._slots.drop_writes()
        else:
            keys = {k for p in message.packets for k in p.keys}
            outputs = self._slots.drop_keys(keys, now)
        if self._timed.due < _NEVER:
            timed, unlike = self._timed.stop(keys, everything=message.all)
            outputs += timed
            others += unlike
        for id in others:
            self._fail(id, ErrorCode.GATE, "a stop came before it")
        self._superseded(outputs)
        # Behind a stop of everything no value waits that could have the last word.
        last = message.rest and not message.all
        if last and (self._timed.rest_last() or self._slots.rest_last()):
            message = replace(message, rest=False)
        if not self._stops.add(message, same_stop(message.packets, self.armed.stop), now):
            # The radio takes none of them: the armed stop stands for all, and lets go in the end.
            self.tally["congested"] += 1
            text = f"{QUEUE_MOST} stops already wait for this device"
            self._fail(message.id, ErrorCode.CONGESTED, text)
            self._trigger_stop(now, StopCause.RADIO)
        else:
            packet = None if self._op is None else self._op.packet
            shares = packet is None or any(set(packet.keys) & set(p.keys) for p in message.packets)
            self._shorten_deadline(now, drop=message.all or shares)
        return self._go(now)

    def disconnect(self, now: float, message: Disconnect) -> list[MachineAction]:
        """Stop it, then let it go."""
        if not self._is_over(message.id):
            self._farewells.append(message.id)
        return self.leave(now)

    # --- what the relay wants ------------------------------------------------------------------

    def leave(self, now: float) -> list[MachineAction]:
        """Nobody wants it any more: stop it, then let it go."""
        self._look(now)
        if not self.leaving:
            self.leaving = True
            if self.gate.state is not GateState.SHUT or not self.gate.settled:
                self._trigger_stop(now, None)
        return self._go(now)

    def trigger_stop(self, now: float, cause: StopCause | None) -> list[MachineAction]:
        """Run the armed stop because of `cause` (None: the hub asked for it)."""
        self._look(now)
        self._trigger_stop(now, cause)
        return self._go(now)

    def await_stop(self, now: float, token: Hashable) -> list[MachineAction]:
        """Answer `token` when no armed stop is under way, maybe at once."""
        if self.over is not None or self.gate.state is not GateState.STOPPING:
            self._out.append(StopOutcome(token))
        else:
            self._tokens.append(token)
        return self._go(now)

    def end(self, now: float) -> list[MachineAction]:
        """The program ends, and what was under way has ended with it: stop it and let it go, all
        within LAST_STOP_S + LAST_LET_GO_S."""
        self._end(now)
        return self._go(now)

    # --- what the radio says -------------------------------------------------------------------

    def finished(self, now: float, result: Result) -> list[MachineAction]:
        """The operation that was asked for is over."""
        self._finished(now, result)
        self._look(now)
        return self._go(now)

    def gone(self, now: float, reason: str) -> list[MachineAction]:
        """The peripheral went away."""
        self._gone(reason or "the device disconnected")
        return self._go(now)

    def tick(self, now: float) -> list[MachineAction]:
        """Act on what is due."""
        self._look(now)
        return self._go(now)

    # -------------------------------------------------------------------------------------------

    @property
    def may_run(self) -> bool:
        """Whether something was handed over since the radio last took the whole armed stop."""
        return self.gate.handed_at is not None

    def preview(self) -> tuple[bytes, ...]:
        """Return the bytes of the armed stop as they would be written next."""
        return self._history.preview(self.armed.stop or ())

    @property
    def deadline(self) -> float:
        """When `tick` must be called; infinite: the clock alone changes nothing."""
        if self.over is not None:
            return _NEVER
        return min(self.gate.deadline, self._timed.due, self._due)

    def _go(self, now: float) -> list[MachineAction]:
        """Begin what is to be done next; return all that this event brought."""
        while self._timed.due <= now:
            self._release(now)
        if self._op is None:
            self._due = self._next(now)
        out, self._out = self._out, deque()
        return list(out)

    def _output_at(self, now: float, message: Output, at: float) -> None:
        if not message.packets and not message.rest:
            self._say(Done(message.id))
            self._timed.unrest()
        elif is_late(message, at, now):
            self._too_late(message)
        elif now < at <= now + AHEAD_S and self._timed.fits(message):
            self._superseded(self._timed.supersede(message, at))
            self._timed.add(message, at)
        elif at <= now or message.off:
            self._newest(now, message)
        elif at - now > AHEAD_S:
            text = f"its time is too far ahead: {AHEAD_S:g} s at most"
            self._fail(message.id, ErrorCode.REFUSED, text)
        else:
            self._congested(message.id)

    def _newest(self, now: float, message: Output) -> None:
        """It is newer than all that waits, due or not: if there is room for it."""
        if self._queue(now, message) and self._timed.due < _NEVER:
            self._superseded(self._timed.supersede(message, -_NEVER))
            if not message.rest:
                self._timed.unrest()
            elif self._timed.rest_last():
                self._slots.unrest()

    def _release(self, now: float) -> None:
        """The time of what waited longest has come; see whether it may go on."""
        message = self._timed.take()
        assert message.at_us is not None
        if not self._admitted(now, message.id, rest=message.rest):
            return
        if is_late(message, message.at_us / 1e6, now):
            self._too_late(message)
        else:
            self._queue(now, message)

    def _queue(self, now: float, message: Output) -> bool:
        """Let it wait for the radio; False if there is no room, and its hub is told."""
        try:
            if message.packets:
                if superseded := self._slots.output(message, now):
                    self._superseded(superseded)
            elif message.rest:
                # It comes behind what is under way, and leaves nothing that came before it.
                self._superseded(self._slots.drop_outputs())
                self._slots.request(message)
            else:
                self._say(Done(message.id))
        except Congested:
            self._congested(message.id)
            return False
        return True

    def _too_late(self, message: Output) -> None:
        self.tally["late"] += 1
        self._fail(message.id, ErrorCode.LATE, "its time was over when it came")

    def _admitted(self, now: float, id: int, *, rest: bool) -> bool:
        """Whether a value may wait for the radio; its hub is told if not."""
        self._look(now)
        if self.over is not None:
            return not self._is_over(id)
        refusal = self.gate.refuses()
        if refusal is not None:
            self._fail(id, ErrorCode.GATE, refusal)
            return False
        if not rest:
            self.gate.came(now)
        return True

    def _is_over(self, id: int) -> bool:
        if self.over is not None:
            self._fail(id, ErrorCode.GONE, self.over)
        return self.over is not None
