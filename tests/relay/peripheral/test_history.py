from __future__ import annotations

from relay.link.messages import Counter, KeepAlive, Packet
from relay.peripheral.history import History, PastWrite, longest_ms
from relay.peripheral.limits import HISTORY_MOST


def repeated(history: History, keepalive: KeepAlive, *, open: bool = True) -> list[Packet] | None:
    written = history.repetition(keepalive, 1.0, open=open)
    return None if written is None else [each.packet for each in written]


def test_a_running_number_counts_on_from_the_first_packet_and_wraps() -> None:
    history = History(0)
    packet = Packet(1, b"\xfe\x10", counter=Counter(0))
    assert [history.number(packet)[0] for _ in range(4)] == [0xFE, 0xFF, 0x00, 0x01]


def test_a_checksum_over_the_running_number_stays_right() -> None:
    history = History(0)
    for n in range(5):
        data = history.number(Packet(1, b"\x07\x55\x52", counter=Counter(0, xor_at=2)))
        assert data[0] == 7 + n
        assert data[0] ^ data[1] ^ data[2] == 0


def test_characteristics_count_apart_and_packets_without_a_counter_are_left_alone() -> None:
    history = History(0)
    history.number(Packet(1, b"\x00", counter=Counter(0)))
    assert history.number(Packet(2, b"\x00", counter=Counter(0))) == b"\x00"
    assert history.number(Packet(1, b"\x00", counter=Counter(0))) == b"\x01"
    assert history.number(Packet(1, b"\x00")) == b"\x00"


def test_a_counter_outside_its_packet_changes_nothing() -> None:
    assert History(0).number(Packet(1, b"\x05", counter=Counter(9))) == b"\x05"
    packet = Packet(1, b"\x05", counter=Counter(0, xor_at=9))
    assert History(0).number(packet) == b"\x05"


def test_a_preview_counts_nothing() -> None:
    history = History(0)
    packet = Packet(1, b"\x04", counter=Counter(0))
    history.number(packet)
    assert history.preview([packet, packet]) == (b"\x05", b"\x06")
    assert history.number(packet) == b"\x05"


def test_the_last_packet_of_each_slot_is_repeated_in_the_order_of_writing() -> None:
    history = History(0)
    first, second = Packet(1, b"a", keys=(1,)), Packet(1, b"b", keys=(2,))
    history.taken(PastWrite(first))
    history.taken(PastWrite(second))
    assert repeated(history, KeepAlive(100)) == [first, second]
    both = Packet(1, b"c", keys=(1, 2))
    history.taken(PastWrite(both))
    assert repeated(history, KeepAlive(100)) == [both]
    assert history.last_at == 1.0


def test_where_values_may_not_pass_or_none_was_written_the_armed_stop_is_repeated() -> None:
    history = History(0)
    assert repeated(history, KeepAlive(100)) is None
    history.taken(PastWrite(Packet(1, b"a")))
    assert repeated(history, KeepAlive(100), open=False) is None


def test_a_fixed_packet_is_repeated_while_a_value_runs() -> None:
    history, keepalive = History(0), KeepAlive(100, packet=Packet(1, b"k"))
    assert repeated(history, keepalive) is None
    history.taken(PastWrite(Packet(1, b"a"), moves_ms=300))
    written = history.repetition(keepalive, 1.0, open=True)
    assert written == [PastWrite(Packet(1, b"k"), moves_ms=300)]


def test_rest_ends_the_repetition_of_what_ran_and_not_of_a_position() -> None:
    history, held = History(0), Packet(1, b"p", keys=(2,))
    history.taken(PastWrite(held, rest=True))
    history.taken(PastWrite(Packet(1, b"a", keys=(1,))))
    history.rests()
    assert not history.running
    assert repeated(history, KeepAlive(100)) == [held]


def test_after_a_stop_nothing_older_is_repeated() -> None:
    history = History(0)
    history.taken(PastWrite(Packet(1, b"\x05", keys=(1,)), rest=True))
    history.clear()
    assert repeated(history, KeepAlive(100)) is None


def test_the_longest_move_counts_and_what_has_no_end_has_none() -> None:
    history = History(5)
    history.handed(5, 2000)
    history.handed(6, 100)
    assert (history.moves_until, history.endless) == (7, False)
    history.handed(6, None)
    assert history.endless
    history.settled(8)
    assert (history.moves_until, history.endless) == (8, False)


def test_what_is_repeated_moves_for_as_long_as_the_longest_of_it_or_without_end() -> None:
    some, other, endless = (PastWrite(Packet(1, b"x"), moves_ms=ms) for ms in (100, 200, None))
    assert longest_ms([some, other]) == 200
    assert longest_ms([some, endless]) is None
    assert longest_ms([some]) == 100


def test_a_hub_that_makes_up_slots_and_counters_costs_no_memory() -> None:
    history = History(0)
    for n in range(HISTORY_MOST * 2):
        packet = Packet(n, b"\x00", keys=(n,), counter=Counter(0))
        history.number(packet)
        history.taken(PastWrite(packet))
    assert len(repeated(history, KeepAlive(100)) or ()) == HISTORY_MOST
    # The first ones were forgotten and start again; the last ones count on.
    assert history.number(Packet(0, b"\x00", counter=Counter(0))) == b"\x00"
    last = Packet(HISTORY_MOST * 2 - 1, b"\x00", counter=Counter(0))
    assert history.number(last) == b"\x01"


def test_a_counter_just_outside_its_packet_changes_nothing() -> None:
    assert History(0).number(Packet(1, b"\x05", counter=Counter(1))) == b"\x05"
    assert History(0).number(Packet(1, b"\x05", counter=Counter(0, xor_at=1))) == b"\x05"


def test_the_oldest_running_number_is_forgotten_only_for_a_new_one_too_many() -> None:
    history = History(0)

    def number(h: int) -> int:
        return history.number(Packet(h, b"\x10", counter=Counter(0)))[0]

    for h in range(HISTORY_MOST):
        assert number(h) == 0x10
    assert [number(HISTORY_MOST - 1), number(0), number(1)] == [0x11, 0x11, 0x11]
    assert number(HISTORY_MOST) == 0x10
    assert number(0) == 0x10, "forgotten for that one"


def test_what_was_written_again_is_the_newest() -> None:
    history = History(0)
    first, second = Packet(1, b"a", keys=(1,)), Packet(1, b"b", keys=(2,))
    for packet in (first, second, first):
        history.taken(PastWrite(packet))
    assert repeated(history, KeepAlive(100)) == [second, first]


def test_while_nothing_may_pass_not_even_what_keeps_a_run_going_is_repeated() -> None:
    history = History(0)
    history.taken(PastWrite(Packet(1, b"a", keys=(1,))))
    alive = KeepAlive(100, Packet(1, b"k"))
    assert repeated(history, alive) == [Packet(1, b"k")]
    assert repeated(history, alive, open=False) is None


def test_a_packet_without_slots_is_the_last_of_its_characteristic_and_of_no_slot() -> None:
    history = History(0)
    keyless, newer, keyed = Packet(1, b"a"), Packet(1, b"b"), Packet(1, b"c", keys=(1,))
    for packet in (keyless, keyed, newer):
        history.taken(PastWrite(packet))
    assert repeated(history, KeepAlive(100)) == [keyed, newer]
