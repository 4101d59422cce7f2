"""Values that wait for their time: each row of the table in `timed`, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.link.messages import Arm, Done, ErrorCode, Failed, Output, Packet, Stop, StopCause
from relay.peripheral import timed
from relay.peripheral.actions import Say
from relay.peripheral.gate import GateState, Lockout
from relay.peripheral.limits import (
    ACTIVE_S,
    AHEAD_S,
    BREAK_S,
    IDLE_S,
    LATE_S,
    QUEUE_MOST,
    TIMED_MOST,
)
from relay.peripheral.machine import Machine
from tests.relay.peripheral.bench import OFF, Bench, on

README = Path(__file__).resolve().parents[3] / "relay" / "link" / "README.md"


class Timing(Bench):
    """A toy at rest whose gate is open, leased as one at rest."""

    def __init__(self, max_run_s: float = 0) -> None:
        super().__init__(max_run_s=max_run_s)
        self.open()
        self.said.clear()

    def at(self, ahead_s: float, *packets: Packet, rest: bool = False, off: bool = False) -> int:
        id = self.id()
        at_us = round((self.now + ahead_s) * 1e6)
        message = Output(id, 7, packets, rest=rest, at_us=at_us, off=off)
        self.do(self.machine.output(self.now, message))
        self.wait(0)
        return id

    def halt(self, *packets: Packet, everything: bool) -> int:
        id = self.id()
        message = Stop(id, 7, packets, all=everything, seen=self.machine.gate.n)
        self.do(self.machine.stop(self.now, message))
        self.wait(0)
        return id

    def fate(self, id: int) -> str | None:
        """How the hub was answered: a code, `done`, `superseded`; None: not yet."""
        for message in self.said:
            if isinstance(message, Failed) and message.id == id:
                return message.code.value
            if isinstance(message, Done) and message.id == id:
                return "superseded" if message.superseded else "done"
        return None

    @property
    def times(self) -> list[tuple[float, bytes]]:
        """When what was handed to the radio, from the beginning."""
        return [(round(at - 100.0, 6), operation.d) for at, operation in self.did]


def test_the_table_stands_in_the_text_for_other_languages() -> None:
    rows = [line for line in (timed.__doc__ or "").splitlines() if line.startswith("|")]
    assert len(rows) == 18
    text = README.read_text(encoding="utf-8")
    assert "\n".join(rows) in text
    assert (
        f"AHEAD_S is {AHEAD_S:g} s, LATE_S {LATE_S * 1000:g} ms, TIMED_MOST {TIMED_MOST} " in text
    )


# --- the times -----------------------------------------------------------------------------------


def test_a_value_is_handed_over_at_its_time_whenever_it_came() -> None:
    it = Timing()
    first = it.at(0.3, on(b"b"))
    second = it.at(0.1, on(b"a", 2))
    assert it.fate(first) is it.fate(second) is None
    it.wait(0.5)
    assert it.times == [(0.1, b"a"), (0.3, b"b")]
    assert (it.fate(first), it.fate(second)) == ("done", "done")


def test_a_value_whose_time_is_over_by_little_is_carried_out_at_once() -> None:
    it = Timing()
    assert it.fate(it.at(-0.004, on())) == "done"
    assert it.fate(it.at(0.0, on(b"x"))) == "done"
    assert it.times == [(0.0, b"on"), (0.0, b"x")]


def test_a_late_value_is_dropped_and_a_late_off_is_carried_out_at_once() -> None:
    it = Timing()
    it.output(on())
    late = it.at(-0.006, on(b"late"))
    off = it.at(-0.006, on(b"zero"), off=True)
    assert (it.fate(late), it.fate(off)) == ("late", "done")
    assert it.wrote == [b"on", b"zero"]


def test_a_value_that_is_found_almost_too_late_goes_on_and_one_behind_it_is_counted() -> None:
    it = Timing()
    value = it.at(0.1, on())
    it.now += 0.1 + LATE_S - 0.000_05
    it.do(it.machine.tick(it.now))
    it.wait(0)
    assert it.fate(value) == "done"
    assert "late" not in it.machine.tally
    for count in (1, 2):
        assert it.fate(it.at(-2 * LATE_S, on(b"late"))) == "late"
        assert it.machine.tally["late"] == count


def test_a_value_has_its_few_milliseconds_whole() -> None:
    value = Output(1, 7, (on(),))
    assert not timed.is_late(value, 0.0, LATE_S)
    assert timed.is_late(value, 0.0, LATE_S * 1.01)


def test_two_that_are_due_at_once_leave_at_once_whatever_becomes_of_the_first() -> None:
    it = Timing()
    late, due = it.at(0.1, on(b"a")), it.at(0.1 + 2 * LATE_S, on(b"b", 2))
    it.now += 0.1 + 2 * LATE_S
    it.do(it.machine.tick(it.now))
    it.wait(0)
    assert (it.fate(late), it.fate(due)) == ("late", "done")


def test_what_is_found_late_is_dropped_too_but_for_an_off() -> None:
    it = Timing()
    value, off = it.at(0.1, on()), it.at(0.1, on(b"zero", 2), off=True)
    it.now += 0.1 + 2 * LATE_S  # the loop stood still
    it.do(it.machine.tick(it.now))
    it.wait(0)
    assert (it.fate(value), it.fate(off)) == ("late", "done")
    assert it.wrote == [b"zero"]


def test_nothing_is_decided_further_ahead_than_a_lease_lets_it_run() -> None:
    it = Timing()
    assert AHEAD_S == ACTIVE_S
    assert it.fate(it.at(AHEAD_S + 0.001, on())) == "refused"
    assert it.fate(it.at(AHEAD_S - 0.001, on())) is None


def test_what_waits_is_bounded_in_packets() -> None:
    it = Timing()
    ids = [it.at(0.1, on(b"x", n)) for n in range(TIMED_MOST)]
    assert it.fate(it.at(0.1, on(b"y", 99))) == "congested"
    assert it.fate(it.at(0.1, rest=True)) == "congested"
    assert it.fate(it.at(-0.001, on(b"z", 77))) == "done", "what is due needs no place"
    it.wait(0.2)
    assert [it.fate(id) for id in ids] == ["done"] * TIMED_MOST
    assert it.fate(it.at(0.1, on(b"y", 99))) is None


# --- newer values --------------------------------------------------------------------------------


def test_a_newer_value_of_its_slot_takes_its_place_unless_it_is_due_later() -> None:
    it = Timing()
    a, b = it.at(0.1, on(b"a")), it.at(0.3, on(b"b"))
    other = it.at(0.3, on(b"o", 2))
    it.at(0.2, on(b"c"))
    assert (it.fate(a), it.fate(b), it.fate(other)) == (None, "superseded", None)
    it.output(on(b"now"))
    assert it.fate(a) == "superseded"
    it.wait(0.5)
    assert it.times == [(0.0, b"now"), (0.3, b"o")]


def test_a_newer_value_takes_the_place_of_one_that_was_due_and_not_looked_at_yet() -> None:
    it = Timing()
    old = it.at(0.1, on(b"old"))
    it.now += 0.101
    it.output(on(b"new"))
    it.wait(0.1)
    assert it.fate(old) == "superseded"
    assert it.wrote == [b"new"]


def test_everything_at_rest_leaves_nothing_that_is_due_later() -> None:
    it = Timing()
    first, second = it.at(0.1, on(b"a")), it.at(0.3, on(b"b", 2))
    it.at(0.2, rest=True)
    assert (it.fate(first), it.fate(second)) == (None, "superseded")
    it.wait(0.25)
    assert it.times == [(0.1, b"a")]
    assert not it.machine.gate.active


@pytest.mark.parametrize("ahead_s", [AHEAD_S + 0.1, 3600.0])
def test_an_off_whose_time_is_too_far_ahead_is_carried_out_at_once(ahead_s: float) -> None:
    it = Timing()
    it.output(on(b"a"))
    older = it.at(0.1, on(b"b"))
    off = it.at(ahead_s, on(b"zero"), off=True)
    assert (it.fate(older), it.fate(off)) == ("superseded", "done")
    it.wait(0.2)
    assert it.wrote == [b"a", b"zero"]


def test_an_off_that_finds_no_place_to_wait_is_carried_out_at_once() -> None:
    it = Timing()
    it.output(on(b"a"))
    for key in range(2, TIMED_MOST + 2):
        it.at(0.1, on(b"b", key))
    assert it.fate(it.at(0.1, on(b"c"))) == "congested"
    assert it.fate(it.at(0.1, on(b"zero"), off=True)) == "done"
    assert it.wrote == [b"a", b"zero"]


def test_a_value_that_finds_no_room_at_the_radio_takes_nobodys_place() -> None:
    """An off that waits is all that will ever end what runs."""
    it = Timing()
    it.output(on(b"a"))
    off = it.at(0.1, on(b"zero"), off=True)
    it.takes_s = None
    it.output(on(b"slow", 2))
    for key in range(QUEUE_MOST):
        it.output(on(b"x", 3 + key))
    full = it.output(on(b"b"))
    assert (it.fate(full), it.fate(off)) == ("congested", None)


# --- stops ---------------------------------------------------------------------------------------


def test_every_stop_drops_what_waits_of_its_slots_or_of_none() -> None:
    for everything in (True, False):
        it = Timing()
        same, other = it.at(0.1, on(b"a")), it.at(0.1, Packet(1, b"b"))
        it.halt(on(b"zero"), everything=everything)
        assert it.fate(same) == "superseded"
        # The stop is not in its place: a hub that believed so would take it for carried out.
        assert it.fate(other) == ("superseded" if everything else "gate")
        it.wait(0.3)
        assert it.wrote == [b"zero"]


def test_what_waits_outlives_a_stop_of_other_slots_as_what_is_queued_does() -> None:
    """Else the end of a pattern on one motor ended that of somebody else on another."""
    it = Timing()
    waiting = it.at(0.1, on(b"a"))
    both = it.at(0.1, on(b"b", 2, 3))
    it.halt(on(b"stop", 3), everything=False)
    assert (it.fate(waiting), it.fate(both)) == (None, "superseded")
    it.wait(0.2)
    assert it.wrote == [b"stop", b"a"]
    assert it.fate(waiting) == "done"
    assert it.machine.gate.active


def test_an_off_that_waits_outlives_a_stop_of_something_else() -> None:
    """Else what it was to end would go on, for no other reason than that more was to end."""
    it = Timing()
    it.output(on(b"a"))
    it.output(on(b"b", 2))
    waiting = it.at(0.1, on(b"zero"), off=True)
    it.halt(on(b"stop", 2), everything=False)
    it.wait(0.2)
    assert it.wrote == [b"a", b"b", b"stop", b"zero"]
    assert it.fate(waiting) == "done"


@pytest.mark.parametrize("cause", StopCause)
def test_every_strike_drops_what_waits(cause: StopCause) -> None:
    it = Timing()
    ids = [it.at(0.1, on(b"a")), it.at(0.2, on(b"b", 2), off=True)]
    it.trigger_stop(cause)
    assert [it.fate(id) for id in ids] == ["gate", "gate"]
    it.wait(0.5)
    assert set(it.wrote) == {OFF.data}


def test_a_stop_that_its_hub_cannot_know_of_drops_it_as_well() -> None:
    it = Timing()
    waiting = it.at(0.1, on())
    it.do(it.machine.stop(it.now, Stop(it.id(), 7, (on(b"zero"),), seen=None)))
    assert it.fate(waiting) == "gate"
    it.wait(0.5)
    assert set(it.wrote) == {OFF.data}


def test_a_link_that_ends_leaves_nothing_behind() -> None:
    it = Timing()
    it.at(0.1, on())
    it.do(it.machine.unbind(it.now))
    it.wait(0.01)
    it.do(it.machine.bind(it.now, 8, 0.9, 10.0))
    it.open()
    it.wait(0.5)
    assert set(it.wrote) == {OFF.data}


def test_one_that_goes_away_answers_what_waits() -> None:
    it = Timing()
    waiting = it.at(0.1, on())
    it.do(it.machine.gone(it.now, "out of range"))
    assert it.fate(waiting) == "gone"
    assert it.machine.deadline == float("inf")


def test_behind_a_gate_that_was_shut_meanwhile_nothing_is_carried_out() -> None:
    it = Timing()
    waiting = it.at(0.1, on())
    it.block.cause = StopCause.PAUSE  # the strike that comes with it is still to come
    it.wait(0.2)
    assert it.fate(waiting) == "gate"
    assert it.wrote == []


def test_a_value_is_let_in_by_the_gate_before_it_waits() -> None:
    it = Bench()
    it.arm()
    message = Output(it.id(), 7, (on(),), at_us=round((it.now + 0.1) * 1e6))
    it.do(it.machine.output(it.now, message))
    assert it.said[-1] == Failed(
        message.id, ErrorCode.GATE, "this device is armed, but nobody leases it"
    )
    it.lease()
    it.wait(0.5)
    assert it.wrote == []


# --- what waits is neither on nor off ------------------------------------------------------------


def test_what_waits_makes_nothing_run() -> None:
    it = Timing(max_run_s=1)
    it.at(0.5, on())
    gate = it.machine.gate
    it.wait(0.4)
    assert not it.machine.may_run
    assert not gate.active
    it.wait(0.1)
    assert it.machine.may_run
    assert gate.handed_at == pytest.approx(it.now)
    # The longest run counts from there.
    for _ in range(9):
        it.lease(0.9)
        it.wait(0.1)
    assert gate.state is GateState.OPEN
    for _ in range(2):
        it.lease(0.9)
        it.wait(0.1)
    assert gate.state is GateState.SHUT


def test_an_off_that_waits_makes_nothing_rest() -> None:
    it = Timing()
    it.output(on())
    it.at(0.5, on(b"zero"), rest=True, off=True)
    it.wait(0.4)
    assert it.machine.gate.active
    assert it.machine.gate.rested_at is None
    it.wait(0.2)
    assert not it.machine.gate.active
    assert it.machine.gate.deadline <= it.now + min(BREAK_S, IDLE_S)


def test_a_hub_that_falls_silent_while_a_value_waits_lets_nothing_run_for_longer() -> None:
    """Its lease counts from when it came, as of any value."""
    it = Timing()
    it.at(0.8, on())
    it.wait(0.85)
    assert it.wrote == [b"on"]
    it.wait(0.1)
    assert set(it.wrote[1:]) == {OFF.data}


def test_a_value_at_rest_that_has_packets_takes_the_place_of_its_slots_only() -> None:
    it = Timing()
    same, other = it.at(0.3, on(b"a")), it.at(0.3, on(b"b", 2))
    it.at(0.2, on(b"zero"), rest=True)
    assert (it.fate(same), it.fate(other)) == ("superseded", None)


def test_a_value_without_packets_that_is_no_rest_takes_nobodys_place() -> None:
    it = Timing()
    waiting = it.at(0.3, on(b"a"))
    it.at(0.2)
    assert it.fate(waiting) is None


def test_what_has_no_packets_waits_for_no_time() -> None:
    """Else a later word of rest was laid on it, and it left nothing of what that had to write."""
    it = Timing()
    it.output(on(b"a"))
    id = it.at(0.1)
    assert it.answer(id) == Done(id)
    it.takes_s = 0.08
    it.output(on(b"b", 2))
    it.output(on(b"zero"), rest=True)
    it.wait(0.3)
    assert it.wrote == [b"a", b"b", b"zero"]


def test_what_has_no_packets_and_no_time_either_takes_no_place() -> None:
    it = Timing()
    it.at(0.1, on(b"b", 2))
    it.output()
    it.wait(0.2)
    assert it.wrote == [b"b"]


def test_what_has_no_packets_and_is_no_rest_takes_the_word_of_rest_back() -> None:
    it = Timing()
    it.output(on(b"a"))
    it.at(0.1, on(b"zero"), rest=True, off=True)
    it.at(0.05)
    it.wait(0.3)
    assert it.machine.gate.active


def test_an_off_is_not_the_rest_of_what_was_said_to_run_before_its_time() -> None:
    it = Timing()
    it.output(on(b"a"))
    it.at(0.2, on(b"zero"), rest=True, off=True)
    it.output(on(b"b", 2))
    it.wait(0.3)
    assert it.wrote == [b"a", b"b", b"zero"]
    assert it.machine.gate.active
    # Else it would be stopped without a word when the hub's rest is not believed any more.
    it.keep(BREAK_S + 1)
    assert it.wrote == [b"a", b"b", b"zero"]


def test_a_value_that_is_said_while_an_off_waits_runs_on_behind_that() -> None:
    it = Timing()
    it.output(on(b"a"))
    it.at(0.2, on(b"zero"), rest=True, off=True)
    it.at(0.1, on(b"b", 2))
    it.wait(0.3)
    assert it.wrote == [b"a", b"b", b"zero"]
    assert it.machine.gate.active


def test_a_value_that_is_due_first_makes_no_rest_of_the_last() -> None:
    it = Timing()
    it.at(0.2, on(b"b", 2))
    it.at(0.1, on(b"a"))
    it.wait(0.3)
    assert it.wrote == [b"a", b"b"]
    assert it.machine.gate.active


def test_everything_is_at_rest_with_the_last_off_that_waits() -> None:
    for ahead_s, rest_ahead_s in ((0.1, 0.0), (0.2, 0.1)):
        it = Timing()
        it.output(on(b"a"))
        it.output(on(b"b", 2))
        it.at(ahead_s, on(b"zero a"), off=True)
        it.at(rest_ahead_s, on(b"zero b", 2), rest=True, off=True)
        it.wait((ahead_s + rest_ahead_s) / 2)
        assert it.wrote[-1] == b"zero b"
        assert it.machine.gate.active
        it.wait(0.2)
        assert it.wrote[-1] == b"zero a"
        assert not it.machine.gate.active


def test_behind_a_stop_of_the_rest_everything_rests_with_the_off_that_waits() -> None:
    it = Timing()
    it.output(on(b"a"))
    it.output(on(b"b", 2))
    it.at(0.1, on(b"zero"), off=True)
    message = Stop(it.id(), 7, (on(b"stop", 2),), all=False, rest=True, seen=0)
    it.do(it.machine.stop(it.now, message))
    it.wait(0.05)
    assert it.machine.gate.active
    it.wait(0.1)
    assert not it.machine.gate.active


def test_of_two_values_for_one_moment_the_newer_one_counts() -> None:
    it = Timing()
    older = it.at(0.2, on(b"a"))
    it.at(0.2, on(b"b"))
    assert it.fate(older) == "superseded"
    it.wait(0.3)
    assert it.times == [(0.2, b"b")]


def test_what_is_due_now_and_finds_no_place_leaves_what_waits() -> None:
    it = Timing()
    it.by_hand = True
    it.output(*(on(b"x", n) for n in range(2, QUEUE_MOST + 2)))
    later = it.at(0.1, on(b"later"))
    assert it.fate(it.at(0, on(b"now"), on(b"now", 0))) == "congested"
    assert it.fate(later) is None


def test_what_is_as_far_ahead_as_may_be_has_no_place_rather_than_too_much_time() -> None:
    machine = Machine(Lockout(), 0.0)
    machine.bind(0.0, 7, 0.9, 10)
    machine.arm(0.0, Arm(1, 7, (Packet(1, b"off"),), seen=0))
    machine.lease(0.0, 5.0)
    machine.output(0.0, Output(2, 7, (on(),) * TIMED_MOST, at_us=500_000))
    (said,) = machine.output(0.0, Output(3, 7, (on(),), at_us=round(AHEAD_S * 1e6)))
    assert isinstance(said, Say)
    assert isinstance(said.message, Failed)
    assert said.message.code is ErrorCode.CONGESTED
