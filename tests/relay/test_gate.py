from __future__ import annotations

import itertools
import os
import random
from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.errors import GateShut
from relay.gate import (
    BREAK_S,
    FALLBACK_AFTER_S,
    RETRY_FIRST_S,
    RETRY_MOST_S,
    STALL_S,
    TRANSITIONS,
    Block,
    Event,
    Gate,
    State,
)
from relay.link.messages import StopCause


def opened(max_run_s: float = 0) -> Gate:
    """A gate that was armed at 0 and leased until 1."""
    gate = Gate(Block(), max_run_s=max_run_s)
    gate.arm(0)
    gate.lease(0, 1)
    return gate


def test_the_table_knows_every_state_that_it_leads_to() -> None:
    for (state, event), after in TRANSITIONS.items():
        assert isinstance(state, State)
        assert isinstance(event, Event)
        assert isinstance(after, State)
    # Only an Arm and a stop lead out of SHUT, only a stop that was written out of STOPPING.
    assert [e for s, e in TRANSITIONS if s is State.SHUT] == [Event.ARM, Event.ASKED]
    leave = {e for (s, e), to in TRANSITIONS.items() if s is State.STOPPING and to is not s}
    assert leave == {Event.WRITTEN}


def test_nothing_passes_before_arm_and_lease() -> None:
    gate = Gate(Block())
    assert not gate.passes(0)
    with pytest.raises(GateShut, match="not armed"):
        gate.admit(0, rest=False)
    gate.lease(0, 1)
    assert gate.state is State.SHUT
    gate.arm(0)
    assert not gate.passes(0)
    with pytest.raises(GateShut, match="nobody leases"):
        gate.admit(0, rest=True)
    gate.lease(0, 1)
    assert gate.passes(0.999)


def test_a_lease_that_ended_refuses_even_if_nobody_looked_at_the_clock() -> None:
    gate = opened()
    assert not gate.passes(1.0)
    assert (gate.state, gate.cause) == (State.STOPPING, StopCause.LEASE)


def test_a_late_lease_renews_nothing() -> None:
    gate = opened()
    gate.lease(1.0, 10)
    assert gate.state is State.STOPPING


def test_an_output_shortens_an_idle_lease_to_the_active_one() -> None:
    gate = Gate(Block(), active_s=0.9)
    gate.arm(0)
    gate.lease(0, 10)
    gate.admit(1, rest=True)
    assert gate.deadline == 10
    gate.admit(1, rest=False)
    assert gate.deadline == pytest.approx(1.9)
    gate.lease(1.5, 0.9)
    assert gate.deadline == pytest.approx(2.4)


def test_a_rest_that_was_taken_gives_the_idle_lease_back() -> None:
    """A value of 0 in two packets runs for the first of them, and no beat hurries for it."""
    gate = Gate(Block(), active_s=0.9)
    gate.arm(0)
    gate.lease(0, 10)
    gate.admit(1, rest=True)
    gate.wrote(1, rest=False)
    assert gate.deadline == pytest.approx(1.9)
    gate.wrote(1.05, rest=True)
    assert gate.deadline == 10


def test_a_lease_is_not_longer_than_the_hubs_own_idle_lease() -> None:
    gate = Gate(Block(), idle_s=10)
    gate.arm(0)
    gate.lease(0, 3600)
    assert gate.deadline == 10


def test_an_arm_while_open_keeps_it_open() -> None:
    gate = opened()
    gate.arm(0.5)
    assert gate.passes(0.9)
    assert gate.deadline == 1


@pytest.mark.parametrize("cause", [*StopCause, None])
def test_after_a_cause_only_arm_and_lease_open_it_again(cause: StopCause | None) -> None:
    gate = opened()
    assert gate.strike(0.1, cause)
    assert not gate.strike(0.1, StopCause.PAUSE), "one stop at a time"
    assert gate.cause is cause
    assert not gate.passes(0.1)
    with pytest.raises(GateShut, match="being stopped"):
        gate.arm(0.1)
    gate.stop_written()
    assert gate.state is State.SHUT
    gate.lease(0.2, 1)
    assert not gate.passes(0.2)
    gate.arm(0.3, seen=gate.stops)
    assert not gate.passes(0.3)
    gate.lease(0.3, 1)
    assert gate.passes(0.3)


def test_an_arm_that_was_under_way_during_the_stop_does_not_count() -> None:
    gate = opened()
    gate.strike(0.1, StopCause.LINK)
    gate.stop_written()
    with pytest.raises(GateShut, match="in the meantime"):
        gate.arm(0.2, seen=0)
    gate.arm(0.2, seen=1)
    assert gate.state is State.ARMED


def test_a_stop_that_the_hub_asked_for_is_not_counted_as_news_to_it() -> None:
    gate = opened()
    gate.strike(0.1, None)
    gate.stop_written()
    gate.arm(0.2, seen=0)
    assert gate.state is State.ARMED


def test_a_cause_finds_nothing_to_stop_behind_a_shut_gate() -> None:
    gate = Gate(Block())
    assert not gate.strike(0, StopCause.LINK)
    assert gate.state is State.SHUT


@pytest.mark.parametrize("cause", [StopCause.PAUSE, StopCause.EMERGENCY, StopCause.SHUTDOWN])
def test_a_block_lets_nothing_arm_or_open(cause: StopCause) -> None:
    block = Block(cause)
    gate = Gate(block)
    with pytest.raises(GateShut):
        gate.arm(0)
    block.cause = None
    gate.arm(0)
    block.cause = cause
    gate.lease(0, 1)
    assert gate.state is State.ARMED
    block.cause = None
    gate.lease(0, 1)
    block.cause = cause
    assert not gate.passes(0)
    with pytest.raises(GateShut):
        gate.admit(0, rest=False)


def test_retries_back_off_and_never_end() -> None:
    gate = opened()
    gate.strike(0.5, StopCause.LINK)
    assert gate.stop_due == 0.5
    now, pauses = 0.5, []
    for _ in range(40):
        gate.stop_failed(now)
        assert gate.stop_due is not None
        pauses.append(gate.stop_due - now)
        now = gate.stop_due
    assert pauses[0] == pytest.approx(RETRY_FIRST_S)
    assert pauses[1] == pytest.approx(RETRY_FIRST_S * 2)
    assert max(pauses) == pytest.approx(RETRY_MOST_S)
    assert gate.state is State.STOPPING
    gate.stop_written()
    assert gate.stop_due is None


def test_letting_go_is_tried_after_a_second_of_failures() -> None:
    gate = opened()
    gate.strike(0.5, StopCause.LINK)
    assert not gate.stop_failed(0.5 + FALLBACK_AFTER_S - 0.01)
    assert gate.stop_failed(0.5 + FALLBACK_AFTER_S)


def test_an_event_loop_that_stood_still_is_called_a_stall() -> None:
    gate = opened()
    gate.tick(1 + STALL_S)
    assert gate.cause is StopCause.STALL


def test_a_run_that_is_too_long_ends_though_it_is_leased() -> None:
    gate = opened(max_run_s=60)
    gate.wrote(0, rest=False)
    for half in range(1, 120):
        gate.lease(half / 2, 10)
        assert gate.deadline == min(60, half / 2 + 0.9)
    assert gate.tick(60)
    assert gate.cause is StopCause.RUN_TIME


def test_a_short_rest_does_not_interrupt_a_run_and_a_long_one_does() -> None:
    gate = opened(max_run_s=60)
    gate.idle_s = gate.active_s = 1000
    gate.lease(0, 1000)
    gate.wrote(0, rest=False)
    gate.wrote(30, rest=True)
    assert gate.deadline == 1000
    gate.wrote(31, rest=False)
    assert gate.deadline == 60
    gate.wrote(40, rest=True)
    gate.wrote(45, rest=True)
    gate.wrote(40 + BREAK_S, rest=False)
    assert gate.deadline == 40 + BREAK_S + 60


def test_without_a_limit_a_run_goes_on() -> None:
    gate = opened()
    gate.wrote(0, rest=False)
    assert gate.running
    assert gate.deadline == 0.9


# --- an adversarial hub and radio --------------------------------------------------------------


@dataclass
class _Frame:
    """An Arm, a lease or an output on its way. `seen`: what the hub knew when it sent it."""

    kind: str
    seen: int
    seconds: float = 0.0


class Adversary(RuleBasedStateMachine):
    """Frames arrive late, reports later; causes, failing stops and clock jumps come at any time.

    The oracle knows only when the last stop was accepted, and which frames were sent by a hub that
    had heard of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.block = Block()
        self.gate = Gate(self.block, max_run_s=5)
        self.to_relay: deque[_Frame] = deque()
        self.reports: deque[int] = deque()
        self.hub_knows = 0
        self.stopped = 0
        self.armed_again = False
        self.lease_ends: float | None = None
        self.passed = 0

    def _struck(self, was: State) -> None:
        if was is not State.STOPPING and self.gate.state is State.STOPPING:
            self.stopped = self.gate.stops
            self.armed_again = False
            self.lease_ends = None

    @rule(kind=st.sampled_from(["arm", "lease", "output"]), seconds=st.floats(0, 20))
    def hub_sends(self, kind: str, seconds: float) -> None:
        if len(self.to_relay) < 8:
            self.to_relay.append(_Frame(kind, self.hub_knows, seconds))

    @rule()
    def frame_arrives(self) -> None:
        if not self.to_relay:
            return
        frame, was = self.to_relay.popleft(), self.gate.state
        try:
            match frame.kind:
                case "arm":
                    self.gate.arm(self.now, frame.seen)
                    assert self.block.cause is None
                    assert frame.seen == self.stopped
                    self.armed_again = True
                case "lease":
                    self.gate.lease(self.now, frame.seconds)
                    if self.gate.state is State.OPEN:
                        assert self.armed_again
                        if self.block.cause is None:
                            self.lease_ends = self.now + min(frame.seconds, 10.0)
                case "output":
                    self.gate.admit(self.now, rest=False)
        except GateShut:
            pass
        self._struck(was)

    @rule()
    def report_arrives(self) -> None:
        if self.reports:
            self.hub_knows = self.reports.popleft()

    @rule(rest=st.booleans())
    def radio_asks(self, rest: bool) -> None:
        was = self.gate.state
        passes = self.gate.passes(self.now)
        self._struck(was)
        if passes:
            assert self.block.cause is None
            assert self.armed_again
            assert self.lease_ends is not None
            assert self.now < self.lease_ends
            self.gate.wrote(self.now, rest=rest)
            self.passed += 1

    @rule(cause=st.sampled_from([*StopCause, None]))
    def cause_comes(self, cause: StopCause | None) -> None:
        was = self.gate.state
        if cause in (StopCause.PAUSE, StopCause.EMERGENCY):
            self.block.cause = cause
        self.gate.strike(self.now, cause)
        self._struck(was)

    @rule()
    def wearer_resumes(self) -> None:
        self.block.cause = None

    @rule()
    def stop_is_written(self) -> None:
        if self.gate.state is State.STOPPING:
            self.gate.stop_written()
            self.reports.append(self.gate.stops)

    @rule()
    def stop_fails(self) -> None:
        if self.gate.state is State.STOPPING:
            self.gate.stop_failed(self.now)
            assert self.gate.stop_due is not None
            assert self.gate.stop_due <= self.now + RETRY_MOST_S

    @rule(seconds=st.one_of(st.floats(0, 1), st.floats(0, 100)), ticked=st.booleans())
    def time_passes(self, seconds: float, ticked: bool) -> None:
        self.now += seconds
        if ticked:
            was = self.gate.state
            self.gate.tick(self.now)
            self._struck(was)

    @invariant()
    def only_an_open_gate_has_a_deadline(self) -> None:
        assert (self.gate.deadline is not None) == (self.gate.state is State.OPEN)

    @invariant()
    def a_stop_is_due_while_stopping(self) -> None:
        assert (self.gate.stop_due is not None) == (self.gate.state is State.STOPPING)


# GATE_STEPS=1000000 is the nightly setting; without it this takes a few seconds.
_STEPS = int(os.environ.get("GATE_STEPS", "5000"))
_PATIENCE = pytest.mark.timeout(60 + _STEPS // 500)


TestAdversary = _PATIENCE(Adversary.TestCase)
TestAdversary.settings = settings(
    max_examples=max(1, _STEPS // 50), stateful_step_count=50, deadline=None
)

# How often each thing happens in a walk: frames more often than what shuts the gate.
_WEIGHTS = {
    "send": 8, "frame": 8, "report": 4, "ask": 8, "cause": 1, "resume": 2, "written": 3,
    "failed": 1, "moment": 4, "while": 1,
}  # fmt: skip


def at_random(it: Adversary, dice: random.Random, move: str) -> None:
    match move:
        case "send":
            it.hub_sends(dice.choice(["arm", "lease", "lease", "output"]), dice.random() * 20)
        case "frame":
            it.frame_arrives()
        case "report":
            it.report_arrives()
        case "ask":
            it.radio_asks(dice.random() < 0.2)
        case "cause":
            it.cause_comes(dice.choice([*StopCause, None]))
        case "resume":
            it.wearer_resumes()
        case "written":
            it.stop_is_written()
        case "failed":
            it.stop_fails()
        case "moment":
            it.time_passes(dice.random() * 0.3, dice.random() < 0.5)
        case "while":
            it.time_passes(dice.random() * 10, dice.random() < 0.5)


@_PATIENCE
def test_the_adversary_walks_at_random_for_long() -> None:
    """Without Hypothesis choosing, twenty times as many steps take no longer."""
    dice = random.Random(os.environ.get("GATE_SEED", "1"))
    passed = 0
    for _ in range(_STEPS // 10):
        it = Adversary()
        for move in dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=200):
            at_random(it, dice, move)
            it.only_an_open_gate_has_a_deadline()
            it.a_stop_is_due_while_stopping()
        passed += it.passed
    assert passed > _STEPS // 2, "an adversary that gets nothing through proves nothing"


def test_every_short_sequence_of_events_keeps_the_rules() -> None:
    """Sequences of five: writes pass only with an Arm and a lease since the last stop."""
    events = ["arm", "lease", "cause", "written", "failed", "wait"]
    for sequence in itertools.product(events, repeat=5):
        gate, now, armed, leased = Gate(Block()), 0.0, False, False
        for event in sequence:
            match event:
                case "arm":
                    try:
                        gate.arm(now, gate.stops)
                        armed = True
                    except GateShut:
                        assert gate.state is State.STOPPING
                case "lease":
                    gate.lease(now, 1)
                    leased = leased or (armed and gate.state is State.OPEN)
                case "cause":
                    if gate.strike(now, StopCause.LINK):
                        armed = leased = False
                case "written":
                    gate.stop_written()
                case "failed":
                    gate.stop_failed(now)
                case "wait":
                    now += 2
                    if gate.tick(now):
                        armed = leased = False
            assert gate.passes(now) == (armed and leased), sequence
