"""The two ends of a link as state machines: `HubSession` and `RelaySession`. Sans-I/O.

Rules of this file: everything about the state of a link lives here; time comes in as `now` (seconds
of any monotonic clock); whoever drives a session calls `tick` no later than `deadline`.

    relay                      hub
    Hello            →
                     ←         Welcome
    … messages of either side, requests answered by id …
                     ←         Beat     every 250 ms while an output is on, else every 2.5 s
    Echo             →
    Bye              ↔         Bye      the last message of an orderly end
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from msgspec.structs import replace

from relay.link.bounds import (
    ACTIVE_PATIENCE_S,
    BEAT_ACTIVE_S,
    BEAT_IDLE_S,
    BEAT_MEASURING_S,
    CLOCK_SAMPLES,
    ECHO_IDLE_S,
    GREETING_S,
    LATE_BEATS_S,
    LINK_SILENCE_S,
    MEASURE_AGAIN_S,
    MICROS_MOST,
    RTT_WEIGHT,
    SLOW_BEAT_S,
)
from relay.link.clock_offset import ClockOffset
from relay.link.codec import decode_from_hub, decode_from_relay, encode
from relay.link.errors import LinkError, LinkRefused, LinkViolation
from relay.link.lease_clock import LeaseClock, left
from relay.link.messages import (
    VERSION,
    Advertisements,
    Arm,
    Beat,
    Bye,
    Connect,
    Connected,
    Debts,
    Disconnect,
    Disconnected,
    Done,
    Echo,
    Failed,
    Forget,
    FromHub,
    FromRelay,
    GuestAnswer,
    GuestList,
    Hello,
    Interests,
    Notification,
    Output,
    Places,
    RadioState,
    Read,
    Scan,
    Stats,
    Status,
    Stop,
    StopAll,
    Stopped,
    Subscribe,
    Unsubscribe,
    Value,
    Wearer,
    Welcome,
    Write,
)


class LinkSilent(LinkError):
    """The other end has said nothing for too long."""


class LinkLate(LinkSilent):
    """What the hub says comes too late to hold anything."""


class LinkState(Enum):
    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"


_REQUESTS: Final = (
    Connect, Disconnect, Arm, Write, Output, Stop, StopAll, Forget, Read, Subscribe, Unsubscribe,
)  # fmt: skip
_NEWS: Final = (
    Advertisements, Connected, Done, Value, Failed, Notification, Disconnected, Stopped, Echo,
    RadioState, Wearer, Debts, GuestAnswer, Stats,
)  # fmt: skip

# (state, message) → next state. What is absent is a violation.
RELAY_SAYS: Final[Mapping[tuple[LinkState, type], LinkState]] = {
    (LinkState.GREETING, Hello): LinkState.OPEN,
    **{(LinkState.OPEN, kind): LinkState.OPEN for kind in _NEWS},
    (LinkState.GREETING, Bye): LinkState.CLOSED,
    (LinkState.OPEN, Bye): LinkState.CLOSED,
}
HUB_SAYS: Final[Mapping[tuple[LinkState, type], LinkState]] = {
    (LinkState.GREETING, Welcome): LinkState.OPEN,
    **{
        (LinkState.OPEN, kind): LinkState.OPEN
        for kind in (*_REQUESTS, Beat, Scan, Interests, Places, Status, GuestList)
    },
    (LinkState.GREETING, Bye): LinkState.CLOSED,
    (LinkState.OPEN, Bye): LinkState.CLOSED,
}


def _violation(who: str, message: object, state: LinkState) -> LinkViolation:
    return LinkViolation(f"{who} sent {type(message).__name__} while the link was {state.value}")


class HubSession:
    """The hub's end of one link.

    `heard` is the state of what the relay says, and the link is open once it said Hello. Frames
    are made by `send` and `beat`, read by `receive`; LinkViolation means: close the channel.
    """

    def __init__(
        self,
        hub: str,
        now: float,
        *,
        active_ms: int = 900,
        idle_ms: int = 10_000,
        page: str = "",
    ) -> None:
        self.state = LinkState.GREETING
        self.hello: Hello | None = None
        self.round_trip_ms: float | None = None
        self.clock = ClockOffset()
        self.active_ms = active_ms
        self.idle_ms = idle_ms
        self._hub = hub
        self._page = page
        self._last_id = 0
        self._beats = 0
        self._unanswered: dict[int, float] = {}
        self._last_trip_s = 0.0
        # Beats that are still to come fast, and when a value was timed last.
        self._measuring = 0
        self._timed_at = float("-inf")
        self.active = False
        self._stops: dict[int, int] = {}
        self._beat_due = now
        self._greeting_ends = now + GREETING_S

    def receive(self, frame: str | bytes, now: float) -> tuple[FromRelay, bytes | None]:
        """Return the relay's message, and the frame to answer with at once (Welcome to Hello).

        Raises LinkViolation, and LinkRefused if the relay speaks a version of the link we do not.
        """
        message = decode_from_relay(frame)
        if (state := RELAY_SAYS.get((self.state, type(message)))) is None:
            raise _violation("the relay", message, self.state)
        self.state = state
        if isinstance(message, Hello):
            if message.version != VERSION:
                self.state = LinkState.CLOSED
                raise LinkRefused(
                    f"the relay speaks version {message.version} of the link, this hub {VERSION}:"
                    " update the older one"
                )
            self.hello = message
            active_ms, idle_ms, page = self.active_ms, self.idle_ms, self._page
            welcome = Welcome(VERSION, self._hub, active_ms=active_ms, idle_ms=idle_ms, page=page)
            return message, encode(welcome)
        if isinstance(message, Echo):
            self._echo(message, now)
        elif isinstance(message, Stopped):
            self._stops[message.peripheral] = message.number
        return message, None

    def _echo(self, echo: Echo, now: float) -> None:
        sent = self._unanswered.pop(echo.number, None)
        if sent is None:
            raise LinkViolation(f"the relay answered beat {echo.number}, which is not waited for")
        # Answers come in order, so what was sent before this one will not be answered any more.
        for n in [n for n in self._unanswered if n < echo.number]:
            del self._unanswered[n]
        self._last_trip_s = now - sent
        trip_ms = self._last_trip_s * 1000
        if self.round_trip_ms is None:
            self.round_trip_ms = trip_ms
        else:
            self.round_trip_ms += (trip_ms - self.round_trip_ms) * RTT_WEIGHT
        self.clock.answered(sent, echo.relay_us / 1e6, now)

    def request_id(self) -> int:
        """A number that no request still under way has."""
        self._last_id = self._last_id % 0xFFFFFFFF + 1
        return self._last_id

    def send(self, message: FromHub) -> bytes:
        """Return the frame of `message`. Raises LinkViolation if it may not be sent now."""
        if (state := HUB_SAYS.get((self.state, type(message)))) is None:
            raise _violation("this hub", message, self.state)
        if isinstance(message, Connect):
            self._stops.pop(message.peripheral, None)
        elif isinstance(message, Arm) and message.seen is None:
            message = replace(message, seen=self._stops.get(message.peripheral, 0))
        frame = encode(message)
        self.state = state
        return frame

    @property
    def deadline(self) -> float:
        """When `tick` must be called."""
        if self.state is not LinkState.OPEN:
            return self._greeting_ends
        if not self._unanswered:
            return self._beat_due
        return min(self._beat_due, next(iter(self._unanswered.values())) + self._patience)

    @property
    def _patience(self) -> float:
        return ACTIVE_PATIENCE_S if self.active else ECHO_IDLE_S

    def tick(self, now: float, leases: Mapping[int, int], *, active: bool) -> bytes | None:
        """Return a Beat frame if one is due. Raises LinkSilent if the relay has stopped answering.

        `leases`: peripheral → ms; `active`: an output is on, so beats come at the fast rate.
        """
        if self.state is not LinkState.OPEN:
            if now >= self._greeting_ends:
                raise LinkSilent(f"the relay did not greet within {GREETING_S:g} s")
            return None
        if active != self.active:
            self.active = active
            self._beat_due = min(self._beat_due, now) if active else self._beat_due
        if self._unanswered:
            oldest = next(iter(self._unanswered.values()))
            if now - oldest >= self._patience:
                raise LinkSilent(f"the relay has not answered for {now - oldest:.1f} s")
        if now < self._beat_due:
            return None
        return self.beat(now, leases)

    def beat(self, now: float, leases: Mapping[int, int]) -> bytes:
        """Return a Beat frame now, whatever is due: a lease must not wait for the next one.

        While round trips are slow (SLOW_S), leases of what runs are left out.
        """
        leases = self.granted(leases, now)
        self._beats = self._beats % 0xFFFFFFFF + 1
        self._unanswered[self._beats] = now
        self._beat_due = now + (BEAT_ACTIVE_S if self.active else BEAT_IDLE_S)
        if self._measuring:
            self._measuring -= 1
            self._beat_due = min(self._beat_due, now + BEAT_MEASURING_S)
        return self.send(Beat(self._beats, int(now * 1e6), dict(leases)))

    def granted(self, leases: Mapping[int, int], now: float) -> Mapping[int, int]:
        """What of these leases a beat made now holds."""
        if not self._slow(now):
            return leases
        return {p: ms for p, ms in leases.items() if ms > self.active_ms}

    def _slow(self, now: float) -> bool:
        oldest = next(iter(self._unanswered.values()), now)
        return max(self._last_trip_s, now - oldest) > SLOW_BEAT_S

    # --- values with a time --------------------------------------------------------------------

    def lead(self, now: float) -> float | None:
        """How long (s) before its time a value must be sent; None: it takes no times, or not yet.

        Whoever asks is about to send some: the relay's clock is measured while they do.
        """
        if self.hello is None or "timed" not in self.hello.capabilities:
            return None
        if now - self._timed_at > MEASURE_AGAIN_S:
            self._measuring = CLOCK_SAMPLES
            self._beat_due = min(self._beat_due, now)
        elif not self.clock.known and not self._measuring:
            self._measuring = CLOCK_SAMPLES
        self._timed_at = now
        return self.clock.lead_s

    @property
    def measuring(self) -> bool:
        """Whether beats come faster than they would, for the relay's clock."""
        return self._measuring > 0

    def theirs_us(self, at: float) -> int | None:
        """What the relay's clock shows at `at` of ours; None: it takes no times, or not yet."""
        if self.clock.lead_s is None:
            return None
        theirs_us = round(self.clock.theirs(at) * 1e6)
        return theirs_us if 0 <= theirs_us <= MICROS_MOST else None

    def rouse(self, now: float) -> bool:
        """An output is about to be sent: beats are wanted at the fast rate from now on.

        True: they were not before, so that one has to go first. By it the relay can tell how late
        the output is; in between, its leases are too short for a late one.
        """
        if self.active:
            return False
        self.active = True
        self._beat_due = min(self._beat_due, now + BEAT_ACTIVE_S)
        return True


class RelaySession:
    """The relay's end of one link; the mirror of HubSession.

    A Beat comes out of `receive` with what is left of its leases: they count from when it was sent.
    `late_s`: how late the newest one came, and what follows it with it.
    """

    def __init__(self, now: float) -> None:
        self.state = LinkState.GREETING
        self.welcome: Welcome | None = None
        self._said = LinkState.GREETING
        self._clock = LeaseClock()
        self.late_s = 0.0
        self._late_since: float | None = None
        self._active = False
        self._heard_at = now
        self._greeting_ends = now + GREETING_S

    def receive(self, frame: str | bytes, now: float) -> tuple[FromHub, bytes | None]:
        """Return the hub's message, and the frame to answer with at once (Echo to Beat).

        Raises LinkViolation, LinkLate, and LinkRefused if the hub speaks a version of the link
        that we do not.
        """
        message = decode_from_hub(frame)
        if (state := HUB_SAYS.get((self.state, type(message)))) is None:
            raise _violation("the hub", message, self.state)
        self.state = state
        self._heard_at = now
        if isinstance(message, Welcome):
            if message.version != VERSION:
                self.state = LinkState.CLOSED
                raise LinkRefused(
                    f"the hub speaks version {message.version} of the link, this relay {VERSION}:"
                    " update the older one"
                )
            self.welcome = message
        elif isinstance(message, Beat):
            beat = self._beaten(message, now)
            if self._said is LinkState.CLOSED:
                return beat, None  # It crossed our goodbye.
            return beat, self.send(Echo(message.number, message.time_us, int(now * 1e6)))
        return message, None

    def _beaten(self, beat: Beat, now: float) -> Beat:
        assert self.welcome is not None  # the table lets no beat in before it
        active_ms = self.welcome.active_ms
        self._active = any(ms <= active_ms for ms in beat.leases.values())
        late_s = self.late_s = self._clock.lateness(beat.time_us, now)
        leases = left(beat.leases, late_s)
        if len(leases) == len(beat.leases):
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        elif now - self._late_since >= LATE_BEATS_S:
            raise LinkLate(f"what the hub says comes {late_s:.1f} s late")
        return replace(beat, leases=leases)

    def send(self, message: FromRelay) -> bytes:
        """Return the frame of `message`. Raises LinkViolation if it may not be sent now."""
        if (said := RELAY_SAYS.get((self._said, type(message)))) is None:
            raise _violation("this relay", message, self._said)
        frame = encode(message)
        self._said = said
        return frame

    @property
    def deadline(self) -> float:
        """When `tick` must be called."""
        if self.state is not LinkState.OPEN:
            return self._greeting_ends
        return self._heard_at + (ACTIVE_PATIENCE_S if self._active else LINK_SILENCE_S)

    def tick(self, now: float) -> None:
        """Raises LinkSilent if the hub has been silent for too long."""
        if now < self.deadline:
            return
        if self.state is LinkState.GREETING:
            raise LinkSilent(f"the hub did not answer the greeting within {GREETING_S:g} s")
        raise LinkSilent(f"the hub has been silent for {now - self._heard_at:.1f} s")
