"""What crosses, comes late, or comes twice: the machine in values, what was written and said."""

from __future__ import annotations

from typing import Any

import pytest

from relay.link.messages import (
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    KeepAlive,
    Output,
    Packet,
    Read,
    StopCause,
    Stopped,
    Value,
    Write,
)
from relay.peripheral.actions import Cut, Dropped, RadioRefused, Taken
from relay.peripheral.gate import GateState
from relay.peripheral.limits import (
    ACTIVE_S,
    BREAK_S,
    FAILING_S,
    LET_GO_S,
    MERGE_S,
    OPERATION_S,
    PATIENCE_S,
    RETRY_FIRST_S,
    STRAGGLER_S,
)
from relay.peripheral.limits import QUEUE_MOST as MOST
from tests.relay.peripheral.bench import OFF, Bench, failing, on

ZERO = Packet(1, b"zero", keys=(1,))
OTHER = Packet(4, b"other", keys=(2,))


def running(**arm: Any) -> Bench:
    it = Bench()
    it.open(**arm)
    it.output(on())
    it.wait(0.01)
    return it


# --- a stop and a value that has not begun -----------------------------------------------------


def test_a_stop_of_one_feature_takes_back_its_value_and_leaves_the_off_of_another() -> None:
    """Both came with one command, and nothing of it had begun."""
    it = running()
    it.by_hand = True
    command = it.output(on(b"1", 1), Packet(1, b"off 2", keys=(2,)))
    stop = it.stop(ZERO, all=False)
    it.end(Dropped())
    assert it.wrote == [b"on", b"zero"]
    it.end()
    assert it.answer(stop) == Done(stop)
    assert it.wrote == [b"on", b"zero", b"off 2"]
    assert it.answer(command) is None
    it.end()
    assert it.answer(command) == Done(command, superseded=True)


def test_a_value_that_a_stop_took_back_as_a_whole_is_superseded() -> None:
    it = running()
    it.by_hand = True
    command = it.output(on(b"1", 1))
    it.stop(ZERO, all=False)
    it.end(Dropped())
    assert it.answer(command) == Done(command, superseded=True)


def test_what_was_asked_over_an_old_link_is_not_answered_over_the_next_one() -> None:
    it = running()
    it.by_hand = True
    old = it.output(on(b"old"))
    it.do(it.machine.disconnect(it.now, Disconnect(77, 7)))
    it.do(it.machine.unbind(it.now))
    it.do(it.machine.bind(it.now, 8, 0.9, 10))
    it.do(it.machine.gone(it.now, ""))
    assert it.answer(old) is None
    assert it.answer(77) is None
    assert it.over is not None
    assert it.over.reason == "the device disconnected"


@pytest.mark.parametrize("how", ["write", "read"])
def test_the_answer_to_an_old_link_is_no_answer_to_the_next_one(how: str) -> None:
    it = running()
    it.by_hand = True
    read = Read(90, 7, 2)
    it.do(it.machine.request(it.now, Write(90, 7, 1, b"w") if how == "write" else read))
    it.do(it.machine.unbind(it.now))
    it.do(it.machine.bind(it.now, 8, 0.9, 10))
    it.end()
    it.end()
    assert it.answer(90) is None


def test_a_link_that_takes_over_without_a_word_hears_nothing_of_the_one_before() -> None:
    it = running()
    it.by_hand = True
    old = it.output(on(b"old"))
    it.do(it.machine.bind(it.now, 8, 0.9, 10))
    it.end()
    assert it.answer(old) is None


def test_to_nobody_nothing_is_said() -> None:
    it = Bench(bound=False)
    it.trigger_stop(StopCause.PAUSE)
    it.wait(0.1)
    assert it.wrote == [b"disconnect"]
    assert it.said == []


def test_what_ends_twice_or_after_the_end_changes_nothing() -> None:
    it = running()
    assert it.machine.finished(it.now, Taken()) == []
    it.by_hand = True
    it.output(on(b"2"))
    it.do(it.machine.gone(it.now, "out of range"))
    said = list(it.said)
    assert it.machine.finished(it.now, Cut()) == []
    assert it.machine.gone(it.now, "again") == []
    assert it.said == said
    assert it.machine.deadline == float("inf")


# --- stops that are written once more ----------------------------------------------------------


def straggling(*stop: Packet, keepalive: KeepAlive | None = None, **how: Any) -> Bench:
    """A write was cut short by a stop, which waits to be written once more."""
    it = running(keepalive=keepalive)
    it.takes_s = None
    it.output(on(b"late"))
    it.stop(*stop, **how)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    return it


def test_the_whole_stop_that_is_repeated_is_the_last_word_beside_values_of_others() -> None:
    it = straggling()
    it.output(OTHER)
    it.wait(0.01)
    assert it.machine.may_run
    it.wait(STRAGGLER_S)
    assert it.wrote == [b"on", b"late", b"off", b"other", b"off"]
    assert not it.machine.may_run


def test_what_ran_beside_a_stop_that_is_repeated_is_not_repeated_behind_it() -> None:
    it = straggling(keepalive=KeepAlive(200))
    it.output(OTHER)
    it.keep(STRAGGLER_S + 0.5)
    assert it.wrote[-2:] == [b"off", b"off"]


@pytest.mark.parametrize("which", ["stop", "value"])
def test_without_slots_the_newest_of_a_characteristic_takes_the_place_of_all(which: str) -> None:
    keyless = which == "stop"
    it = straggling(Packet(1, b"zero", keys=() if keyless else (1,)), all=False, rest=True)
    it.output(Packet(1, b"newer", keys=(1,) if keyless else ()))
    it.wait(STRAGGLER_S + 0.1)
    assert it.wrote == [b"on", b"late", b"zero", b"newer"]


def test_part_of_a_stop_that_is_repeated_does_not_make_the_lease_of_what_runs_longer() -> None:
    it = straggling(ZERO, all=False, rest=True)
    it.output(OTHER)
    it.wait(STRAGGLER_S)
    assert it.wrote[2:] == [b"zero", b"other", b"zero"]
    it.lease()
    it.wait(ACTIVE_S + 0.01)
    assert it.wrote[-1] == b"off"


def test_an_owed_stop_that_is_armed_no_more_is_a_value_at_rest() -> None:
    it = straggling()
    it.arm(Packet(1, b"another", response=True))
    it.lease()
    it.wait(STRAGGLER_S)
    assert it.wrote[2:] == [b"off", b"off"]
    assert it.machine.may_run, "the other one is its stop now"
    assert not it.machine.gate.active


def test_a_stop_that_makes_sure_is_made_sure_of_when_something_can_still_come_late() -> None:
    it = running()
    it.output(ZERO, rest=True)
    it.keep(BREAK_S - OPERATION_S - 0.1)
    it.takes_s = None
    it.output(ZERO, rest=True, moves_ms=0)
    it.keep(OPERATION_S)
    it.takes_s = 0.0
    it.keep(0.2)
    assert it.wrote == [b"on", b"zero", b"zero", b"off"]
    assert it.machine.may_run
    it.keep(STRAGGLER_S)
    assert it.wrote[4:] == [b"off"]
    assert not it.machine.may_run


def test_what_was_no_stop_when_it_was_handed_over_settles_nothing_as_one() -> None:
    it = Bench()
    it.by_hand = True
    it.open()
    another = Packet(1, b"another", response=True)
    it.stop(another)
    it.arm(another)
    it.end()
    assert it.wrote == [b"another"]
    assert it.machine.may_run
    it.stop(another)
    it.end()
    assert not it.machine.may_run


def test_a_stop_that_is_armed_anew_under_other_slots_and_numbers_still_settles() -> None:
    it = running(keepalive=KeepAlive(100))
    it.output(rest=True)
    it.by_hand = True
    it.wait(0.1)
    assert it.wrote == [b"on", b"off"]
    it.arm(Packet(1, b"off", response=True, keys=(9,)))
    it.end()
    assert not it.machine.may_run


@pytest.mark.parametrize("silence", [True, False])
def test_arming_the_same_again_takes_no_repetition_away(silence: bool) -> None:
    alive = KeepAlive(90)
    it = Bench()
    it.open(silence=silence, none=not silence, gap_ms=100, keepalive=alive)
    it.output(on(), moves_ms=100)
    it.wait(0.095)
    assert it.wrote == [b"on"]
    it.arm(silence=silence, none=not silence, gap_ms=100, keepalive=alive)
    it.wait(0.01)
    assert it.wrote == [b"on", b"on"]
    assert it.did[1][0] == pytest.approx(100.1)


def test_part_of_a_repeated_stop_that_a_value_took_the_place_of_settles_nothing() -> None:
    it = Bench()
    both = (OFF, Packet(1, b"off 2", response=True, keys=(2,)))
    it.open(*both, keepalive=KeepAlive(100))
    it.result = failing()
    it.output(on(b"on 2", 2))
    it.wait(0)
    it.by_hand = True
    it.wait(0.1)
    assert it.wrote == [b"on 2", b"off"]
    it.output(on(b"newer", 2))
    assert it.machine.may_run
    actions = it.machine.finished(it.now, Taken())
    assert [type(action).__name__ for action in actions] == ["Operate"]


# --- what comes before the clock was looked at -------------------------------------------------


def test_a_toy_that_is_let_go_after_its_lease_ended_was_stopped_for_that() -> None:
    it = running()
    it.now += ACTIVE_S
    it.do(it.machine.leave(it.now))
    it.wait(0.1)
    assert Stopped(7, StopCause.LEASE, number=1) in it.said


def test_a_blocked_relay_feeds_no_run_before_the_strike_has_come() -> None:
    it = running(keepalive=KeepAlive(100, only_running=True))
    it.block.cause = StopCause.PAUSE
    it.wait(0.5)
    assert it.wrote == [b"on"]
    silent = Bench()
    silent.open(silence=True, keepalive=KeepAlive(100))
    silent.output(on(), moves_ms=100)
    silent.block.cause = StopCause.PAUSE
    silent.wait(0.5)
    assert silent.wrote == [b"on"]


def test_a_command_that_a_block_found_waiting_fails_once_and_as_a_whole() -> None:
    it = running(gap_ms=100)
    id = it.output(on(b"1", 1), on(b"2", 2))
    it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
    it.block.cause = StopCause.PAUSE
    it.wait(0.15)
    assert it.wrote == [b"on"]
    failed = [m.id for m in it.said if isinstance(m, Failed)]
    assert failed == [id, 80]
    it.block.cause = None
    it.output(on(b"3"))
    assert it.wrote == [b"on", b"3"]


def test_behind_a_write_that_was_refused_values_are_merged_again() -> None:
    it = running(gap_ms=100)
    it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
    it.block.cause = StopCause.PAUSE
    it.wait(0.15)
    it.block.cause = None
    it.do(it.machine.output(it.now, Output(81, 7, (on(b"3"),), merge=True)))
    assert it.wrote == [b"on"]
    it.wait(MERGE_S)
    assert it.wrote == [b"on", b"3"]


# --- moves and repetitions ---------------------------------------------------------------------


@pytest.mark.parametrize(("moves_ms", "kept"), [(1000, True), (1001, False)])
def test_a_move_of_a_second_is_waited_for_and_a_longer_one_is_not(
    moves_ms: int, kept: bool
) -> None:
    it = Bench()
    it.open(silence=True)
    it.output(on(), moves_ms=moves_ms)
    it.wait(0)
    it.trigger_stop()
    assert (b"disconnect" not in it.wrote) is kept


def test_the_longest_of_the_moves_that_were_repeated_counts() -> None:
    it = Bench()
    it.open(silence=True, keepalive=KeepAlive(500))
    it.output(on(b"1", 1), moves_ms=100)
    it.output(on(b"2", 2), moves_ms=800)
    it.keep(0.51)
    assert it.wrote == [b"1", b"2", b"1", b"2"]
    it.trigger_stop()
    it.wait(0.7)
    assert it.machine.gate.state is GateState.STOPPING
    it.wait(0.2)
    assert it.said[-1] == Stopped(7, StopCause.LINK, number=1)
    assert it.over is None


def test_one_endless_move_among_those_that_were_repeated_is_endless() -> None:
    it = Bench()
    it.open(silence=True, keepalive=KeepAlive(500))
    it.output(on(b"1", 1), rest=True, moves_ms=100)
    it.output(on(b"2", 2), rest=True)
    it.keep(BREAK_S + 0.1)
    assert it.over is None
    # The hub is believed by now, but what is repeated since moves again.
    it.keep(1)
    it.trigger_stop()
    assert it.wrote[-1] == b"disconnect"


def test_the_word_of_rest_for_one_slot_ends_the_repetition_of_every_value() -> None:
    it = running(keepalive=KeepAlive(200))
    it.output(on(b"2", 2))
    it.output(ZERO, rest=True)
    it.keep(0.5)
    assert it.wrote == [b"on", b"2", b"zero", b"zero", b"zero"]


@pytest.mark.parametrize("all", [True, False])
def test_a_whole_stop_ends_the_repetition_of_positions_and_a_part_does_not(all: bool) -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(200))
    it.output(on(b"up", 5), rest=True)
    it.stop(ZERO, all=all, rest=True)
    it.keep(0.25)
    repeated = it.wrote[2:]
    assert repeated == ([b"zero"] if all else [b"up", b"zero"])


def test_a_part_of_a_stop_at_rest_ends_the_repetition_of_every_value() -> None:
    it = running(keepalive=KeepAlive(200))
    it.stop(Packet(4, b"zero 4", keys=(4,)), all=False, rest=True)
    it.keep(0.25)
    assert it.wrote == [b"on", b"zero 4", b"zero 4"]


# --- letting go --------------------------------------------------------------------------------


def test_a_later_strike_does_not_wait_for_the_pauses_of_an_earlier_one() -> None:
    it = running()
    it.by_hand = True
    it.trigger_stop()
    it.wait(FAILING_S + LET_GO_S)
    it.end()
    assert it.machine.gate.state is GateState.SHUT
    it.arm(none=True)
    it.lease()
    it.trigger_stop(StopCause.PAUSE)
    assert it.wrote[-1] == b"disconnect"
    before = len(it.did)
    it.end(failing())
    it.wait(RETRY_FIRST_S)
    assert len(it.did) == before + 1, "after the first pause again"


def test_the_end_of_the_program_waits_for_no_pause_before_letting_go() -> None:
    it = Bench()
    it.open(none=True)
    it.output(on())
    it.wait(0)
    it.by_hand = True
    it.trigger_stop()
    it.end(failing())
    before = len(it.did)
    it.do(it.machine.end(it.now))
    assert len(it.did) == before + 1
    assert it.wrote[-1] == b"disconnect"


def test_the_pauses_between_attempts_to_let_go_double() -> None:
    it = Bench()
    it.open(none=True)
    it.output(on())
    it.wait(0)
    it.by_hand = True
    it.trigger_stop()
    pauses = []
    for _ in range(6):
        before, began = len(it.did), it.now
        it.end(failing())
        while len(it.did) == before:
            it.now = it.machine.deadline
            it.do(it.machine.tick(it.now))
        pauses.append(round(it.now - began, 3))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]


# --- what is shown -----------------------------------------------------------------------------


def test_the_bytes_of_the_armed_stop_as_they_would_be_written_next() -> None:
    it = Bench()
    assert it.machine.preview() == ()
    it.open()
    assert it.machine.preview() == (b"off",)
    it.arm(silence=True)
    assert it.machine.preview() == ()


def test_everything_that_is_counted() -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(1000), gap_ms=10)
    tally = it.machine.tally
    it.output(on())
    it.wait(0)
    it.output(on(b"2"))
    it.output(on(b"3"))
    assert tally == {"writes": 1, "superseded": 1}
    it.result = failing()
    it.wait(0.05)
    it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
    it.wait(0.05)
    assert tally == {"writes": 3, "superseded": 1, "failed": 2}
    it.stop()
    it.wait(0.06)
    assert tally["stops"] == tally["failed stops"] == 2
    it.result = Taken()
    it.wait(0.2)
    assert (tally["stops"], tally["failed stops"], tally["writes"]) == (3, 2, 3)
    it.keep(1.05)
    assert tally["repetitions"] == 1
    it.takes_s = None
    for n in range(MOST + 2):
        it.output(on(b"x", 10 + n))
    assert tally["congested"] == 1
    it.takes_s = 0.0


def test_stops_that_fail_are_counted_whoever_asked_for_them() -> None:
    it = running()
    tally = it.machine.tally
    it.output(ZERO, rest=True)
    it.keep(BREAK_S - 0.1)
    it.result = failing()
    it.keep(0.12)
    assert (tally["stops"], tally["failed stops"]) == (1, 1), "of its own"
    it.result = Taken()
    it.keep(0.2)
    assert (tally["stops"], tally["failed stops"]) == (2, 1)
    it.result = failing()
    it.trigger_stop()
    assert it.machine.gate.state is GateState.STOPPING
    it.wait(0.01)
    assert (tally["stops"], tally["failed stops"]) == (3, 2), "of a strike"


def test_stops_that_find_no_place_are_counted_and_become_a_strike() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"2"))
    for n in range(MOST):
        it.stop(Packet(1, bytes([n]), keys=(n,)), all=False)
    one_too_many = it.stop(Packet(4, b"x"), all=False)
    answer = it.answer(one_too_many)
    assert isinstance(answer, Failed)
    assert answer.code is ErrorCode.CONGESTED
    assert it.machine.tally["congested"] == 1
    assert it.machine.gate.state is GateState.STOPPING


def test_who_is_gone_says_so_once() -> None:
    it = running()
    it.do(it.machine.disconnect(it.now, Disconnect(50, 7)))
    it.wait(0.1)
    assert it.said.count(Done(50)) == 1
    assert not [m for m in it.said if isinstance(m, Disconnected)]


# --- late, and in several ways -----------------------------------------------------------------


@pytest.mark.parametrize("event", ["arm", "output", "write", "read", "stop", "cause", "finished"])
def test_whatever_comes_after_the_lease_has_ended_finds_it_being_stopped(event: str) -> None:
    it = running()
    it.by_hand = True
    if event == "finished":
        it.output(on(b"2"))
        it.output(on(b"3"))
    it.now += 3
    id = 0
    match event:
        case "arm":
            id = it.arm()
        case "output":
            id = it.output(on(b"2"))
        case "write":
            it.do(it.machine.request(it.now, Write(id := 80, 7, 1, b"w")))
        case "read":
            it.do(it.machine.request(it.now, Read(80, 7, 2)))
        case "stop":
            it.stop(ZERO, all=False)
        case "cause":
            it.trigger_stop(StopCause.PAUSE)
        case "finished":
            it.end()
    assert it.wrote[-1] == b"off"
    assert it.machine.gate.state is GateState.STOPPING
    cause = StopCause.PAUSE if event == "cause" else StopCause.STALL
    assert (it.machine.gate.cause, it.machine.gate.n) == (cause, 2 if event == "cause" else 1)
    if id:
        answer = it.answer(id)
        assert isinstance(answer, Failed)
        assert answer.code is ErrorCode.GATE


def test_a_write_counts_from_when_it_came_however_long_it_waits() -> None:
    it = Bench()
    it.open()
    it.takes_s = None
    it.do(it.machine.request(it.now, Read(80, 7, 2)))
    it.do(it.machine.request(it.now, Write(81, 7, 1, b"w")))
    it.wait(ACTIVE_S + 0.01)
    assert it.machine.gate.state is GateState.STOPPING


def test_a_toy_that_took_a_stop_once_still_owes_one_for_what_came_later() -> None:
    it = running()
    it.stop()
    it.wait(0)
    assert not it.machine.may_run
    it.output(on())
    it.wait(0)
    it.result = failing()
    it.trigger_stop()
    it.wait(10)
    assert it.over is not None
    assert it.over.owes


@pytest.mark.parametrize("what", ["read", "write", "write that a stop took back"])
def test_behind_whatever_was_carried_out_alone_values_are_merged_again(what: str) -> None:
    it = running()
    it.by_hand = True
    if what == "read":
        it.do(it.machine.request(it.now, Read(80, 7, 2)))
    else:
        it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
    if what.startswith("write that"):
        it.stop()
        it.end(Dropped())
    it.end()
    before = len(it.wrote)
    it.do(it.machine.output(it.now, Output(81, 7, (on(b"3"),), merge=True)))
    assert len(it.wrote) == before
    it.wait(MERGE_S)
    assert it.wrote[-1] == b"3"


def test_a_silent_toy_that_goes_while_it_is_being_stopped_has_stopped_for_its_hub() -> None:
    it = Bench()
    it.open(silence=True)
    it.output(on(), moves_ms=800)
    it.wait(0)
    stop = it.stop(seen=None)
    it.do(it.machine.gone(it.now, "out of range"))
    assert Stopped(7, StopCause.RADIO, number=0) in it.said
    assert it.answer(stop) == Done(stop)


def test_a_silent_toy_whose_move_was_cut_short_may_begin_it_a_while_later() -> None:
    it = Bench()
    it.open(silence=True)
    it.by_hand = True
    it.output(on(), moves_ms=300)
    it.wait(0.1)
    it.do(it.machine.trigger_stop(it.now, StopCause.PAUSE))
    it.end(Cut())
    cut = it.now
    it.by_hand = False
    it.wait(STRAGGLER_S + 0.3 - 0.01)
    assert not [each for each in it.said if isinstance(each, Stopped)]
    it.wait(0.02)
    assert [each for each in it.said if isinstance(each, Stopped)]
    assert it.now == pytest.approx(cut + STRAGGLER_S + 0.31)


def test_a_cause_that_finds_nothing_to_stop_leaves_a_read_alone() -> None:
    it = Bench()
    it.arm()
    it.do(it.machine.trigger_stop(it.now, StopCause.PAUSE))
    it.wait(1)
    it.by_hand = True
    it.do(it.machine.request(it.now, Read(50, 7, 3)))
    assert not it.machine.trigger_stop(it.now, StopCause.RADIO)
    it.end(Taken(b"55"))
    assert it.answer(50) == Value(50, b"55")


def test_a_position_that_is_repeated_puts_off_nothing() -> None:
    """Ten seconds after the hub's word the relay makes sure, whatever was repeated since."""
    it = running(keepalive=KeepAlive(1000))
    it.output(on(b"up", 5), rest=True)
    it.keep(BREAK_S + 0.5)
    assert b"off" in it.wrote


def test_the_word_of_rest_does_not_count_while_part_of_it_was_replaced() -> None:
    it = running(gap_ms=50)
    it.wait(0.1)
    it.by_hand = True
    it.output(ZERO, Packet(1, b"zero 2", keys=(2,)), rest=True)
    it.output(on(b"2", 2))
    it.end()
    assert it.machine.gate.active


def test_what_is_let_go_and_has_gone_meanwhile_is_stopped_where_that_is_its_stop() -> None:
    it = Bench()
    it.open(none=True)
    it.output(on())
    it.wait(0)
    it.by_hand = True
    it.trigger_stop()
    it.end(RadioRefused(ErrorCode.GONE, "not there"))
    assert it.over is not None
    assert it.over.reason == "letting it go is its stop"
    assert Stopped(7, StopCause.LINK, number=1) in it.said


def test_what_was_stopped_and_cannot_be_let_go_is_gone_for_the_relay_all_the_same() -> None:
    it = running()
    it.by_hand = True
    it.trigger_stop()
    it.end()
    it.do(it.machine.leave(it.now))
    assert it.wrote[-1] == b"disconnect"
    it.end(failing())
    assert it.over is not None


def test_at_the_end_of_the_program_a_toy_that_was_not_let_go_is_not_said_to_be_stopped() -> None:
    it = Bench()
    it.open(none=True)
    it.output(on())
    it.wait(0)
    it.by_hand = True
    it.do(it.machine.end(it.now))
    it.do(it.machine.await_stop(it.now, "token"))
    it.end(Cut())
    (told,) = it.told
    assert told.code is ErrorCode.TIMEOUT


@pytest.mark.parametrize("gap_ms", [300, 450])
def test_the_second_round_counts_among_the_pauses_if_any_packet_needs_it(gap_ms: int) -> None:
    it = Bench()
    packets = (Packet(1, b"1", response=True, after_ms=600), Packet(1, b"2"))
    answer = it.answer(it.arm(*packets, gap_ms=gap_ms))
    assert isinstance(answer, Done if gap_ms == 300 else Failed)


def test_a_repeated_stop_that_a_newer_value_took_from_does_not_call_it_off() -> None:
    off_2 = Packet(1, b"off 2", response=True, keys=(2,))
    it = Bench()
    it.open(OFF, off_2)
    it.takes_s = None
    it.output(on(b"late"))
    it.stop(OFF, off_2)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    it.output(on(b"newer"))
    it.wait(STRAGGLER_S + 0.1)
    assert it.wrote == [b"late", b"off", b"off 2", b"newer", b"off 2"]
    assert it.machine.may_run


def test_what_makes_sure_and_is_armed_no_more_makes_no_lease_shorter() -> None:
    it = running()
    it.output(ZERO, rest=True)
    it.keep(BREAK_S - 0.1)
    it.by_hand = True
    it.do(it.machine.request(it.now, Read(80, 7, 2)))
    it.keep(0.2)
    it.arm(Packet(1, b"another", response=True))
    it.end()
    assert it.wrote[-1] == b"off"
    assert not it.machine.gate.active


def test_while_it_is_being_stopped_only_that_stop_settles_it() -> None:
    it = Bench(owes=True)
    it.by_hand = True
    it.open()
    assert it.wrote == [b"off"]
    it.trigger_stop(StopCause.PAUSE)
    it.end()
    assert it.machine.may_run
    it.end()
    assert it.wrote == [b"off", b"off"]
    assert not it.machine.may_run


def test_a_stop_that_a_hub_asked_for_and_was_said_to_have_failed_is_said_to_be_taken_too() -> None:
    it = running()
    it.by_hand = True
    it.stop(seen=None)
    it.wait(FAILING_S + LET_GO_S)
    assert [m.ok for m in it.said if isinstance(m, Stopped)] == [False]
    it.end()
    assert [m.ok for m in it.said if isinstance(m, Stopped)] == [False, True]
