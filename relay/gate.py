"""The gate: decides, as the last thing before the radio, what may be written. Sans-I/O.

One per peripheral. `TRANSITIONS` is the table of docs/architecture.md; an event that is absent
changes nothing. Four rules hold in every state:

* The armed stop always passes; it need not ask.
* Anything else, stops of the hub included, passes in OPEN only, and only while the lease runs:
  whoever asks after the lease ended is refused, even if nobody has called `tick` in the meantime.
* After a cause, only Arm and then a lease open the gate again. The Arm must know of that stop
  (`seen`): one that was on its way while the stop ran does not count, nor does any lease before it.
* While the relay's `Block` is set, nothing arms and nothing opens.

Time comes in as `now`, seconds of one monotonic clock. Whoever drives a gate calls `tick` no later
than `deadline`, and writes the armed stop from `stop_due` on until the gate leaves STOPPING.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from relay.errors import GateShut
from relay.link.messages import StopCause


class State(Enum):
    SHUT = "shut"
    ARMED = "armed"
    OPEN = "open"
    STOPPING = "stopping"


class Event(Enum):
    ARM = "arm"
    LEASE = "lease"
    CAUSE = "cause"
    ASKED = "asked"
    WRITTEN = "stop written"
    FAILED = "stop failed"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.SHUT, Event.ARM): State.ARMED,
    (State.ARMED, Event.ARM): State.ARMED,
    (State.OPEN, Event.ARM): State.OPEN,
    (State.ARMED, Event.LEASE): State.OPEN,
    (State.OPEN, Event.LEASE): State.OPEN,
    (State.SHUT, Event.ASKED): State.STOPPING,
    (State.ARMED, Event.ASKED): State.STOPPING,
    (State.OPEN, Event.ASKED): State.STOPPING,
    (State.ARMED, Event.CAUSE): State.STOPPING,
    (State.OPEN, Event.CAUSE): State.STOPPING,
    (State.STOPPING, Event.CAUSE): State.STOPPING,
    (State.STOPPING, Event.WRITTEN): State.SHUT,
    (State.STOPPING, Event.FAILED): State.STOPPING,
}

# A deadline noticed this late (s) means that the event loop stood still: about ten times what a
# loaded single-board computer shows, a quarter of the second within which outputs must be off.
STALL_S = 0.25
# First pause between two attempts to write a stop (s): longer than a connection interval, so that
# a full controller queue has drained. Doubled up to the second value, which is never exceeded.
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 0.5
# For this long (s) a stop is retried over the connection before letting the peripheral go is
# tried as well: with the lease of 0.9 s before it, whatever hangs has been dealt with in 2 s.
FALLBACK_AFTER_S = 1.0
# A rest shorter than this (s) does not interrupt a continuous run: patterns pulse.
BREAK_S = 10.0


class Block:
    """Why this relay lets nothing run at all, if so: pause or emergency stop. One per relay."""

    __slots__ = ("cause",)

    def __init__(self, cause: StopCause | None = None) -> None:
        self.cause = cause


class Gate:
    """`active_s`, `idle_s`: what the hub's Welcome said; `max_run_s`: the wearer's limit, 0: none.

    `cause` is why the gate is (or was last) STOPPING, None when the hub asked for it; `stops`
    counts the stops that the relay ran of its own accord, which an Arm must have `seen`.
    """

    __slots__ = (
        "_block",
        "_failures",
        "_granted_until",
        "_lease_ends",
        "_rested_at",
        "_running_since",
        "_stopping_since",
        "active_s",
        "cause",
        "idle_s",
        "max_run_s",
        "state",
        "stop_due",
        "stops",
    )

    def __init__(
        self, block: Block, *, active_s: float = 0.9, idle_s: float = 10.0, max_run_s: float = 0
    ) -> None:
        self.state = State.SHUT
        self.cause: StopCause | None = None
        self.stops = 0
        self.stop_due: float | None = None
        self.active_s = active_s
        self.idle_s = idle_s
        self.max_run_s = max_run_s
        self._block = block
        self._lease_ends = 0.0
        # What the last lease is worth while everything rests.
        self._granted_until = 0.0
        self._running_since: float | None = None
        self._rested_at: float | None = None
        self._stopping_since = 0.0
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Gate {self.state.value}>"

    # --- what the hub does ---------------------------------------------------------------------

    def arm(self, now: float, seen: int | None = None) -> None:
        """An armed stop was handed over. Raises GateShut if it does not count.

        `seen`: the last of our `stops` that the hub knew of when it sent this; None: it cannot say.
        """
        self.tick(now)
        if self._block.cause is not None:
            raise GateShut(_BLOCKED[self._block.cause])
        if self.state is State.STOPPING:
            raise GateShut("this device is being stopped: arm it after that has been reported")
        if seen is not None and seen != self.stops:
            raise GateShut("this device was stopped in the meantime: arm it again")
        self._take(Event.ARM)

    def lease(self, now: float, seconds: float) -> None:
        """Outputs may go on until then. Without an Arm before it, or too late, it does nothing."""
        self.tick(now)
        if self._block.cause is None and self._take(Event.LEASE):
            self._granted_until = now + min(seconds, self.idle_s)
            active_until = now + min(seconds, self.active_s)
            self._lease_ends = active_until if self.running else self._granted_until

    def admit(self, now: float, *, rest: bool) -> None:
        """Something other than a stop has come in; raises GateShut unless the gate is open.

        Shortens the lease to the active one, as a hub with an output on renews it that often.
        Here, and not when the radio writes, because the hub counts from when it sent this.
        """
        self.tick(now)
        if self.state is not State.OPEN or self._block.cause is not None:
            raise GateShut(self._refusal())
        # What runs goes on running until the radio has taken its off: that may fail.
        if not rest or self.running:
            self._lease_ends = min(self._lease_ends, now + self.active_s)

    # --- what the radio does -------------------------------------------------------------------

    def passes(self, now: float) -> bool:
        """Whether anything other than a stop may be handed to the radio at this moment."""
        self.tick(now)
        return self.state is State.OPEN and self._block.cause is None

    def wrote(self, now: float, *, rest: bool) -> None:
        """A packet is handed to the radio; with `rest`, after which every output is off: the radio
        has taken it. On counts when it is handed over, off when it has arrived."""
        if rest:
            if self._running_since is not None and self._rested_at is None:
                self._rested_at = now
            # A value of 0 in several packets ran for those before the last, and no beat hurried.
            self._lease_ends = max(self._lease_ends, self._granted_until)
            return
        rested = self._rested_at is not None and now - self._rested_at >= BREAK_S
        if self._running_since is None or rested:
            self._running_since = now
        self._rested_at = None
        self._lease_ends = min(self._lease_ends, now + self.active_s)

    def strike(self, now: float, cause: StopCause | None) -> bool:
        """`cause` has come up (None: the hub wants every armed stop run). True: it stops now.

        A cause that finds the gate SHUT finds nothing to stop; one that finds it STOPPING
        changes nothing, for the stop is on its way.
        """
        if self.state is State.STOPPING or not self._take(Event.CAUSE):
            return False
        self.cause = cause
        self.stops += cause is not None
        self.stop_due = self._stopping_since = now
        self._failures = 0
        return True

    def knows(self, now: float, seen: int | None) -> bool:
        """Whether a hub that has `seen` so many of our stops knows what state this is in, and
        may say itself how it is stopped."""
        return self.passes(now) and seen == self.stops

    def demand(self, now: float) -> None:
        """The hub wants it stopped but cannot say how: the armed stop is run, in every state."""
        if self.state is not State.STOPPING and self._take(Event.ASKED):
            self.cause = None
            self.stop_due = self._stopping_since = now
            self._failures = 0

    def stop_written(self) -> None:
        """The armed stop has been written, or the peripheral was let go."""
        if self._take(Event.WRITTEN):
            self.stop_due = None
            self._running_since = self._rested_at = None

    def stop_failed(self, now: float) -> bool:
        """The radio did not take the stop. True: it is time to let the peripheral go as well."""
        if not self._take(Event.FAILED):
            return False
        pause = min(RETRY_FIRST_S * 2 ** min(self._failures, 16), RETRY_MOST_S)
        self._failures += 1
        self.stop_due = now + pause
        return now - self._stopping_since >= FALLBACK_AFTER_S

    # --- what the clock does -------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether an output is on, as far as packets that say `rest` can tell."""
        return self._running_since is not None and self._rested_at is None

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called; None: the clock alone changes nothing."""
        if self.state is not State.OPEN:
            return None
        return min(self._lease_ends, self._run_ends)

    @property
    def _run_ends(self) -> float:
        if not self.max_run_s or self._running_since is None or self._rested_at is not None:
            return float("inf")
        return self._running_since + self.max_run_s

    def tick(self, now: float) -> bool:
        """Act on a deadline that has passed. True: the armed stop is to be run now."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return False
        if now - deadline >= STALL_S:
            return self.strike(now, StopCause.STALL)
        if self._run_ends <= self._lease_ends:
            return self.strike(now, StopCause.RUN_TIME)
        return self.strike(now, StopCause.LEASE)

    # -------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> bool:
        """Move on if the table knows (state, event); says whether it did."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True

    def _refusal(self) -> str:
        if self._block.cause is not None:
            return _BLOCKED[self._block.cause]
        if self.state is State.STOPPING:
            return "this device is being stopped"
        if self.state is State.ARMED:
            return "this device is armed, but nobody leases it"
        return "this device is not armed"


_BLOCKED: Final[Mapping[StopCause, str]] = {
    StopCause.PAUSE: "the wearer has paused this relay",
    StopCause.EMERGENCY: "the wearer has pressed stop at this relay: only they can resume",
    StopCause.SHUTDOWN: "this relay is shutting down",
}
