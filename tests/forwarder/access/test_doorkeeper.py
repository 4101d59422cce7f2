"""Who may begin a handshake: strangers few at a time, known networks as many as have keys."""

from __future__ import annotations

import pytest

from forwarder.access.bounds import (
    ATTEMPTS_PER_MINUTE,
    ATTEMPTS_PER_MINUTE_EACH,
    ATTEMPTS_PER_MINUTE_KEY,
    MAX_ADDRESSES,
    MAX_GREETING,
    MAX_GREETING_EACH,
    MOST_NETWORKS,
)
from forwarder.access.doorkeeper import Doorkeeper, origin_of
from forwarder.access.proven_networks import ProvenNetworks


def test_one_address_cannot_hold_more_than_its_share() -> None:
    door = Doorkeeper()
    for port in range(MAX_GREETING_EACH):
        assert door.enter(f"10.0.0.1:{port}", 0.0)
    assert not door.enter("10.0.0.1:99", 0.0)
    assert door.enter("10.0.0.2:1", 0.0)
    door.leave("10.0.0.1:3")
    assert door.enter("10.0.0.1:99", 0.0)


def test_all_together_cannot_hold_more_than_the_hub_bears() -> None:
    door = Doorkeeper()
    for number in range(MAX_GREETING):
        assert door.enter(f"10.0.{number}.1:1", 0.0)
    assert not door.enter("10.9.9.9:1", 0.0)
    assert door.inside == MAX_GREETING
    for number in range(MAX_GREETING):
        door.leave(f"10.0.{number}.1:1")
    assert door.inside == 0
    assert door.enter("10.9.9.9:1", 0.0)


def test_attempts_per_minute_are_limited_per_address() -> None:
    door = Doorkeeper()
    taken = 0
    for _ in range(ATTEMPTS_PER_MINUTE_EACH + 10):
        if door.enter("10.0.0.1:1", 5.0):
            taken += 1
            door.leave("10.0.0.1:1")
    assert taken == ATTEMPTS_PER_MINUTE_EACH
    assert door.enter("10.0.0.2:1", 5.0)
    assert door.enter("10.0.0.1:1", 5.0 + 60 / ATTEMPTS_PER_MINUTE_EACH + 0.01)


def test_attempts_per_minute_are_limited_in_all() -> None:
    door = Doorkeeper()
    taken = 0
    for number in range(2 * ATTEMPTS_PER_MINUTE):
        address = f"10.{number // 250}.{number % 250}.1:1"
        if door.enter(address, 5.0):
            taken += 1
            door.leave(address)
    assert taken == ATTEMPTS_PER_MINUTE


def test_what_is_allowed_in_all_is_so_from_the_start_and_comes_back_with_time() -> None:
    door = Doorkeeper()
    addresses = iter(f"10.{n // 250}.{n % 250}.1:1" for n in range(10_000))

    def passes(now: float) -> bool:
        address = next(addresses)
        entered = door.enter(address, now)
        if entered:
            door.leave(address)
        return entered

    assert all(passes(0.0) for _ in range(ATTEMPTS_PER_MINUTE))
    assert not passes(0.0)
    a_second = ATTEMPTS_PER_MINUTE // 60
    assert [passes(1.0) for _ in range(a_second + 1)] == [True] * a_second + [False]


def test_who_has_proved_itself_comes_in_through_a_crowd() -> None:
    door = Doorkeeper()
    door.proven("10.0.0.1:5")
    for number in range(MAX_GREETING):
        assert door.enter(f"10.1.{number}.1:1", 0.0)
    assert not door.enter("10.0.0.2:1", 0.0)
    assert door.enter("10.0.0.1:6", 0.0)
    assert door.inside == MAX_GREETING + 1
    door.leave("10.0.0.1:6")
    assert door.inside == MAX_GREETING


def test_of_those_that_proved_themselves_the_one_longest_ago_is_forgotten() -> None:
    door = Doorkeeper()
    for number in (0, 1, 0, *range(2, MOST_NETWORKS)):
        door.proven(f"10.{number}.0.1:1")
    door.proven("10.255.255.1:1")
    for number in range(MAX_GREETING):
        assert door.enter(f"11.1.{number}.1:1", 0.0)
    assert door.enter("10.0.0.1:2", 0.0), "heard again since"
    assert not door.enter("10.1.0.1:2", 0.0)
    assert door.enter("10.2.0.1:2", 0.0)


def test_two_of_one_address_are_two_until_both_have_left() -> None:
    door = Doorkeeper()
    for port in (1, 2):
        assert door.enter(f"10.0.0.1:{port}", 0.0)
    door.leave("10.0.0.1:1")
    assert door.inside == 1
    door.leave("10.0.0.1:2")
    assert door.inside == 0


def test_a_door_for_a_share_bears_that_much() -> None:
    door = Doorkeeper(share=0.25)
    for number in range(MAX_GREETING // 4):
        assert door.enter(f"10.0.{number}.1:1", 0.0)
    assert not door.enter("10.9.9.9:1", 0.0)
    for number in range(MAX_GREETING // 4):
        door.leave(f"10.0.{number}.1:1")
    taken = MAX_GREETING // 4
    while door.enter(f"10.{taken // 250}.{taken % 250}.2:1", 0.0):
        door.leave(f"10.{taken // 250}.{taken % 250}.2:1")
        taken += 1
    assert taken == ATTEMPTS_PER_MINUTE // 4


def test_who_is_refused_at_the_door_does_not_use_up_what_others_share() -> None:
    door = Doorkeeper()
    for _ in range(5 * ATTEMPTS_PER_MINUTE):
        if door.enter("10.0.0.1:1", 5.0):
            door.leave("10.0.0.1:1")
    assert door.enter("10.0.0.2:1", 5.0)


def test_addresses_remembered_are_bounded() -> None:
    door = Doorkeeper()
    for number in range(3 * MAX_ADDRESSES):
        address = f"10.{number // 250}.{number % 250}.1:1"
        if door.enter(address, float(number)):
            door.leave(address)
    assert len(door._each) <= MAX_ADDRESSES


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("10.0.0.1:1234", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
        ("[fe80::1%eth0]:80", "fe80::/64"),
        ("in-process", "in-process"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_limits_go_by_host_and_by_the_64_bits_of_a_customer(address: str, origin: str) -> None:
    assert origin_of(address) == origin


# --- together -----------------------------------------------------------------------------------


def test_a_network_has_room_for_each_key_that_proved_itself_from_there() -> None:
    door = Doorkeeper()
    for number in range(100):
        door.proven("10.0.0.1:1", bytes([number]))
    inside = [door.enter(f"10.0.0.1:{number}", 0.0) for number in range(200)]
    assert sum(inside) == MAX_GREETING_EACH + 100
    assert door.enter("10.0.0.2:1", 0.0), "strangers have what they had"
    for number in range(sum(inside)):
        door.leave(f"10.0.0.1:{number}")
    tries = 0
    while door.enter("10.0.0.1:1", 0.0):
        door.leave("10.0.0.1:1")
        tries += 1
    assert tries == ATTEMPTS_PER_MINUTE_EACH + 100 * ATTEMPTS_PER_MINUTE_KEY - sum(inside)


def test_what_proved_itself_before_a_restart_has_its_room_at_once() -> None:
    known = ProvenNetworks()
    for number in range(50):
        known.note("10.0.0.1", bytes([number]))
    door = Doorkeeper(known=known)
    assert all(door.enter(f"10.0.0.1:{number}", 0.0) for number in range(50))
