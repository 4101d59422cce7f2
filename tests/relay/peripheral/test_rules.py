"""The rules of the machine, one after the other, in values: what was written and what was said."""

from __future__ import annotations

import pytest

from relay.link.messages import (
    Counter,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    KeepAlive,
    Output,
    Packet,
    Read,
    Stop,
    StopCause,
    Stopped,
    Value,
    Write,
)
from relay.peripheral.actions import (
    Cut,
    Dropped,
    KeepRecord,
    Operate,
    RadioRefused,
    ShortenDeadline,
    StopOutcome,
    Taken,
    What,
)
from relay.peripheral.gate import GateState, Lockout
from relay.peripheral.limits import (
    ACTIVE_S,
    BREAK_S,
    FAILING_EMERGENCY_S,
    FAILING_S,
    IDLE_S,
    LAST_LET_GO_S,
    LAST_STOP_S,
    LET_GO_S,
    MERGE_S,
    OPERATION_S,
    PATIENCE_S,
    STRAGGLER_S,
)
from relay.peripheral.machine import Machine
from tests.relay.peripheral.bench import OFF, Bench, failing, on

ZERO = Packet(1, b"zero", keys=(1,))


def running(**arm: object) -> Bench:
    it = Bench()
    it.open(**arm)  # type: ignore[arg-type]  # passed on as it is
    it.output(on())
    it.wait(0.01)
    return it


# --- a: outside OPEN nothing but the armed stop ------------------------------------------------


def test_a_stop_that_crossed_a_strike_starts_nothing() -> None:
    it = running()
    it.trigger_stop(StopCause.EMERGENCY)
    late = it.stop(on(b"motor 2"), all=False, seen=0)
    it.wait(5)
    assert it.wrote == [b"on", b"off"]
    assert it.answer(late) == Done(late)


def test_reads_pass_in_every_state_but_never_before_a_due_stop() -> None:
    it = running()
    it.takes_s = 0.05
    it.trigger_stop()
    it.do(it.machine.request(it.now, Read(90, 7, 1)))
    it.wait(0.5)
    assert it.wrote == [b"on", b"off", b"read"]
    assert it.answer(90) == Value(90, b"")


def test_packets_of_a_stop_in_open_count_like_values() -> None:
    it = Bench()
    it.open()
    it.stop(on(b"motor 2"), all=False)
    it.wait(0.01)
    assert it.machine.may_run
    it.wait(ACTIVE_S)
    assert it.wrote == [b"motor 2", b"off"]


# --- b: a strike drops what waits; what was cut comes after its stop ---------------------------


def test_a_strike_drops_everything_that_waits() -> None:
    it = running(gap_ms=100)
    values = [it.output(on(b"1", 1)), it.output(on(b"2", 2))]
    it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
    it.trigger_stop()
    it.wait(1)
    assert it.wrote == [b"on", b"off"]
    for id in (*values, 80):
        answer = it.answer(id)
        assert isinstance(answer, Failed)
        assert answer.code is ErrorCode.GATE


def test_dropped_stops_get_the_outcome_of_the_armed_stop() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"2"))
    stops = [it.stop(), it.stop(on(b"x", 3), all=False)]
    it.trigger_stop()
    assert it.answer(stops[0]) is None
    it.end(Dropped())
    assert it.wrote == [b"on", b"off"]
    it.end()
    assert [it.answer(id) for id in stops] == [Done(id) for id in stops]


def test_a_command_whose_rest_a_strike_dropped_has_failed() -> None:
    it = running()
    it.by_hand = True
    id = it.output(on(b"1"), on(b"2", 2))
    it.trigger_stop()
    it.end()
    answer = it.answer(id)
    assert isinstance(answer, Failed)
    assert answer.code is ErrorCode.GATE


@pytest.mark.parametrize("how", ["strike", "whole stop", "part"])
def test_a_write_that_was_cut_short_counts_as_written_behind_the_stop(how: str) -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"late"))
    if how == "strike":
        it.trigger_stop()
    elif how == "whole stop":
        it.stop()
    else:
        it.stop(ZERO, all=False, rest=True)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    last = b"zero" if how == "part" else b"off"
    assert it.wrote == [b"on", b"late", last]
    assert it.machine.may_run, "it may still come"
    it.wait(STRAGGLER_S)
    assert it.wrote == [b"on", b"late", last, last]
    assert it.machine.may_run == (how == "part")


def test_the_stop_that_is_repeated_leaves_newer_values_alone() -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"late", 2))
    it.stop(Packet(1, b"zero2", keys=(2,)), Packet(1, b"zero1", keys=(1,)), all=True, rest=True)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    it.output(on(b"newer", 1))
    it.wait(STRAGGLER_S)
    assert it.wrote[2:] == [b"zero2", b"zero1", b"newer", b"zero2"]


def test_what_has_not_begun_does_not_begin_behind_a_strike() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"never"))
    it.do(it.machine.request(it.now, Read(90, 7, 1)))
    it.trigger_stop()
    it.end(Dropped())
    it.end()
    it.end()
    assert it.wrote == [b"on", b"off", b"read"]
    assert isinstance(it.answer(90), Value)


# --- c: a strike ends with the toy stopped or let go -------------------------------------------


def test_a_cause_behind_a_shut_gate_finds_nothing_to_do_only_if_the_stop_was_taken() -> None:
    it = running()
    it.trigger_stop()
    it.wait(0.1)
    it.trigger_stop(StopCause.EMERGENCY)
    it.wait(0.1)
    assert it.wrote == [b"on", b"off"]
    fresh = Bench()
    fresh.trigger_stop(StopCause.PAUSE)
    fresh.wait(0.1)
    assert fresh.wrote == [b"disconnect"], "nobody knows what it does, or how to stop it"


def test_silence_stops_when_the_longest_move_is_over() -> None:
    it = Bench()
    it.open(silence=True)
    it.output(on(b"1", 1), moves_ms=800)
    it.output(on(b"2", 2), moves_ms=100)
    it.wait(0.01)
    it.trigger_stop()
    it.wait(0.7)
    assert it.machine.gate.state is GateState.STOPPING
    it.wait(0.1)
    assert it.said[-1] == Stopped(7, StopCause.LINK, number=1)
    assert it.over is None


@pytest.mark.parametrize("result", [Taken(), failing()])
def test_a_move_is_over_so_long_after_the_radio_was_done_with_it(
    result: Taken | RadioRefused,
) -> None:
    it = Bench()
    it.open(silence=True)
    it.takes_s, it.result = 0.6, result
    it.output(on(), moves_ms=300)
    it.wait(0.55)
    it.trigger_stop()
    it.wait(0.3)
    assert it.machine.may_run
    it.wait(0.1)
    assert not it.machine.may_run
    assert it.over is None


@pytest.mark.parametrize("what", ["long", "endless", "write", "stop"])
def test_what_moves_for_longer_or_nobody_knows_how_long_is_let_go(what: str) -> None:
    it = Bench()
    it.open(silence=True)
    match what:
        case "long":
            it.output(on(), moves_ms=1500)
        case "endless":
            it.output(on())
        case "write":
            it.do(it.machine.request(it.now, Write(80, 7, 1, b"w")))
        case "stop":
            it.stop(on(), all=False)
    it.wait(0.01)
    it.trigger_stop()
    it.wait(0.1)
    assert it.wrote[-1] == b"disconnect"
    assert it.over is not None
    assert not it.over.owes
    assert it.said[-2:] == [Stopped(7, StopCause.LINK, number=1), Disconnected(7, it.over.reason)]


def test_without_an_armed_stop_letting_go_is_its_stop() -> None:
    it = Bench()
    it.open(none=True)
    it.output(on())
    it.wait(0.01)
    it.trigger_stop()
    it.wait(0.1)
    assert it.wrote == [b"on", b"disconnect"]
    assert it.over is not None
    assert not it.over.owes


# --- d, e: on when handed over, off when taken; three clocks -----------------------------------


def test_an_off_that_failed_changes_nothing() -> None:
    it = running()
    it.result = failing()
    it.output(ZERO, rest=True)
    it.wait(0.01)
    it.result = Taken()
    it.lease()
    it.wait(ACTIVE_S + 0.01)
    assert it.wrote == [b"on", b"zero", b"off"]


def test_an_on_that_failed_was_handed_over() -> None:
    it = Bench()
    it.open()
    it.result = failing()
    it.output(on())
    it.wait(0.01)
    assert it.machine.may_run
    it.result = Taken()
    it.wait(ACTIVE_S)
    assert it.wrote == [b"on", b"off"]


@pytest.mark.parametrize("welcome_s", [0.3, 60.0])
def test_welcome_only_shortens_leases(welcome_s: float) -> None:
    it = Bench(bound=False)
    it.do(it.machine.bind(it.now, 7, welcome_s, welcome_s))
    it.open()
    assert it.machine.deadline == it.now + min(welcome_s, IDLE_S)
    it.output(on())
    it.wait(min(welcome_s, ACTIVE_S) + 0.01)
    assert it.wrote == [b"on", b"off"]


@pytest.mark.parametrize("what", ["output", "write", "stop", "keep-alive"])
def test_the_short_lease_holds_from_the_first_packet_whatever_brought_it(what: str) -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(300) if what == "keep-alive" else None)
    match what:
        case "output" | "keep-alive":
            it.output(on())
        case "write":
            it.do(it.machine.request(it.now, Write(80, 7, 1, b"on")))
        case "stop":
            it.stop(on(), all=False)
    it.wait(0.5)
    it.lease()
    it.wait(ACTIVE_S + 0.05)
    assert it.wrote[-1] == b"off"
    assert it.machine.gate.state is GateState.SHUT


def test_rest_that_was_taken_brings_the_long_lease_back() -> None:
    it = running()
    it.output(ZERO, rest=True)
    it.wait(0.01)
    it.lease()
    it.wait(IDLE_S - 0.1)
    assert it.machine.gate.state is GateState.OPEN


def test_rest_that_was_taken_gives_back_what_was_left_of_the_long_lease() -> None:
    """A hub that beats slowly asks something of a toy at rest, and says so right behind it."""
    it = Bench()
    it.open()
    it.do(it.machine.request(it.now, Write(80, 7, 1, b"battery?")))
    it.wait(0.01)
    it.output(rest=True)
    it.wait(IDLE_S - 0.1)
    assert it.wrote == [b"battery?"]
    assert it.machine.gate.state is GateState.OPEN


@pytest.mark.parametrize("what", ["output", "write", "stop", "liar"])
def test_the_longest_run_counts_whatever_brought_it(what: str) -> None:
    it = Bench(max_run_s=3)
    it.open()
    match what:
        case "output":
            it.output(on())
        case "write":
            it.do(it.machine.request(it.now, Write(80, 7, 1, b"on")))
        case "stop":
            it.stop(on(), all=False)
        case "liar":
            it.output(on(), rest=True)
    it.keep(5)
    assert it.wrote == [b"on", b"off"]
    assert it.said[-1] == Stopped(7, StopCause.RUN_TIME, number=1)


def test_a_while_after_rest_the_relay_makes_sure_itself() -> None:
    it = running()
    it.output(ZERO, rest=True)
    it.keep(BREAK_S - 0.5)
    assert it.wrote == [b"on", b"zero"]
    assert it.machine.may_run
    it.keep(1)
    assert it.wrote == [b"on", b"zero", b"off"]
    assert not it.machine.may_run
    assert it.machine.gate.state is GateState.OPEN
    it.keep(2 * BREAK_S)
    assert it.wrote == [b"on", b"zero", b"off"]


@pytest.mark.parametrize("how", ["none", "silence"])
def test_where_the_stop_has_no_packets_the_hub_is_believed_after_a_while(how: str) -> None:
    it = Bench()
    it.open(none=how == "none", silence=how == "silence")
    it.output(on())
    it.output(rest=True)
    it.keep(BREAK_S + 0.5)
    assert it.wrote == [b"on"]
    assert not it.machine.may_run


def test_a_stop_with_the_packets_of_the_armed_one_is_one_running_numbers_aside() -> None:
    it = Bench()
    off = Packet(1, b"\x00off", response=True, counter=Counter(0))
    it.open(off)
    it.output(Packet(1, b"\x00on", counter=Counter(0)))
    it.wait(0.01)
    it.stop(Packet(1, b"\x07off", response=True, counter=Counter(0)), rest=True)
    it.wait(0.01)
    assert it.wrote == [b"\x00on", b"\x01off"]
    assert not it.machine.may_run


def test_the_loop_that_stood_still_is_told_as_such() -> None:
    it = running()
    it.now += 5
    it.lease()
    it.wait(0.1)
    assert it.said[-1] == Stopped(7, StopCause.STALL, number=1)


# --- f: pauses are bounded, the radio's own time is not ----------------------------------------


def test_a_stop_that_pauses_for_too_long_is_refused() -> None:
    it = Bench()
    slow = tuple(Packet(1, bytes([n]), response=True, after_ms=500) for n in range(3))
    answer = it.answer(it.arm(*slow))
    assert isinstance(answer, Failed)
    assert answer.code is ErrorCode.REFUSED
    assert "1.5 s" in answer.text
    shorter = it.arm(*slow[:2])
    assert it.answer(shorter) == Done(shorter)


def test_a_slow_radio_is_stopped_to_the_last_packet() -> None:
    it = Bench()
    it.open(*(Packet(1, bytes([n]), response=True, keys=(n,)) for n in (1, 2, 3)))
    it.output(on())
    it.wait(0.01)
    it.takes_s = 0.6
    it.trigger_stop()
    it.wait(4)
    assert it.wrote == [b"on", b"\1", b"\2", b"\3"]
    assert it.said[-1] == Stopped(7, StopCause.LINK, number=1)


def test_a_further_try_goes_on_behind_what_was_taken() -> None:
    it = Bench()
    it.open(Packet(1, b"1", response=True), Packet(1, b"2", response=True))
    it.by_hand = True
    it.trigger_stop()
    it.end()
    it.end(failing())
    it.by_hand = False
    it.wait(1)
    assert it.wrote == [b"1", b"2", b"2"]


def test_packets_that_nobody_acknowledges_are_written_once_more() -> None:
    it = Bench()
    it.open(Packet(1, b"a"), Packet(1, b"b", response=True), Packet(1, b"c"))
    it.trigger_stop()
    it.wait(1)
    assert it.wrote == [b"a", b"b", b"c", b"a", b"c"]


@pytest.mark.parametrize(
    ("cause", "seconds"),
    [(StopCause.LINK, FAILING_S), (StopCause.EMERGENCY, FAILING_EMERGENCY_S)],
)
def test_what_takes_no_stop_is_let_go_and_owes_one(cause: StopCause, seconds: float) -> None:
    it = running()
    struck = it.now
    it.result = failing()
    it.trigger_stop(cause)
    it.do(it.machine.await_stop(it.now, "token"))
    it.wait(10)
    assert it.wrote[-1] == b"disconnect"
    assert seconds <= it.did[-1][0] - struck < seconds + 0.6
    assert it.over is not None
    assert it.over.owes
    # That the radio did not take a stop would be said only if it had not even let go.
    assert not [m for m in it.said if isinstance(m, Stopped)]
    (told,) = it.told
    assert told.token == "token"
    assert told.code is ErrorCode.RADIO


def test_only_when_even_letting_go_fails_is_that_said_and_both_go_on() -> None:
    it = running()
    it.by_hand = True
    it.trigger_stop()
    stop = it.stop()
    it.wait(FAILING_S)
    assert it.wrote[-1] == b"disconnect"
    it.wait(LET_GO_S)
    assert it.said[-2:] == [
        Stopped(7, StopCause.LINK, False, "the radio operation took too long", 1),
        Failed(stop, ErrorCode.TIMEOUT, "the radio operation took too long"),
    ]
    it.wait(20)
    assert it.wrote.count(b"disconnect") > 2
    assert it.wrote.count(b"off") > 2
    it.by_hand = False
    it.end(Cut())
    it.wait(5)
    assert it.said[-1] == Stopped(7, StopCause.LINK, number=1)


def test_the_stronger_cause_is_told_and_counted() -> None:
    it = running()
    it.by_hand = True
    it.trigger_stop(StopCause.LEASE)
    it.trigger_stop(StopCause.EMERGENCY)
    it.trigger_stop(StopCause.PAUSE)
    it.end()
    assert it.said[-1] == Stopped(7, StopCause.EMERGENCY, number=2)


# --- g: rest is said by the message; keep-alives -----------------------------------------------


def test_rest_without_a_packet_ends_every_repetition() -> None:
    it = Bench()
    it.open(silence=True, keepalive=KeepAlive(100))
    it.output(on(), moves_ms=200)
    it.wait(0.55)
    assert it.wrote == [b"on"] * 6
    id = it.output(rest=True)
    assert it.answer(id) == Done(id)
    it.keep(3)
    assert it.wrote == [b"on"] * 6


def test_rest_without_a_packet_leaves_no_value_that_came_before_it() -> None:
    it = running(gap_ms=100)
    waiting = it.output(on(b"2", 2))
    rest = it.output(rest=True)
    it.wait(1)
    assert it.wrote[:1] == [b"on"]
    assert b"2" not in it.wrote
    assert it.answer(waiting) == Done(waiting, superseded=True)
    assert it.answer(rest) == Done(rest)


def test_a_toy_that_needs_traffic_is_fed_with_its_stop_also_while_paused() -> None:
    it = running(keepalive=KeepAlive(1000))
    it.block.cause = StopCause.PAUSE
    it.trigger_stop(StopCause.PAUSE)
    it.wait(5.5)
    assert it.wrote == [b"on", *[b"off"] * 6]
    assert len([m for m in it.said if isinstance(m, Stopped)]) == 1


def test_in_open_a_position_is_repeated_and_at_rest_the_stop() -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(1000))
    it.keep(1.5)
    assert it.wrote == [b"off"]
    it.output(on(b"up"), rest=True)
    it.keep(2.5)
    assert it.wrote == [b"off", b"up", b"up", b"up"]


def test_a_conditional_keep_alive_ends_with_the_run_and_the_lease() -> None:
    it = running(keepalive=KeepAlive(200, Packet(1, b"k"), only_running=True))
    it.wait(0.5)
    assert it.wrote == [b"on", b"k", b"k"]
    it.output(ZERO, rest=True)
    it.keep(2)
    assert it.wrote == [b"on", b"k", b"k", b"zero"]
    it.wait(20)
    # Once to make sure, and once because the lease has ended.
    assert it.wrote == [b"on", b"k", b"k", b"zero", b"off", b"off"]


def test_a_stop_of_one_feature_that_is_the_armed_stop_ends_every_repetition() -> None:
    """With one motor both are the same bytes; what ran before must not come back with the next."""
    it = running(keepalive=KeepAlive(200))
    it.stop(OFF, all=False, rest=False)
    it.keep(1)
    assert it.wrote[0] == b"on"
    assert b"on" not in it.wrote[1:]


def test_a_value_that_failed_is_not_repeated() -> None:
    it = running(keepalive=KeepAlive(200))
    it.result = failing()
    it.output(on(b"failed"))
    it.wait(0.01)
    it.result = Taken()
    it.wait(0.5)
    assert it.wrote == [b"on", b"failed", b"on", b"on"]


# --- j: unknown is running ---------------------------------------------------------------------


def test_one_that_ran_when_it_was_lost_is_stopped_before_it_takes_a_value() -> None:
    it = Bench(owes=True)
    assert it.machine.may_run
    it.by_hand = True
    it.open()
    value = it.output(on())
    assert it.wrote == [b"off"]
    it.end(failing())
    it.wait(0.06)
    it.end()
    assert it.wrote == [b"off", b"off", b"on"]
    it.end()
    assert it.answer(value) == Done(value)


def test_one_that_is_lost_again_before_that_still_owes_it() -> None:
    it = Bench(owes=True)
    it.do(it.machine.gone(it.now, "out of range"))
    assert it.over is not None
    assert it.over.owes


@pytest.mark.parametrize("stopped", [False, True])
def test_what_is_lost_while_it_may_run_owes_a_stop(stopped: bool) -> None:
    it = running()
    if stopped:
        it.stop()
        it.wait(0.01)
    it.do(it.machine.gone(it.now, "out of range"))
    assert it.over is not None
    assert it.over.owes is not stopped


# --- leaving and the end -----------------------------------------------------------------------


def test_leaving_stops_first_and_answers_everybody() -> None:
    it = running()
    it.do(it.machine.disconnect(it.now, Disconnect(90, 7)))
    it.do(it.machine.disconnect(it.now, Disconnect(91, 7)))
    it.wait(1)
    assert it.wrote == [b"on", b"off", b"disconnect"]
    assert (it.answer(90), it.answer(91)) == (Done(90), Done(91))
    assert not [m for m in it.said if isinstance(m, Disconnected)]


def test_whoever_asks_for_something_afterwards_hears_that_it_is_gone() -> None:
    it = running()
    it.do(it.machine.gone(it.now, "out of range"))
    it.do(it.machine.await_stop(it.now, "token"))
    for id in (it.output(on()), it.stop(), it.arm()):
        assert it.answer(id) == Failed(id, ErrorCode.GONE, "out of range")
    assert it.told == [StopOutcome("token")]


@pytest.mark.parametrize("hangs", [False, True])
def test_at_the_end_of_the_program_it_is_stopped_and_let_go_in_time(hangs: bool) -> None:
    it = running()
    it.by_hand = hangs
    if hangs:
        it.output(on(b"late"))
        it.end(Cut())
    began = it.now
    it.do(it.machine.end(it.now))
    it.wait(5)
    assert it.wrote[-2:] == [b"off", b"disconnect"]
    assert it.over is not None
    assert it.did[-1][0] - began <= LAST_STOP_S + 0.001
    assert it.over.owes is hangs
    assert it.did[-1][1].limit_s == LAST_LET_GO_S


def test_letting_go_that_the_end_of_the_program_cut_short_is_done_again() -> None:
    it = running()
    it.stop()
    it.wait(0.01)
    it.by_hand = True
    it.do(it.machine.leave(it.now))
    it.end()
    assert it.wrote[-1] == b"disconnect"
    # What was under way has ended with its task.
    it.forget()
    it.do(it.machine.end(it.now))
    assert it.wrote[-2:] == [b"disconnect", b"disconnect"]
    it.end()
    assert it.over is not None


def test_a_lost_link_leaves_nothing_for_the_next_one() -> None:
    it = running(gap_ms=100)
    it.output(on(b"2", 2))
    it.do(it.machine.request(it.now, Read(90, 7, 1)))
    it.by_hand = True
    said = len(it.said)
    it.do(it.machine.unbind(it.now))
    it.do(it.machine.bind(it.now, 8, 0.9, 10))
    it.by_hand = False
    it.end()
    it.wait(1)
    assert it.wrote == [b"on", b"off"]
    assert [m for m in it.said[said:] if not isinstance(m, Stopped)] == []
    assert it.machine.gate.n == 0


def test_a_flood_of_different_stops_is_one_strike() -> None:
    it = running()
    it.by_hand = True
    ids = [it.stop(Packet(1, n.to_bytes(2, "big"), keys=(n,)), all=False) for n in range(300)]
    it.end()
    it.by_hand = False
    it.wait(3)
    answers = [it.answer(id) for id in ids]
    assert all(isinstance(each, Done) for each in answers[:256])
    congested = [each for each in answers if isinstance(each, Failed)]
    assert [each.code for each in congested] == [ErrorCode.CONGESTED]
    assert it.wrote[-1] == b"off"


def test_refused_and_gone_are_different_ends_of_a_write() -> None:
    it = Bench()
    it.open()
    it.result = RadioRefused(ErrorCode.GONE, "it went away")
    id = it.output(on())
    it.wait(0.1)
    assert it.answer(id) == Failed(id, ErrorCode.GONE, "it went away")
    assert it.over is not None
    assert it.said[-1] == Disconnected(7, "it went away")


# --- found by the model (tests/faults/test_machine_model.py) -----------------------------------

BOTH = (Packet(1, b"off1", response=True, keys=(1,)), Packet(1, b"off2", response=True, keys=(2,)))


def test_a_stop_of_the_relays_own_with_something_in_between_is_no_last_word() -> None:
    it = Bench(owes=True)
    it.by_hand = True
    it.open(*BOTH)
    it.stop(on(b"motor 1", 1), all=False)
    for _ in range(3):
        it.end()
    assert it.wrote[:3] == [b"off1", b"motor 1", b"off2"]
    assert it.machine.may_run


@pytest.mark.parametrize("takes_s", [0.0, 0.1])
def test_a_keep_alive_of_the_stop_with_something_in_between_is_no_last_word(takes_s: float) -> None:
    it = Bench()
    it.open(*BOTH, keepalive=KeepAlive(1000))
    it.by_hand = True
    it.wait(1 + takes_s)
    it.stop(on(b"motor 1", 1), all=False)
    for _ in range(3):
        it.end()
    assert it.wrote[-3:] == [b"off1", b"motor 1", b"off2"]
    assert it.machine.may_run


def test_arming_again_begins_the_owed_stop_anew() -> None:
    it = Bench(owes=True)
    it.by_hand = True
    it.open(*BOTH)
    it.end()
    it.arm(*BOTH)
    it.end()
    assert it.machine.may_run
    it.by_hand = False
    it.end()
    it.wait(0.1)
    assert it.wrote == [b"off1", b"off2", b"off1", b"off2"]
    assert not it.machine.may_run


def test_a_read_that_never_began_is_not_begun_for_the_next_link() -> None:
    it = running()
    it.by_hand = True
    it.do(it.machine.request(it.now, Read(90, 7, 1)))
    it.do(it.machine.unbind(it.now))
    it.end(Dropped())
    it.by_hand = False
    it.end()
    it.wait(1)
    assert b"read" not in it.wrote


def test_a_later_value_does_not_end_the_wait_for_one_that_was_cut() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"late", 2))
    it.stop(ZERO, all=False, rest=True)
    it.wait(PATIENCE_S)
    it.end()
    it.output(on(b"3", 3))
    it.end()
    it.stop()
    it.end()
    assert it.machine.may_run
    it.by_hand = False
    it.wait(STRAGGLER_S)
    assert it.wrote[-1] == b"off"
    assert not it.machine.may_run


# --- found by mutants that survived ------------------------------------------------------------


def test_behind_a_straggler_a_cause_still_finds_something_to_do() -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"late"))
    it.trigger_stop()
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    assert it.wrote == [b"on", b"late", b"off"]
    it.by_hand = True
    it.trigger_stop(StopCause.PAUSE)
    assert it.wrote == [b"on", b"late", b"off", b"off"]


def test_the_same_cause_twice_is_one_stop() -> None:
    it = running()
    it.by_hand = True
    it.trigger_stop(StopCause.LINK)
    it.trigger_stop(StopCause.LINK)
    it.end()
    assert it.said[-1] == Stopped(7, StopCause.LINK, number=1)


def test_a_whole_stop_of_the_hub_brings_the_long_lease_back() -> None:
    it = running()
    it.stop(rest=False)
    it.wait(0.01)
    it.lease()
    it.wait(IDLE_S / 2)
    assert it.machine.gate.state is GateState.OPEN


def test_a_value_at_rest_does_not_shorten_the_lease_of_a_toy_at_rest() -> None:
    it = Bench()
    it.open()
    it.output(ZERO, rest=True)
    it.wait(IDLE_S / 2)
    assert it.machine.gate.state is GateState.OPEN


def test_part_of_a_stop_that_is_repeated_does_not_call_the_newer_value_off() -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"late", 2))
    it.stop(Packet(1, b"zero2", keys=(2,)), Packet(1, b"zero1", keys=(1,)), all=True, rest=True)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    it.output(on(b"newer", 1))
    it.wait(STRAGGLER_S + 0.01)
    assert it.machine.gate.active


def test_whether_it_may_run_is_recorded_before_it_can_matter() -> None:
    it = Bench()
    it.open()
    actions = it.machine.output(it.now, Output(50, 7, (on(),)))
    assert [type(action) for action in actions] == [KeepRecord, Operate]
    assert actions[0] == KeepRecord(may_run=True)
    it.do(actions)
    it.end()
    it.by_hand = True
    it.stop()
    assert KeepRecord(may_run=False) in it.machine.finished(it.now, Taken())


def test_a_keep_alive_that_began_before_a_late_write_is_no_last_word() -> None:
    """What is first in it may have been taken before what was cut short has arrived."""
    it = Bench()
    it.open(*BOTH, keepalive=KeepAlive(100))
    it.takes_s = None
    it.output(on(b"late"))
    it.keep(OPERATION_S - 0.1)
    it.takes_s = STRAGGLER_S + 0.1
    it.keep(0.1 + 2 * it.takes_s + 0.05, every_s=0.05)
    assert it.wrote[:3] == [b"late", b"off1", b"off2"]
    assert it.machine.may_run


@pytest.mark.parametrize("how", ["stop", "keep-alive"])
def test_a_stop_that_is_armed_no_more_settles_nothing(how: str) -> None:
    it = Bench()
    it.by_hand = True
    it.open(keepalive=KeepAlive(100) if how == "keep-alive" else None)
    if how == "stop":
        it.stop()
    else:
        it.wait(0.1)
    it.arm(Packet(1, b"another", response=True))
    it.end()
    assert it.wrote == [b"off"]
    assert not it.machine.gate.settled


def test_behind_rest_without_a_packet_an_idle_radio_waits_for_company_again() -> None:
    it = running()
    it.output(rest=True)
    it.do(it.machine.output(it.now, Output(60, 7, (on(b"shared"),), merge=True)))
    assert it.wrote == [b"on"]
    it.wait(MERGE_S)
    assert it.wrote == [b"on", b"shared"]


def test_what_is_under_way_is_hurried_once_however_many_stops_come() -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"slow", 2))
    first = it.machine.stop(it.now, Stop(60, 7, (ZERO,), all=False, seen=0))
    assert first == [ShortenDeadline(it.now + PATIENCE_S, drop=False)]
    it.now += PATIENCE_S / 2
    assert it.machine.stop(it.now, Stop(61, 7, (on(b"zero", 3),), all=False, seen=0)) == []


def test_letting_go_is_not_hurried_by_a_stop() -> None:
    it = running()
    it.trigger_stop()
    it.wait(0.01)
    it.takes_s = 2 * PATIENCE_S
    it.do(it.machine.leave(it.now))
    id = it.stop()
    it.wait(1)
    assert it.wrote == [b"on", b"off", b"disconnect"]
    assert it.answer(id) == Done(id)


def test_a_stop_of_the_hub_is_not_repeated_behind_a_gate_that_was_shut_meanwhile() -> None:
    it = running()
    it.takes_s = None
    it.output(on(b"late", 2))
    it.stop(Packet(1, b"zero2", keys=(2,)), all=False, rest=False)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    assert it.wrote == [b"on", b"late", b"zero2"]
    it.block.cause = StopCause.PAUSE  # the strike that comes with it is still to come
    it.wait(STRAGGLER_S + 0.01)
    assert it.wrote == [b"on", b"late", b"zero2"]


def test_a_whole_stop_gives_back_what_was_left_of_the_long_lease() -> None:
    """The short one is for what may run."""
    it = running()
    it.stop(rest=False)
    it.wait(IDLE_S - 0.1)
    assert it.machine.gate.state is GateState.OPEN
    assert it.wrote == [b"on", b"off"]


@pytest.mark.parametrize("armed", [True, False])
def test_a_value_that_waits_behind_a_stop_has_the_short_lease_from_when_it_came(
    armed: bool,
) -> None:
    """Else a slow radio lengthened it by its own time."""
    it = running()
    it.takes_s = 0.6
    it.stop(OFF if armed else ZERO)
    it.output(on(b"new"))
    came = it.now
    it.wait(2)
    assert [op.d for _, op in it.did][1:3] == [OFF.data if armed else ZERO.data, b"new"]
    assert it.machine.gate.cause is StopCause.LEASE
    assert min(at for at, op in it.did[3:] if op.d == OFF.data) <= came + ACTIVE_S + PATIENCE_S


def test_a_write_that_waits_behind_a_stop_has_it_too() -> None:
    it = running()
    it.takes_s = 0.6
    it.stop()
    it.do(it.machine.request(it.now, Write(60, 7, 1, b"new")))
    came = it.now
    it.wait(2)
    assert it.wrote[1:3] == [b"off", b"new"]
    assert it.did[3][0] <= came + ACTIVE_S + PATIENCE_S


def test_a_value_that_waits_for_its_time_has_it_too() -> None:
    it = running()
    it.output(Packet(1, b"later", keys=(2,)))
    it.takes_s = 0.3
    it.stop(OFF, all=False)
    at_us = round((it.now + 0.4) * 1e6)
    it.do(it.machine.output(it.now, Output(60, 7, (on(b"new", 3),), at_us=at_us)))
    came = it.now
    it.wait(0.35)
    assert it.machine.deadline <= came + ACTIVE_S
    assert it.machine.gate.deadline <= came + ACTIVE_S


def test_a_stop_that_is_armed_no_more_when_it_is_written_counts_as_on() -> None:
    """A hub that arms another one meanwhile could start it, and nobody would know."""
    it = Bench(max_run_s=3)
    it.by_hand = True
    it.open(on(b"starts"))
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    it.stop(on(b"starts"))
    it.arm(OFF)
    it.end()
    it.end()
    assert it.wrote == [b"read", b"starts"]
    assert it.machine.may_run


def test_a_stop_that_is_armed_before_it_is_written_settles_it() -> None:
    it = Bench()
    it.by_hand = True
    it.open(on(b"other"))
    it.output(on())
    it.end()
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    it.stop(OFF)
    it.arm(OFF)
    it.end()
    it.end()
    assert it.wrote == [b"on", b"read", b"off"]
    assert not it.machine.may_run


def cut_by(it: Bench, strike: StopCause | Packet) -> float:
    """A slow radio is writing a value of motor 2, which a stop cuts short; when it may yet come."""
    it.takes_s = None
    it.output(on(b"late", 2))
    if isinstance(strike, StopCause):
        it.trigger_stop(strike)
    else:
        it.stop(strike, all=False, rest=False)
    it.takes_s = 0.0
    it.wait(PATIENCE_S + 0.01)
    return it.now - 0.01 + STRAGGLER_S


def behind(it: Bench, when: float) -> list[bytes]:
    """What is written from then on, until everybody has had time."""
    it.keep(2)
    return [op.d for at, op in it.did if at >= when - 1e-6]


ZERO_1, ZERO_2 = (Packet(1, b"zero%d" % n, keys=(n,)) for n in (1, 2))


def test_a_stop_of_one_motor_does_not_take_the_place_of_all_that_is_to_be_repeated() -> None:
    """Else the value of motor 2 that was cut short had the last word, and everybody believed it
    off for ten seconds."""
    it = Bench()
    it.open(*BOTH)
    it.output(on())
    it.wait(0.01)
    late = cut_by(it, StopCause.STALL)
    it.open(*BOTH)
    it.stop(ZERO_1, all=False, rest=True)
    assert behind(it, late) == [packet.data for packet in BOTH]
    assert not it.machine.may_run


def test_of_two_stops_behind_a_write_that_was_cut_short_both_are_repeated() -> None:
    it = Bench()
    it.open(*BOTH)
    it.output(on())
    it.wait(0.01)
    late = cut_by(it, ZERO_2)
    it.stop(ZERO_1, all=False, rest=True)
    assert behind(it, late) == [b"zero2", b"zero1"]
    assert not it.machine.gate.active


def test_of_two_stops_of_one_slot_the_newer_one_is_repeated() -> None:
    it = Bench()
    it.open(*BOTH)
    it.output(on())
    it.wait(0.01)
    late = cut_by(it, ZERO_2)
    it.stop(Packet(1, b"both", keys=(1, 2)), all=False, rest=True)
    assert behind(it, late) == [b"both"]


def test_a_newer_stop_leaves_nothing_older_of_its_slots_to_be_repeated() -> None:
    """A packet of one motor may hold what the other one did then."""
    it = Bench()
    it.open(*BOTH)
    late = cut_by(it, Packet(1, b"0 8", keys=(1, 2)))
    it.wait(late - it.now - 0.1)
    it.takes_s = 0.2
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    it.wait(0.15)
    it.stop(Packet(1, b"0 0", keys=(1, 2)), all=False, rest=True)
    it.takes_s = 0.0
    assert behind(it, late) == [b"0 0"]
    assert not it.machine.gate.active


def test_what_is_left_to_be_repeated_behind_a_word_of_rest_is_rest() -> None:
    it = Bench()
    it.open(silence=True)
    it.output(on())
    it.wait(0.01)
    late = cut_by(it, ZERO_2)
    it.stop(ZERO_1, all=False, rest=True)
    it.output(Packet(1, b"zero", keys=(2,)), rest=True)
    assert behind(it, late) == [b"zero1"]
    assert not it.machine.gate.active


def test_a_write_leaves_nothing_out_of_what_is_to_be_repeated() -> None:
    """It may ask for the battery."""
    it = Bench()
    it.open(*BOTH)
    late = cut_by(it, StopCause.STALL)
    it.open(*BOTH)
    it.do(it.machine.request(it.now, Write(60, 7, 1, b"battery?")))
    assert behind(it, late) == [packet.data for packet in BOTH]
    assert not it.machine.may_run


def test_an_off_behind_a_write_that_was_cut_short_is_made_sure_of() -> None:
    it = Bench()
    it.open(*BOTH)
    late = cut_by(it, ZERO_1)
    it.output(ZERO_2, rest=True)
    assert behind(it, late) == [packet.data for packet in BOTH]
    assert not it.machine.may_run


def test_without_a_stop_to_write_an_off_behind_a_write_that_was_cut_short_is_believed() -> None:
    it = Bench()
    it.open(silence=True)
    late = cut_by(it, ZERO_1)
    it.output(ZERO_2, rest=True)
    assert behind(it, late) == [b"zero1"]


def test_a_stop_joins_none_that_another_one_of_its_slots_came_behind() -> None:
    """The last one said is the last one written: else motor 2 ran on."""
    it = running()
    it.by_hand = True
    it.output(on(b"slow", 3))
    some, other = Packet(1, b"0 0", keys=(1, 2)), Packet(1, b"0 5", keys=(1, 2))
    for packet in (some, other, some):
        it.stop(packet, all=False, rest=False)
    it.by_hand, it.takes_s = False, 0.0
    it.wait(PATIENCE_S + 0.01)
    assert it.wrote[2:] == [b"0 0", b"0 5", b"0 0"]


def test_nor_one_that_another_one_of_one_of_its_slots_came_behind() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"slow", 3))
    for packets in ((ZERO_1,), (Packet(1, b"0 5", keys=(1,)), ZERO_2), (ZERO_1,)):
        it.stop(*packets, all=False, rest=False)
    it.by_hand, it.takes_s = False, 0.0
    it.wait(PATIENCE_S + 0.01)
    assert it.wrote[2:] == [b"zero1", b"0 5", b"zero2", b"zero1"]


def test_a_stop_joins_the_same_one_before_one_of_other_slots() -> None:
    it = running()
    it.by_hand = True
    it.output(on(b"slow", 3))
    ids = [it.stop(packet, all=False, rest=False) for packet in (ZERO_1, ZERO_2, ZERO_1)]
    it.by_hand, it.takes_s = False, 0.0
    it.wait(PATIENCE_S + 0.01)
    assert it.wrote[2:] == [b"zero1", b"zero2"]
    assert all(it.answer(id) == Done(id) for id in ids)


def test_whoever_says_off_again_and_again_is_not_stopped_for_running_too_long() -> None:
    """Ten seconds from the first word it is made sure of, as if it had been the only one."""
    it = Bench(max_run_s=30)
    it.open()
    it.output(on())
    it.keep(1)
    for _ in range(2 * round(BREAK_S)):
        it.output(rest=True)
        it.keep(1)
    assert it.wrote == [b"on", b"off"]
    assert not it.machine.may_run


@pytest.mark.parametrize("moves_ms", [None, 300])
def test_strokes_that_go_on_are_not_interrupted_to_make_sure_of_rest(moves_ms: int | None) -> None:
    """Between two of them everything rests."""
    it = Bench()
    it.open()
    for n in range(2 * round(BREAK_S)):
        it.output(on(b"stroke %d" % n), rest=True, moves_ms=moves_ms)
        it.keep(1)
    assert b"off" not in it.wrote
    it.keep(BREAK_S)
    assert it.wrote[-1] == b"off"


def test_a_position_that_is_repeated_does_not_put_off_that_rest_is_made_sure_of() -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(500))
    it.output(on(b"stroke"), rest=True)
    it.keep(BREAK_S + 0.5)
    assert b"off" in it.wrote


def test_a_position_that_is_repeated_says_nothing_of_a_value_that_failed() -> None:
    it = Bench()
    it.open(keepalive=KeepAlive(200))
    it.output(on(b"stroke"), rest=True)
    it.wait(0.01)
    it.result = failing()
    it.output(on(b"on", 2))
    it.wait(0.01)
    it.result = Taken()
    it.keep(0.5)
    assert it.wrote[-1] == b"stroke"
    assert it.machine.gate.active


def test_zeros_do_not_put_off_that_rest_is_made_sure_of() -> None:
    it = Bench()
    it.open()
    it.output(on())
    for _ in range(round(BREAK_S) + 1):
        it.output(ZERO, rest=True, moves_ms=0)
        it.keep(1)
    assert b"off" in it.wrote


def test_stops_of_one_motor_do_not_put_it_off_either() -> None:
    it = Bench()
    it.open()
    it.output(on())
    for _ in range(round(BREAK_S) + 1):
        it.stop(ZERO, all=False, rest=True)
        it.keep(1)
    assert b"off" in it.wrote


def test_what_only_reads_gives_back_the_long_lease_too() -> None:
    it = running()
    it.by_hand = True
    it.output(ZERO, rest=True)
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    it.end()
    assert it.machine.gate.deadline > it.now + ACTIVE_S


def test_a_word_of_rest_with_a_stop_holds_with_the_off_that_waits_behind_it() -> None:
    it = Bench()
    it.open(*BOTH)
    it.output(on(b"a", 1), on(b"b", 2))
    it.wait(0.01)
    it.by_hand = True
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    it.output(ZERO_2)
    it.stop(ZERO_1, all=False, rest=True)
    it.end()
    it.end()
    assert it.wrote[-1] == b"zero2"
    assert it.machine.gate.active
    it.end()
    assert not it.machine.gate.active


def test_a_write_that_passes_what_is_delayed_takes_its_word_of_rest_back() -> None:
    it = running()
    it.output(ZERO, Packet(1, b"zero2", keys=(2,), after_ms=100), rest=True)
    it.do(it.machine.request(it.now, Write(60, 7, 1, b"unknown")))
    it.wait(0.2)
    assert it.wrote[1:] == [b"zero", b"unknown", b"zero2"]
    assert it.machine.gate.active


def test_what_writes_nothing_has_no_bytes_and_stops_nothing() -> None:
    assert Operate(What.READ, 1.0) == Operate(What.READ, 1.0, 0, b"", r=False, stops=False)


@pytest.mark.parametrize("ahead_s", [None, 0.2])
def test_a_word_of_rest_that_waits_is_older_than_a_write_that_comes_behind_it(
    ahead_s: float | None,
) -> None:
    it = running()
    it.by_hand = True
    it.do(it.machine.request(it.now, Read(60, 7, 2)))
    at_us = None if ahead_s is None else round((it.now + ahead_s) * 1e6)
    zero = Output(61, 7, (ZERO,), rest=True, at_us=at_us, off=True)
    it.do(it.machine.output(it.now, zero))
    it.do(it.machine.request(it.now, Write(62, 7, 1, b"unknown")))
    it.by_hand, it.takes_s = False, 0.0
    it.keep(1)
    assert sorted(it.wrote[2:]) == [b"unknown", b"zero"]
    assert it.machine.gate.active


def test_who_says_nothing_of_it_has_no_longest_run_no_debt_and_no_need_of_traffic() -> None:
    machine = Machine(Lockout(), 100.0)
    assert (machine.gate.max_run_s, machine.may_run, machine.demands_traffic) == (0, False, False)
