from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.link.messages import Output, Packet, Read, Write
from relay.peripheral.limits import MERGE_S
from relay.peripheral.limits import QUEUE_MOST as MOST
from relay.peripheral.slots import Congested, Group, QueuedRequest, Slots


def packet(data: int, *keys: int, after_ms: int = 0) -> Packet:
    return Packet(1, bytes([data]), keys=keys, after_ms=after_ms)


def output(
    slots: Slots, id: int, packets: Sequence[Packet], now: float, *, merge: bool
) -> list[int]:
    return slots.output(Output(id, 1, tuple(packets), merge), now)


def repeat(slots: Slots, packets: Sequence[Packet], now: float) -> None:
    slots.repeat(Group(None, deque(packets), now))


def drain(slots: Slots, now: float = 0.0) -> list[int]:
    """Carry out everything that can be at `now`; bytes of packets, ids of requests."""
    done = []
    while (taken := slots.take(now)) is not None:
        done.append(taken.message.id if isinstance(taken, QueuedRequest) else taken[1].data[0])
        slots.finished(now)
    return done


def test_what_comes_first_leaves_first() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    slots.request(Read(2, 1, 1))
    output(slots, 3, [packet(12, 3)], 0, merge=False)
    assert drain(slots) == [10, 11, 2, 12]
    assert slots.size == 0


def row(slots: Slots, now: float = 0.0) -> list[tuple[int | None, bool]]:
    """Carry out all values; who asked for each packet, and whether it is said to be the last."""
    found = []
    while (taken := slots.take(now)) is not None:
        if not isinstance(taken, QueuedRequest):
            found.append((taken[0].id, taken[0].rest))
        slots.finished(now)
    return found


def test_a_word_of_rest_holds_with_the_last_value_that_waits() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    output(slots, 2, [packet(11, 2)], 0, merge=False)
    repeat(slots, [packet(12, 3)], 0)
    slots.request(Read(4, 1, 1))
    assert slots.rest_last()
    assert row(slots) == [(1, False), (2, True), (None, False)]


def test_it_finds_nothing_to_hold_with_where_the_last_packet_is_under_way() -> None:
    slots = Slots()
    slots.output(Output(1, 1, (packet(10, 1),), rest=True), 0)
    taken = slots.take(0)
    assert isinstance(taken, tuple)
    assert not slots.rest_last()
    slots.unrest()
    assert taken[0].rest, "that one was said before"


def test_what_is_said_to_be_on_takes_rest_from_what_waits_and_from_no_keep_alive() -> None:
    slots = Slots()
    slots.output(Output(1, 1, (packet(10, 1),), rest=True), 0)
    slots.repeat(Group(None, deque([packet(11, 2)]), 0, rest=True))
    slots.unrest()
    assert row(slots) == [(1, False), (None, True)]


def test_only_a_stop_of_the_relays_own_strikes_what_is_under_way() -> None:
    for struck in (False, True):
        slots = Slots()
        output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
        taken = slots.take(0)
        assert isinstance(taken, tuple)
        if struck:
            slots.drop_writes(struck=True)
        else:
            slots.drop_writes()
        assert (taken[0].superseded, taken[0].struck) == (True, struck)


def test_without_a_gap_one_write_waits_for_no_other() -> None:
    slots = Slots()
    slots.wrote(0)
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    assert drain(slots) == [10]


def test_what_waits_is_a_value_if_it_is_an_output_or_a_write_and_has_not_begun() -> None:
    slots = Slots()
    repeat(slots, [packet(9, 1)], 0)
    slots.request(Read(1, 1, 1))
    assert not slots.hold_value
    slots.request(Write(2, 1, 1, b"x"))
    assert slots.hold_value
    slots.drop_all()
    output(slots, 3, [packet(10, 1)], 0, merge=False)
    assert slots.hold_value
    slots.take(0)
    assert not slots.hold_value


def test_the_newest_value_of_a_slot_wins() -> None:
    slots = Slots()
    assert output(slots, 1, [packet(10, 1)], 0, merge=False) == []
    assert output(slots, 2, [packet(11, 1)], 0, merge=False) == [1]
    assert drain(slots) == [11]


def test_packets_of_one_output_do_not_replace_each_other() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 1)], 0, merge=False)
    assert drain(slots) == [10, 11]


def test_a_packet_without_keys_is_never_replaced() -> None:
    slots = Slots()
    output(slots, 1, [packet(10)], 0, merge=False)
    output(slots, 2, [packet(11)], 0, merge=False)
    assert drain(slots) == [10, 11]


def test_an_output_of_which_something_is_left_is_not_answered_yet() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    assert output(slots, 2, [packet(12, 1)], 0, merge=False) == []
    assert output(slots, 3, [packet(13, 2)], 0, merge=False) == [1]
    assert drain(slots) == [13, 12]


def test_one_that_is_being_written_is_answered_when_it_was() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 1)], 0, merge=False)
    taken = slots.take(0)
    assert isinstance(taken, tuple)
    assert output(slots, 2, [packet(12, 1)], 0, merge=False) == []
    assert taken[0].superseded
    assert slots.finished(0)
    assert drain(slots) == [12]


def test_a_flood_of_one_slot_starves_no_other() -> None:
    slots = Slots()
    output(slots, 1, [packet(1, 1)], 0, merge=False)
    output(slots, 2, [packet(2, 2)], 0, merge=False)
    output(slots, 3, [packet(3, 1)], 0, merge=False)
    assert drain(slots) == [3, 2]


def test_a_newer_value_does_not_step_in_front_of_a_write() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    slots.request(Write(2, 1, 1, b""))
    output(slots, 3, [packet(11, 1)], 0, merge=False)
    assert drain(slots) == [2, 11]


def test_the_gap_counts_from_the_start_of_a_write_and_holds_back_what_follows() -> None:
    slots = Slots(gap_s=0.1)
    output(slots, 1, [packet(10, 1)], 5, merge=False)
    slots.take(5)
    slots.wrote(5)
    slots.finished(5.05)
    output(slots, 2, [packet(11, 1)], 5.05, merge=False)
    slots.request(Read(3, 1, 1))
    assert slots.take(5.05) is None
    assert slots.due == 5.1
    assert drain(slots, 5.1) == [11, 3]


def test_a_delayed_packet_lets_others_pass_but_not_its_own_successors() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 1, after_ms=1000), packet(12, 2)], 0, merge=False)
    output(slots, 2, [packet(20, 3)], 0, merge=False)
    assert drain(slots) == [10, 20]
    assert slots.due == 1
    assert drain(slots, 1) == [11, 12]


def test_an_idle_peripheral_waits_a_moment_for_values_that_share_a_packet() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1, 2)], 7, merge=True)
    assert slots.take(7) is None
    assert slots.due == 7 + MERGE_S
    # The second one does not make it wait any longer.
    assert output(slots, 2, [packet(11, 1, 2)], 7.001, merge=True) == [1]
    assert slots.due == 7 + MERGE_S
    assert drain(slots, 7 + MERGE_S) == [11]


def test_without_merge_or_when_busy_nothing_waits() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1)], 7, merge=False)
    output(slots, 2, [packet(11, 2)], 7, merge=True)
    assert drain(slots, 7) == [10, 11]


def test_a_failed_packet_ends_its_output() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    slots.take(0)
    assert slots.finished(0, failed=True)
    assert slots.take(0) is None
    assert slots.size == 0


def test_a_stop_of_some_slots_drops_those_only() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    output(slots, 2, [packet(11, 2)], 0, merge=False)
    slots.request(Write(3, 1, 1, b""))
    assert slots.drop_keys({2}, 0) == [2]
    assert drain(slots) == [10, 3]


def test_a_stop_of_everything_drops_writes_and_leaves_reads() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2, after_ms=500)], 0, merge=False)
    slots.request(Write(2, 1, 1, b""))
    slots.request(Read(3, 1, 1))
    repeat(slots, [packet(12, 3)], 0)
    assert slots.drop_writes() == ([1], [2])
    assert slots.size == 1
    assert drain(slots) == [3]


def test_dropping_in_the_middle_of_a_write_answers_it_afterwards() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    slots.take(0)
    assert slots.drop_writes() == ([], [])
    assert slots.finished(0)
    assert drain(slots) == []
    assert slots.size == 0


def test_everything_that_is_dropped_is_named_for_its_answer() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    slots.request(Read(2, 1, 1))
    slots.request(Write(3, 1, 1, b""))
    assert sorted(slots.drop_all()) == [1, 2, 3]
    assert slots.size == 0
    assert slots.due == inf


def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    slots = Slots()
    for n in range(MOST):
        output(slots, n, [packet(n % 256, n)], 0, merge=False)
    with pytest.raises(Congested):
        output(slots, MOST, [packet(0, MOST)], 0, merge=False)
    with pytest.raises(Congested):
        slots.request(Read(MOST, 1, 1))
    # A newer value of a slot that is queued takes no more room.
    assert output(slots, MOST, [packet(0, 5)], 0, merge=False) == [5]
    assert slots.size == MOST


def test_a_keep_alive_gives_way_to_a_newer_value() -> None:
    slots = Slots()
    repeat(slots, [packet(10, 1)], 0)
    assert output(slots, 1, [packet(11, 1)], 0, merge=False) == []
    assert drain(slots) == [11]


_operations = st.lists(
    st.one_of(
        st.tuples(st.just("output"), st.lists(st.integers(0, 3), min_size=1, max_size=3)),
        st.tuples(st.sampled_from(["read", "write", "take", "stop", "later"]), st.none()),
        st.tuples(st.just("drop"), st.lists(st.integers(0, 3), max_size=2)),
    ),
    max_size=60,
)


@given(_operations, st.booleans())
def test_every_request_is_answered_once_and_the_newest_value_is_last(
    operations: list[tuple[str, list[int] | None]], gap: bool
) -> None:
    slots = Slots(gap_s=0.05 if gap else 0.0)
    now, asked, answered = 0.0, 0, []
    newest: dict[int, int] = {}
    written: dict[int, int] = {}

    def take() -> bool:
        taken = slots.take(now)
        if taken is None:
            return False
        slots.wrote(now)
        if isinstance(taken, QueuedRequest):
            answered.append(taken.message.id)
            slots.finished(now)
            return True
        group, one = taken
        assert isinstance(group, Group)
        written.update(dict.fromkeys(one.keys, one.data[0]))
        if slots.finished(now) and group.id is not None:
            answered.append(group.id)
        return True

    for kind, keys in operations:
        match kind:
            case "output":
                asked += 1
                packets = [packet(asked % 256, key) for key in keys or []]
                newest.update(dict.fromkeys(keys or [], asked % 256))
                answered += output(slots, asked, packets, now, merge=asked % 2 == 0)
            case "read":
                asked += 1
                slots.request(Read(asked, 1, 1))
            case "write":
                asked += 1
                slots.request(Write(asked, 1, 1, b""))
            case "take":
                take()
            case "later":
                now += 0.03
            case "stop":
                outputs, writes = slots.drop_writes()
                answered += outputs + writes
                newest.clear()
                written.clear()
            case "drop":
                answered += slots.drop_keys(keys or [], now)
                for key in keys or []:
                    newest.pop(key, None)
                    written.pop(key, None)
    while slots.size:
        if not take():
            due = slots.due
            assert due is not None
            assert due > now, "would ask again at once, for ever"
            now = due
    assert sorted(answered) == list(range(1, asked + 1))
    assert written == newest


def test_a_newer_value_makes_room_for_as_many_packets_as_it_takes_away() -> None:
    slots = Slots()
    for key in range(MOST):
        output(slots, key, [packet(0, key)], 0, merge=False)
    with pytest.raises(Congested):
        output(slots, MOST, [packet(1, 0), packet(1, MOST)], 0, merge=False)
    assert output(slots, MOST, [packet(1, 0)], 0, merge=False) == [0]
    assert slots.size == MOST


def test_what_is_left_of_a_value_waits_for_its_own_delay_from_then_on() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2, after_ms=1000)], 0, merge=False)
    slots.drop_keys({1}, 4.0)
    assert slots.take(4.999) is None
    assert slots.due == 5.0
    assert drain(slots, 5.0) == [11]


def test_dropping_every_value_marks_the_one_under_way_and_names_no_keep_alive() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    taken = slots.take(0)
    assert isinstance(taken, tuple)
    repeat(slots, [packet(30, 3)], 0)
    output(slots, 2, [packet(20, 2)], 0, merge=False)
    assert taken[0].superseded, "by the newer one of slot 2"
    assert slots.drop_outputs() == [2]
    assert taken[0].superseded
    assert slots.size == 0
    assert slots.finished(0)


def test_what_is_carried_out_alone_is_over_when_it_is_finished() -> None:
    slots = Slots()
    slots.request(Read(1, 1, 1))
    assert slots.take(0) is not None
    assert slots.finished(0)


def test_it_is_due_when_its_delay_and_the_gap_are_over() -> None:
    slots = Slots(gap_s=1.0)
    assert slots.due == inf
    slots.wrote(0)
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    output(slots, 2, [packet(11, 2, after_ms=3000)], 0, merge=False)
    assert slots.take(0) is None
    assert slots.due == 1.0
    assert drain(slots, 1.0) == [10]
    assert slots.due == 3.0


def test_what_is_being_written_is_not_named_when_it_is_dropped_and_only_a_strike_strikes() -> None:
    for struck in (True, False):
        slots = Slots()
        output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
        taken = slots.take(0)
        assert isinstance(taken, tuple)
        assert slots.drop_writes(struck=struck) == ([], [])
        assert (taken[0].struck, taken[0].superseded) == (struck, True)
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    taken = slots.take(0)
    assert isinstance(taken, tuple)
    assert slots.drop_outputs() == []
    assert taken[0].superseded
    assert slots.size == 0


def test_a_request_that_is_put_back_is_one_and_the_first() -> None:
    slots = Slots()
    slots.request(Read(1, 1, 1))
    slots.request(Read(2, 1, 1))
    assert slots.take(0) is not None
    assert slots.size == 1
    slots.put_back()
    assert slots.size == 2
    assert drain(slots) == [1, 2]


def test_a_value_that_empties_several_steps_into_the_place_of_the_first() -> None:
    slots = Slots()
    for id, key in ((1, 1), (2, 3), (3, 2)):
        output(slots, id, [packet(10 * id, key)], 0, merge=False)
    assert output(slots, 4, [packet(41, 1), packet(42, 2)], 0, merge=False) == [1, 3]
    assert drain(slots) == [41, 42, 20]


def test_nothing_waits_to_be_merged_behind_a_request_or_for_a_gap() -> None:
    slots = Slots()
    slots.request(Read(1, 1, 1))
    assert slots.take(0) is not None
    output(slots, 2, [packet(10, 1)], 0, merge=True)
    assert slots.due == 0
    slots = Slots(gap_s=1.0)
    slots.wrote(0)
    output(slots, 1, [packet(10, 1)], 1.0 - MERGE_S / 2, merge=True)
    assert slots.due == 1.0


def test_nothing_of_a_value_is_left_behind_the_one_that_is_being_written() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1), packet(11, 2)], 0, merge=False)
    assert slots.take(0) is not None
    slots.drop_outputs()
    assert slots.finished(0)
    assert drain(slots) == []


def test_what_a_keep_alive_has_queued_is_dropped_and_values_are_not() -> None:
    slots = Slots()
    repeat(slots, [packet(30, 3), packet(31, 4)], 0)
    taken = slots.take(0)
    assert isinstance(taken, tuple)
    output(slots, 1, [packet(10, 1)], 0, merge=False)
    repeat(slots, [packet(32, 5)], 0)
    slots.drop_repeats()
    assert not taken[0].armed
    assert slots.size == 1
    assert slots.finished(0)
    assert drain(slots) == [10]


def test_what_is_left_of_a_value_keeps_its_delay_if_it_was_the_first() -> None:
    slots = Slots()
    output(slots, 1, [packet(10, 1, after_ms=1000), packet(11, 2)], 0, merge=False)
    slots.drop_keys({2}, 0.5)
    assert slots.due == 1.0


@pytest.mark.parametrize(
    ("said", "rests"),
    [
        # Slot, and whether everything is off with it, in the order in which they were said.
        ([(1, False), (2, True)], {1: False, 2: True}),
        ([(2, False), (1, True), (2, False)], {2: False, 1: False}),
        ([(2, False), (1, False), (2, True)], {2: False, 1: True}),
        ([(3, False), (2, False), (2, True)], {3: False, 2: True}),
        ([(3, False), (2, False), (1, False), (2, True)], {3: False, 2: False, 1: True}),
    ],
)
def test_everything_is_off_with_the_last_that_waits(
    said: Sequence[tuple[int, bool]], rests: dict[int, bool]
) -> None:
    slots = Slots()
    for id, (key, rest) in enumerate(said):
        slots.output(Output(id, 1, (packet(id, key),), rest=rest), 0)
    got = {}
    while (taken := slots.take(0)) is not None:
        assert not isinstance(taken, QueuedRequest)
        group, written = taken
        got[written.keys[0]] = group.rest
        slots.finished(0)
    assert got == rests
    assert not slots.rest_last()
