"""Leases count from when the hub gave them, whatever the network and the clocks do."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

import pytest

from relay.link import messages as m
from relay.link.bounds import (
    ACTIVE_PATIENCE_S,
    BEAT_ACTIVE_S,
    BEAT_IDLE_S,
    DELAY_GROWTH,
    LATE_BEATS_S,
    SLOW_BEAT_S,
)
from relay.link.lease_clock import LeaseClock, left
from relay.link.session import HubSession, LinkLate, LinkSilent, RelaySession

DAY_S = 24 * 3600.0
LEASE_S = 0.9


def drifting(ppm: float, every_s: float, seconds: float, jitter_s: float = 0.0) -> float:
    """The greatest lateness of beats between clocks that differ by `ppm`, their delay not told."""
    clock, random, worst = LeaseClock(), Random(1), 0.0
    for n in range(int(seconds / every_s)):
        sent = n * every_s
        delay = 0.02 + random.uniform(0, jitter_s)
        arrived = 5_000_000 + (sent + delay) * (1 + ppm / 1e6)
        late = clock.lateness(int(sent * 1e6), arrived)
        assert late >= 0
        worst = max(worst, late)
    return worst


@pytest.mark.parametrize("ppm", [-200, 0, 200])
@pytest.mark.parametrize("every_s", [BEAT_ACTIVE_S, BEAT_IDLE_S])
def test_clocks_that_drift_for_a_day_cost_no_lease(ppm: float, every_s: float) -> None:
    assert drifting(ppm, every_s, DAY_S) < 0.003
    assert drifting(ppm, every_s, DAY_S, jitter_s=0.05) < 0.055


def test_the_best_beat_of_a_link_is_the_measure_and_grows_old() -> None:
    clock = LeaseClock()
    assert clock.lateness(0, 10.5) == 0
    assert clock.lateness(1_000_000, 11.4) == 0
    assert clock.lateness(2_000_000, 13.4) == pytest.approx(1.0 - 2 * DELAY_GROWTH)
    assert clock.lateness(2_000_000 + 2_000 * 1_000_000, 2013.4) == pytest.approx(0, abs=1e-6)


def test_of_a_lease_is_left_what_the_way_did_not_take() -> None:
    assert left({1: 900, 2: 10_000}, 0.0) == {1: 900, 2: 10_000}
    assert left({1: 900, 2: 10_000}, 0.35) == {1: 550, 2: 9650}
    assert left({1: 900, 2: 10_000}, 0.9) == {2: 9100}


# --- both ends, with a network between them ------------------------------------------------------

Delay = Callable[[float], float]


class Net:
    """A hub that always has an output on, a relay, and what is between them; in virtual time.

    `there` and `back` say how long a frame takes that leaves at this moment; frames stay in order.
    `over`: for each beat that leased the toy, the time between its sending and the lease's end.
    """

    def __init__(self, there: Delay, back: Delay) -> None:
        self.now = 0.0
        self.there, self.back = there, back
        self.hub, self.relay = HubSession("hub", 0.0), RelaySession(0.0)
        # The hub's clock is not ours, and stands still with its machine.
        self.hub_clock = 777.0
        self.ways: list[tuple[float, int, bool, bytes, float]] = []
        self.latest = {True: 0.0, False: 0.0}
        self.over: list[float] = []
        self.beats = 0
        self.ended: LinkSilent | None = None
        self._count = 0
        hello = self.relay.send(m.Hello(m.VERSION, "attic"))
        _, welcome = self.hub.receive(hello, self.hub_clock)
        assert welcome is not None
        self.relay.receive(welcome, 0.0)

    def send(self, frame: bytes, *, to_relay: bool) -> None:
        takes = (self.back if to_relay else self.there)(self.now)
        arrives = self.latest[to_relay] = max(self.latest[to_relay], self.now + takes)
        self._count += 1
        heapq.heappush(self.ways, (arrives, self._count, to_relay, frame, self.now))

    def run(self, until: float) -> None:
        try:
            while self.now < until and self.ended is None:
                self._step(until)
        except LinkSilent as error:
            self.ended = error

    def _step(self, until: float) -> None:
        frame = self.hub.tick(self.now + self.hub_clock, {1: 900, 2: 10_000}, active=True)
        if frame is not None:
            self.send(frame, to_relay=True)
        self.relay.tick(self.now)
        beat_at = self.hub.deadline - self.hub_clock
        arrival = self.ways[0][0] if self.ways else until
        self.now = max(self.now, min(beat_at, arrival, self.relay.deadline, until))
        while self.ways and self.ways[0][0] <= self.now:
            self._arrive(*heapq.heappop(self.ways)[2:])

    def _arrive(self, to_relay: bool, frame: bytes, sent: float) -> None:
        if not to_relay:
            self.hub.receive(frame, self.now + self.hub_clock)
            return
        beat, echo = self.relay.receive(frame, self.now)
        assert isinstance(beat, m.Beat)
        assert echo is not None
        self.beats += 1
        if 1 in beat.leases:
            self.over.append(self.now + beat.leases[1] / 1000 - sent)
        self.send(echo, to_relay=False)


def steady(seconds: float) -> Delay:
    return lambda now: seconds


def test_over_a_good_link_every_beat_renews() -> None:
    net = Net(steady(0.02), steady(0.02))
    net.run(60)
    assert len(net.over) == net.beats
    assert max(net.over) < LEASE_S + 0.021


def test_a_delay_that_grows_ends_the_lease_when_it_would_have_ended_anyway() -> None:
    net = Net(steady(0.02), lambda now: 0.02 if now < 5 else 0.02 + 0.6 * (now - 5))
    net.run(30)
    assert max(net.over) < LEASE_S + 0.025
    assert isinstance(net.ended, LinkSilent)


def test_after_two_seconds_of_late_beats_the_relay_ends_the_link() -> None:
    # The hub's own patience is spared: only the way to the relay is late, and by less than that.
    net = Net(steady(0.0), lambda now: 0.02 if now < 5 else 1.1)
    net.run(30)
    assert isinstance(net.ended, LinkLate)
    assert 5 + LATE_BEATS_S < net.now < 5 + 1.1 + LATE_BEATS_S + 2 * BEAT_ACTIVE_S
    assert "1.1 s late" in str(net.ended)


def test_beats_that_are_late_now_and_then_end_no_link() -> None:
    net = Net(steady(0.0), lambda now: 1.0 if now > 5 and now % 2.5 < 1.5 else 0.02)
    net.run(60)
    assert net.ended is None
    assert net.beats > len(net.over) > net.beats / 3


def test_a_hub_whose_machine_slept_looks_late_until_the_link_is_made_anew() -> None:
    net = Net(steady(0.02), steady(0.02))
    net.run(5)
    before = len(net.over)
    net.now += 1.5
    net.hub_clock -= 1.5
    net.run(30)
    assert len(net.over) == before, "no lease is renewed on the word of a clock that stood still"
    assert isinstance(net.ended, LinkLate)
    assert net.now < 5 + 1.5 + LATE_BEATS_S + 1
    again = Net(steady(0.02), steady(0.02))
    again.hub_clock = net.hub_clock
    again.run(10)
    assert len(again.over) == again.beats


def test_a_beat_that_a_suspended_hub_had_ready_renews_nothing() -> None:
    """Its process stands still for 1.5 s between making a beat and sending it."""
    held = False

    def suspended(now: float) -> float:
        nonlocal held
        if held or now < 5:
            return 0.02
        held = True
        return 1.5

    net = Net(steady(0.02), suspended)
    net.run(60)  # Beats are not reordered: those behind it come with it.
    assert net.beats - 6 < len(net.over) < net.beats
    assert net.ended is None
    assert max(net.over) < LEASE_S + 0.021


def test_over_a_link_that_was_congested_from_the_start_nothing_that_runs_is_leased() -> None:
    """The relay has no better beat to compare with; the hub sees the round trip."""
    net = Net(steady(0.8), steady(0.8))
    net.run(60)
    assert net.ended is None
    # A beat or two are out before the first answer is missed.
    assert len(net.over) <= SLOW_BEAT_S / BEAT_ACTIVE_S + 1
    assert max(net.over) < LEASE_S + SLOW_BEAT_S


def test_when_congestion_ends_leases_are_given_again_and_count_from_the_better_measure() -> None:
    net = Net(steady(0.02), lambda now: 1.5 if now < 20 else 0.02)
    net.run(60)
    assert net.ended is None
    late = net.over[-100:]
    assert len(late) == 100
    assert max(late) < LEASE_S + 0.03


def test_through_16_kbit_a_second_a_lease_ends_within_a_second_of_its_beat() -> None:
    """A client floods: 120 bytes each 50 ms are more than the link carries."""
    free_at = 0.0

    def narrow(now: float) -> float:
        nonlocal free_at
        flood = 120 / 0.05 * BEAT_ACTIVE_S if now > 5 else 0
        free_at = max(free_at, now) + (80 + flood) * 8 / 16_000
        return free_at - now

    net = Net(steady(0.05), narrow)
    net.run(60)
    assert max(net.over) < 1.0


# --- patience ------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_both_ends_wait_as_long_for_each_other(running: bool) -> None:
    hub, relay, now = HubSession("hub", 0.0), RelaySession(0.0), 0.0
    _, welcome = hub.receive(relay.send(m.Hello(m.VERSION, "attic")), now)
    assert welcome is not None
    relay.receive(welcome, now)
    frame = hub.tick(now, {1: 900 if running else 10_000}, active=running)
    assert frame is not None
    relay.receive(frame, now)  # and from now on nothing passes either way
    patience = {}
    for name, end in (("hub", hub), ("relay", relay)):
        now = 0.0
        try:
            while True:
                now = max(now, end.deadline)
                if isinstance(end, HubSession):
                    end.tick(now, {1: 900 if running else 10_000}, active=running)
                else:
                    end.tick(now)
        except LinkSilent:
            patience[name] = now
    assert patience == (
        {"hub": ACTIVE_PATIENCE_S, "relay": ACTIVE_PATIENCE_S}
        if running
        else {"hub": 7.5, "relay": 10.0}
    )
