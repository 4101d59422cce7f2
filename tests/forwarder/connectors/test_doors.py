from __future__ import annotations

import pytest

from forwarder.access.proven_networks import ProvenNetworks
from forwarder.connectors.bounds import (
    PAGES_S,
    PROOF_S,
    SETTLED,
    SETTLED_HERE,
    STRANGERS,
    Bound,
    PeerOrigin,
    Purpose,
)
from forwarder.connectors.doors import Doors, Place, PlaceState, network_of

HERE, NEAR, FAR = "127.0.0.1", "192.0.2.1", "198.51.100.1"


class Street:
    """Connections that come, and the order in which they were closed from inside."""

    def __init__(self, **bounds: dict[PeerOrigin, Bound] | dict[Purpose, Bound]) -> None:
        self.doors = Doors(**bounds)  # type: ignore[arg-type]  # each test gives what fits
        self.ended: list[str] = []

    def come(self, address: str, name: str = "", now: float = 0.0) -> Place:
        return self.doors.arrive(address, now, lambda: self.ended.append(name or address))

    def enter(self, address: str, purpose: Purpose, *, settled: bool, name: str = "") -> Place:
        place = self.come(address, name)
        assert place.enter(purpose, 0.0, settled=settled)
        return place


def test_every_purpose_has_places_of_every_kind() -> None:
    assert set(STRANGERS) == set(SETTLED) == set(SETTLED_HERE) == set(Purpose)


def test_a_full_street_gives_the_oldest_place_of_the_noisiest_network_to_a_newcomer() -> None:
    street = Street(knocking=dict.fromkeys(PeerOrigin, Bound(4, 3)))
    street.come(NEAR, "good, and older than all others")
    for number in range(4):
        street.come(FAR, f"noisy {number}")
    assert street.ended == ["noisy 0"]  # its own network's bound came first
    street.come("203.0.113.9", "another good one")
    assert street.ended == ["noisy 0", "noisy 1"]
    assert street.doors.count == 4


def test_a_crowd_of_strangers_pushes_out_neither_this_machine_nor_who_was_here_before() -> None:
    street = Street()
    street.enter(NEAR, Purpose.LINKS, settled=True)
    street.come(HERE, "local")
    street.come(NEAR, "came back")
    for number in range(1000):
        street.come(f"203.0.{number // 250}.{number % 250}", "stranger")
    assert set(street.ended) == {"stranger"}


def test_who_showed_a_token_is_pushed_out_by_no_crowd_of_its_own_network() -> None:
    street = Street()
    places = [street.come(address, "shown") for address in (HERE, NEAR)]
    for place in places:
        place.vouch()
        place.vouch()
    for _ in range(300):
        street.come(HERE, "crowd")
        street.come(NEAR, "crowd")
    assert "shown" not in street.ended
    places[0].leave()
    assert places[1].enter(Purpose.EVENTS, 0.0, settled=True, who="token")
    assert places[1].state is PlaceState.SETTLED


def test_one_ipv6_customer_is_one_network() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9%eth0")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("somewhere") == "somewhere"


@pytest.mark.parametrize("crowd", [each for each in Purpose if each is not Purpose.LINKS])
def test_no_purpose_takes_the_places_of_another(crowd: Purpose) -> None:
    street = Street()
    for settled in (False, True):
        for number in range(300):
            street.come(f"203.0.113.{number % 250}").enter(crowd, 0.0, settled=settled)
    relay = street.come(NEAR, "relay")
    assert relay.enter(Purpose.LINKS, 0.0, settled=False)
    assert relay.settle()
    assert "relay" not in street.ended


def test_who_has_proven_itself_stays_and_a_newcomer_is_refused() -> None:
    street = Street(settled=dict.fromkeys(Purpose, Bound(2, 2)))
    first = street.enter("203.0.113.9", Purpose.EVENTS, settled=True)
    street.enter(FAR, Purpose.EVENTS, settled=True)
    third = street.come(NEAR)
    assert not third.enter(Purpose.EVENTS, 0.0, settled=True)
    assert third.state is PlaceState.KNOCKING
    assert third.enter(Purpose.EVENTS, 0.0, settled=False)
    assert not third.settle()
    first.leave()
    assert third.settle()
    assert (third.state, third.until, street.ended) == (PlaceState.SETTLED, None, [])


def test_guests_that_take_all_they_can_leave_the_programs_of_this_machine_their_places() -> None:
    street = Street()
    for number in range(300):
        street.come(f"203.0.113.{number % 250}").enter(Purpose.CLIENTS, 0.0, settled=True)
    for _ in range(SETTLED_HERE[Purpose.CLIENTS].most):
        street.enter(HERE, Purpose.CLIENTS, settled=True)
    assert not street.come(HERE).enter(Purpose.CLIENTS, 0.0, settled=True)


def test_who_has_proven_itself_finds_room_whatever_programs_of_this_machine_do() -> None:
    street = Street()
    for number in range(300):
        street.come(f"127.0.1.{number % 250}").enter(Purpose.LINKS, 0.0, settled=number % 2 == 0)
    relay = street.come(HERE, "relay")
    assert relay.enter(Purpose.LINKS, 0.0, settled=False)
    assert relay.settle(b"key")
    assert "relay" not in street.ended


def test_one_key_has_its_own_places_wherever_it_comes_from_and_takes_no_others() -> None:
    street = Street()
    for number in range(300):
        place = street.come(f"203.0.113.{number % 250}", str(number))
        assert place.enter(Purpose.LINKS, 0.0, settled=False)
        assert place.settle(b"again and again")
    each = SETTLED[Purpose.LINKS].each
    assert street.ended == [str(number) for number in range(300 - each)]  # the newest wins
    assert street.enter(FAR, Purpose.LINKS, settled=False).settle(b"another")


@pytest.mark.parametrize("crowd", ["guests", "programs of this machine"])
def test_an_owner_here_finds_room_beside_a_crowd_of_others(crowd: str) -> None:
    street = Street()
    for number in range(300):
        guests = crowd == "guests"
        place = street.come("203.0.113.1" if guests else HERE)
        place.enter(Purpose.EVENTS, 0.0, settled=True, who=number if guests else None)
    assert street.come(HERE).enter(Purpose.EVENTS, 0.0, settled=True, who="the owner's token")


def test_strangers_have_a_time_to_become_somebody() -> None:
    street = Street()
    place = street.come(NEAR, now=100.0)
    assert (place.last_answer, place.until) == (100 + PAGES_S, 100 + 2 * PAGES_S)
    assert place.enter(Purpose.LINKS, 101.0, settled=False)
    assert place.until == 101 + PROOF_S
    place.end()
    assert (place.state, street.ended, street.doors.count) == (PlaceState.GONE, [NEAR], 0)
    assert not place.settle()


def test_leaving_twice_counts_once() -> None:
    street = Street()
    place = street.come(NEAR)
    place.leave()
    place.leave()
    assert street.doors.count == 0


def test_the_same_connection_may_come_again_for_what_it_has_a_place_for() -> None:
    place = Street().enter(HERE, Purpose.EVENTS, settled=True)
    assert place.enter(Purpose.EVENTS, 1.0, settled=True)
    assert not place.enter(Purpose.CLIENTS, 1.0, settled=True)


def test_without_descriptors_the_strangest_goes_first() -> None:
    street = Street()
    street.come(HERE)
    street.come(FAR)
    street.doors.make_room()
    street.doors.make_room()
    street.doors.make_room()
    assert street.ended == [FAR, HERE]


def test_what_a_meeting_point_says_of_addresses_gives_nobody_more_than_a_stranger_has() -> None:
    street = Street()
    street.come(HERE, "local")
    street.come(NEAR, "guest").enter(Purpose.LINKS, 0.0, settled=False)
    for number in range(1000):
        stated = (HERE, NEAR, f"203.0.{number // 250}.{number % 250}")[number % 3]
        street.doors.call(stated, 0.0, lambda: street.ended.append("visitor"))
    assert set(street.ended) == {"visitor"}
    assert street.doors.count - 2 == STRANGERS[Purpose.MEETING].most
    relay = street.doors.call(NEAR, 0.0, lambda: None)
    assert relay.settle(b"key")
    # It has proven itself where the meeting point says that NEAR is: at no door of our own.
    assert street.come(NEAR).origin is PeerOrigin.NEW


def test_visitors_of_meeting_points_are_a_quarter_of_all_at_most() -> None:
    by_them = (Purpose.MEETING, Purpose.GUESTS)
    strangers = len(PeerOrigin) * sum(STRANGERS[purpose].most for purpose in by_them)
    assert 4 * (strangers + sum(SETTLED[purpose].most for purpose in by_them)) <= 800
    assert not any(SETTLED_HERE[purpose].most for purpose in by_them)


def test_a_flood_for_one_share_takes_no_place_of_another_or_of_a_relay() -> None:
    street = Street()
    street.doors.call(FAR, 0.0, lambda: street.ended.append("relay"))
    street.doors.call("other", 0.0, lambda: street.ended.append("guest"), Purpose.GUESTS)
    for _ in range(1000):
        street.doors.call("flooded", 0.0, lambda: street.ended.append("flood"), Purpose.GUESTS)
    assert set(street.ended) == {"flood"}


def test_a_known_network_has_places_for_as_many_strangers_as_it_has_keys() -> None:
    proven = ProvenNetworks()
    for number in range(300):
        proven.note("10.0.0.1", number.to_bytes(32, "big"))
    doors, ended = Doors(proven=proven), []
    for _ in range(300):
        place = doors.arrive("10.0.0.1", 0.0, lambda: ended.append(1))
        assert place.enter(Purpose.LINKS, 0.0, settled=False)
    assert ended == []


def test_strangers_and_who_has_room_of_its_own_take_nothing_of_each_other() -> None:
    proven = ProvenNetworks()
    for number in range(100):
        proven.note("127.0.0.1", number.to_bytes(32, "big"))
    doors, ended = Doors(proven=proven, own=50), []
    mine = [doors.arrive("127.0.0.1", 0.0, lambda: ended.append("mine")) for _ in range(50)]
    for number in range(2000):
        address = f"127.0.{number >> 8}.{number & 255}"
        place = doors.arrive(address, 0.0, lambda: ended.append("theirs"))
        place.enter(Purpose.LINKS, 0.0, settled=False)
    assert "mine" not in ended
    assert doors.count <= 50 + STRANGERS[Purpose.LINKS].most
    for place in mine:
        place.leave()
    assert doors.count <= STRANGERS[Purpose.LINKS].most


def test_relays_of_this_machine_are_known_by_their_keys_too() -> None:
    doors, ended = Doors(), []
    for number in range(300):
        place = doors.arrive("127.0.0.1", 0.0, lambda: ended.append(1))
        assert place.enter(Purpose.LINKS, 0.0, settled=False)
        assert place.settle(number.to_bytes(32, "big"))
    for _ in range(300):
        place = doors.arrive("127.0.0.1", 0.0, lambda: ended.append(1))
        assert place.enter(Purpose.LINKS, 0.0, settled=False)
    assert ended == []
