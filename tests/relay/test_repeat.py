from __future__ import annotations

from relay.link.messages import Counter, KeepAlive, Packet
from relay.repeat import MOST, Written


def test_a_running_number_counts_on_from_the_first_packet_and_wraps() -> None:
    written = Written()
    packet = Packet(1, b"\xfe\x10", counter=Counter(0))
    assert [written.number(packet)[0] for _ in range(4)] == [0xFE, 0xFF, 0x00, 0x01]


def test_a_checksum_over_the_running_number_stays_right() -> None:
    written = Written()
    for n in range(5):
        data = written.number(Packet(1, b"\x07\x55\x52", counter=Counter(0, xor_at=2)))
        assert data[0] == 7 + n
        assert data[0] ^ data[1] ^ data[2] == 0


def test_characteristics_count_apart_and_packets_without_a_counter_are_left_alone() -> None:
    written = Written()
    written.number(Packet(1, b"\x00", counter=Counter(0)))
    assert written.number(Packet(2, b"\x00", counter=Counter(0))) == b"\x00"
    assert written.number(Packet(1, b"\x00", counter=Counter(0))) == b"\x01"
    assert written.number(Packet(1, b"\x00")) == b"\x00"


def test_a_counter_outside_its_packet_changes_nothing() -> None:
    assert Written().number(Packet(1, b"\x05", counter=Counter(9))) == b"\x05"
    packet = Packet(1, b"\x05", counter=Counter(0, xor_at=9))
    assert Written().number(packet) == b"\x05"


def test_the_last_packet_of_each_slot_is_repeated_in_the_order_of_writing() -> None:
    written, keepalive = Written(), KeepAlive(100)
    first, second = Packet(1, b"a", k=(1,)), Packet(1, b"b", k=(2,))
    written.note(first, 0.0)
    written.note(second, 0.1)
    assert written.due(keepalive) == 0.1 + 0.1
    assert written.repetition(keepalive, 0.2) == (first, second)
    assert written.due(keepalive) == 0.2 + 0.1
    both = Packet(1, b"c", k=(1, 2))
    written.note(both, 0.3)
    assert written.repetition(keepalive, 0.4) == (both,)


def test_nothing_written_nothing_repeated() -> None:
    assert Written().due(KeepAlive(100)) is None


def test_a_fixed_packet_is_repeated_from_arming_on() -> None:
    written, keepalive = Written(), KeepAlive(100, packet=Packet(1, b"k"))
    written.armed(5.0)
    assert written.due(keepalive) == 5.1
    assert written.repetition(keepalive, 5.1) == (Packet(1, b"k"),)


def test_only_running_repeats_from_a_value_to_the_next_rest() -> None:
    written, keepalive = Written(), KeepAlive(100, only_running=True)
    written.note(Packet(1, b"\x00", k=(1,), rest=True), 0.0)
    assert written.due(keepalive) is None
    written.note(Packet(1, b"\x05", k=(1,)), 1.0)
    assert written.due(keepalive) == 1.1
    written.note(Packet(1, b"\x00", k=(1,), rest=True), 2.0)
    assert written.due(keepalive) is None


def test_after_a_stop_only_the_stop_is_repeated() -> None:
    written, keepalive = Written(), KeepAlive(100)
    written.note(Packet(1, b"\x05", k=(1,)), 0.0)
    stop = Packet(1, b"\x00", k=(1,))
    written.stopped([stop], 1.0)
    assert written.repetition(keepalive, 2.0) == (stop,)
    assert written.due(KeepAlive(100, only_running=True)) is None


def test_a_hub_that_makes_up_slots_and_counters_costs_no_memory() -> None:
    written = Written()
    for n in range(MOST * 2):
        packet = Packet(n, b"\x00", k=(n,), counter=Counter(0))
        written.number(packet)
        written.note(packet, 0.0)
    assert len(written.repetition(KeepAlive(100), 1.0)) == MOST
    # The first ones were forgotten and start again; the last ones count on.
    assert written.number(Packet(0, b"\x00", counter=Counter(0))) == b"\x00"
    assert written.number(Packet(MOST * 2 - 1, b"\x00", counter=Counter(0))) == b"\x01"
