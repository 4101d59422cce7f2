"""The gate: when something other than the armed stop may be written, and what may be running.

`TRANSITIONS` is the table of `machine`; an event that is absent changes nothing. Time comes in as
`now`, seconds of one monotonic clock. Two more clocks start with what is handed to the radio:

* `handed_at`: since when something may run. Set when a packet that is not part of the armed stop
  is handed over, cleared when the armed stop was taken. The longest run counts from here.
* `active`: likewise, but the hub's word that everything is off ends it, once the radio has taken
  what came with that word. While it holds, a lease is a short one.

`rested_at` is when that word came first since something moved; `BREAK_S` later it is not believed
any longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from relay.link.messages import StopCause
from relay.peripheral.limits import ACTIVE_S, BREAK_S, IDLE_S, STALL_S

_NEVER = float("inf")


class GateState(Enum):
    SHUT = "shut"
    ARMED = "armed"
    OPEN = "open"
    STOPPING = "stopping"


class GateEvent(Enum):
    ARM = "arm"
    LEASE = "lease"
    ASKED = "asked"
    CAUSE = "cause"
    TAKEN = "taken"


TRANSITIONS: Final[Mapping[tuple[GateState, GateEvent], GateState]] = {
    (GateState.SHUT, GateEvent.ARM): GateState.ARMED,
    (GateState.SHUT, GateEvent.ASKED): GateState.STOPPING,
    (GateState.SHUT, GateEvent.CAUSE): GateState.STOPPING,
    (GateState.ARMED, GateEvent.ARM): GateState.ARMED,
    (GateState.ARMED, GateEvent.LEASE): GateState.OPEN,
    (GateState.ARMED, GateEvent.ASKED): GateState.STOPPING,
    (GateState.ARMED, GateEvent.CAUSE): GateState.STOPPING,
    (GateState.OPEN, GateEvent.ARM): GateState.OPEN,
    (GateState.OPEN, GateEvent.LEASE): GateState.OPEN,
    (GateState.OPEN, GateEvent.ASKED): GateState.STOPPING,
    (GateState.OPEN, GateEvent.CAUSE): GateState.STOPPING,
    (GateState.STOPPING, GateEvent.CAUSE): GateState.STOPPING,
    (GateState.STOPPING, GateEvent.TAKEN): GateState.SHUT,
}

# Of two causes of one stop, the later in this row is the one that is told.
_STRENGTH: Final[Mapping[StopCause | None, int]] = {
    cause: strength
    for strength, cause in enumerate(
        (
            None,
            StopCause.LEASE,
            StopCause.RUN_TIME,
            StopCause.STALL,
            StopCause.RADIO,
            StopCause.LINK,
            StopCause.PAUSE,
            StopCause.SHUTDOWN,
            StopCause.EMERGENCY,
        )
    )
}


class Lockout:
    """Why this relay lets nothing run at all, if so: pause or emergency stop. One per relay."""

    __slots__ = ("cause",)

    def __init__(self, cause: StopCause | None = None) -> None:
        self.cause = cause


class Gate:
    """`max_run_s`: the wearer's limit, 0: none. `cause`: why it is (or was last) STOPPING, None
    when the hub asked for it. `n`: stops of the relay's own since the Connect. `settled`: the armed
    stop is the last thing that was written, and the radio took it."""

    __slots__ = (
        "_block",
        "_granted_until",
        "_lease_ends",
        "active",
        "active_s",
        "cause",
        "handed_at",
        "idle_s",
        "max_run_s",
        "n",
        "rested_at",
        "settled",
        "state",
    )

    def __init__(self, block: Lockout, *, max_run_s: float = 0) -> None:
        self.state = GateState.SHUT
        self.cause: StopCause | None = None
        self.n = 0
        self.max_run_s = max_run_s
        self.active_s = ACTIVE_S
        self.idle_s = IDLE_S
        self.handed_at: float | None = None
        self.rested_at: float | None = None
        self.active = False
        self.settled = False
        self._block = block
        self._lease_ends = 0.0
        # What the last lease is worth while everything rests.
        self._granted_until = 0.0

    def __repr__(self) -> str:
        return f"<Gate {self.state.value}>"

    # --- what the hub does ---------------------------------------------------------------------

    def bind(self, active_s: float, idle_s: float) -> None:
        """A hub has it, whose leases are so long at most."""
        self.n = 0
        self.active_s, self.idle_s = min(active_s, ACTIVE_S), min(idle_s, IDLE_S)

    def refuses_arm(self, seen: int | None) -> str | None:
        """Why an Arm that names `seen` does not count, if so."""
        if self._block.cause is not None:
            return _BLOCKED[self._block.cause]
        if self.state is GateState.STOPPING:
            return "this device is being stopped: arm it after that has been reported"
        if seen != self.n:
            return "this device was stopped in the meantime: arm it again"
        return None

    def lease(self, now: float, ends_at: float) -> None:
        """Outputs may go on until then. Without an Arm before it, or too late, it does nothing."""
        if ends_at > now and self._block.cause is None and self.take(GateEvent.LEASE):
            self._granted_until = min(ends_at, now + self.idle_s)
            short_until = min(ends_at, now + self.active_s)
            self._lease_ends = short_until if self.active else self._granted_until

    def refuses(self) -> str | None:
        """Why nothing but the armed stop may be written at this moment, if so."""
        if self._block.cause is not None:
            return _BLOCKED[self._block.cause]
        return _REFUSALS.get(self.state)

    def knows(self, seen: int | None) -> bool:
        """Whether a hub that has `seen` so many of our stops may say how this is stopped."""
        return self.state is GateState.OPEN and self._block.cause is None and seen == self.n

    def came(self, now: float) -> None:
        """A value came in. Its hub counts from when it sent it, however long it waits here."""
        self._lease_ends = min(self._lease_ends, now + self.active_s)

    # --- what the radio does -------------------------------------------------------------------

    def handed(self, now: float, *, rest: bool, moves: bool) -> None:
        """A packet that is not part of the armed stop is being handed over. `moves`: it is a value,
        and not one that only ends something."""
        self.settled = False
        if self.handed_at is None:
            self.handed_at = now
        if not rest:
            self.active = True
            self.rested_at = None
            self.came(now)
        elif moves and self.rested_at is not None:
            self.rested_at = now

    def rested(self, now: float, *, waits: bool) -> None:
        """The hub says that everything is off now, and the radio has taken what it wrote to it.
        `waits`: so does a value, whose hub counts from when it came."""
        self.active = False
        if not waits:
            self._lease_ends = max(self._lease_ends, self._granted_until)
        if self.handed_at is not None and self.rested_at is None:
            self.rested_at = now

    def stopped(self, *, waits: bool) -> None:
        """The radio has taken the whole armed stop, with nothing behind it. `waits`: likewise."""
        self.settled = True
        self.active = False
        if not waits:
            self._lease_ends = max(self._lease_ends, self._granted_until)
        self.handed_at = self.rested_at = None

    # --- stopping ------------------------------------------------------------------------------

    def trigger_stop(self, cause: StopCause | None) -> bool:
        """`cause` has come up (None: asked for). True: a stop begins now.

        One under way goes on, for the stronger of both causes. A cause finds nothing to do behind a
        shut gate whose armed stop is the last thing that was written.
        """
        if self.state is GateState.STOPPING:
            if _STRENGTH[cause] > _STRENGTH[self.cause]:
                self.cause = cause
                self.n += 1
            return False
        if self.state is GateState.SHUT and self.settled and cause is not None:
            return False
        self.take(GateEvent.ASKED if cause is None else GateEvent.CAUSE)
        self.cause = cause
        self.n += cause is not None
        return True

    def take(self, event: GateEvent) -> bool:
        """Move on if the table knows (state, event); says whether it did."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True

    # --- what the clock does -------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `lapsed` or `doubts` has something to say; infinite: the clock changes nothing."""
        if self.state is not GateState.OPEN:
            return _NEVER
        # `_run_ends` and `_break_ends`, spelt out: it is asked several times for each packet.
        ends = self._lease_ends
        if self.max_run_s and self.handed_at is not None:
            ends = min(ends, self.handed_at + self.max_run_s)
        if self.rested_at is not None:
            ends = min(ends, self.rested_at + BREAK_S)
        return ends

    def lapsed(self, now: float) -> StopCause | None:
        """Why it is to be stopped now, if the time of something is over."""
        ends = min(self._lease_ends, self._run_ends)
        if self.state is not GateState.OPEN or now < ends:
            return None
        if now - ends >= STALL_S:
            return StopCause.STALL
        return StopCause.RUN_TIME if self._run_ends <= self._lease_ends else StopCause.LEASE

    def doubts(self, now: float) -> bool:
        """Whether the hub's word that everything is off is to be made sure of now."""
        return self.state is GateState.OPEN and now >= self._break_ends

    @property
    def _run_ends(self) -> float:
        if not self.max_run_s or self.handed_at is None:
            return _NEVER
        return self.handed_at + self.max_run_s

    @property
    def _break_ends(self) -> float:
        return _NEVER if self.rested_at is None else self.rested_at + BREAK_S


_REFUSALS: Final[Mapping[GateState, str]] = {
    GateState.SHUT: "this device is not armed",
    GateState.ARMED: "this device is armed, but nobody leases it",
    GateState.STOPPING: "this device is being stopped",
}
_BLOCKED: Final[Mapping[StopCause, str]] = {
    StopCause.PAUSE: "the wearer has paused this relay",
    StopCause.EMERGENCY: "the wearer has pressed stop at this relay: only they can resume",
    StopCause.SHUTDOWN: "this relay is shutting down",
}
