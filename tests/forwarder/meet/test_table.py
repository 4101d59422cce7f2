from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

import pytest

from forwarder.meet.bounds import DEFAULT, IDLE_S, JOIN_S, PROOF_S, SILENT_S, Bounds
from forwarder.meet.table import MeetingState, MeetingTable, NoRoom, RegisteredHub, Visit
from relay.link.close_codes import NOT_HERE, POINT_FULL
from relay.link.security.meeting import derived_id, hub_id

KEY, OTHER = b"k" * 32, b"o" * 32
SEED = bytes(16)
NEAR, FAR = "192.0.2.1", "198.51.100.1"


class Point:
    """A table, what its hubs were told, and why connections were closed from inside."""

    def __init__(self, bounds: Bounds = DEFAULT, only: frozenset[str] | None = None) -> None:
        self.table = MeetingTable(bounds, only=lambda id: only is None or id in only)
        self.told: defaultdict[str, list[Visit]] = defaultdict(list)
        self.ended: list[str] = []

    def hub(self, key: bytes = KEY, address: str = FAR, *, lives: bool = False) -> RegisteredHub:
        hub = self.table.knock(address, 0.0, self.ended.append)
        self.table.prove(hub, key, 0.0, lambda visit: self.told[hub_id(key)].append(visit))
        if lives:
            hub.heard = 1000.0
        return hub

    def visit(self, key: bytes = KEY, address: str = NEAR, now: float = 0.0) -> Visit:
        return self.table.visit(hub_id(key), address, now, self.ended.append)

    def came(self, key: bytes = KEY, address: str = NEAR) -> bool:
        try:
            self.visit(key, address)
        except NoRoom:
            return False
        return True

    def pair(self, key: bytes = KEY, address: str = NEAR, now: float = 0.0) -> Visit:
        return self.table.join(self.visit(key, address, now).ticket, now)


def test_a_visitor_is_told_to_the_hub_it_names_and_to_no_other() -> None:
    point = Point()
    point.hub(KEY)
    point.hub(OTHER)
    visit = point.visit(KEY)
    assert point.told == {hub_id(KEY): [visit]}
    assert point.table.join(visit.ticket, 0.0) is visit
    assert visit.state is MeetingState.JOINED


def test_a_ticket_is_good_once() -> None:
    point = Point()
    point.hub()
    ticket = point.pair().ticket
    with pytest.raises(NoRoom, match="has gone"):
        point.table.join(ticket, 0.0)
    with pytest.raises(NoRoom):
        point.table.join("guessed", 0.0)


def test_nobody_is_found_who_has_not_proven_himself() -> None:
    point = Point()
    point.table.knock(FAR, 0.0, point.ended.append)
    with pytest.raises(NoRoom) as refused:
        point.visit()
    assert refused.value.code == NOT_HERE


def test_the_newest_registration_of_an_id_counts() -> None:
    point = Point()
    old, new = point.hub(), point.hub()
    assert old.state is MeetingState.GONE
    assert point.ended == ["the hub came back over a new connection"]
    assert point.visit().hub is new
    point.table.leave_hub(old)  # its handler ends later, and takes nothing of the new one
    assert point.visit().hub is new


def test_only_ids_that_are_listed_may_register() -> None:
    point = Point(only=frozenset({hub_id(KEY)}))
    point.hub(KEY)
    with pytest.raises(NoRoom, match=hub_id(OTHER)):
        point.hub(OTHER)


def test_pairs_outlive_the_registration_that_they_came_by() -> None:
    point = Point()
    hub, pair = point.hub(), point.pair()
    point.table.leave_hub(hub)
    assert pair.state is MeetingState.JOINED
    with pytest.raises(NoRoom):
        point.visit()


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (replace(DEFAULT, registrations_each=2), "hubs at your address"),
        (replace(DEFAULT, registrations=2), "all the hubs"),
        (replace(DEFAULT, attempts_each=2), "attempts from your address"),
        (replace(DEFAULT, attempts=2), "too many attempts"),
    ],
)
def test_hubs_are_bounded(bounds: Bounds, words: str) -> None:
    point = Point(bounds)
    for number in range(2):
        point.hub(bytes([number]) * 32)
    with pytest.raises(NoRoom, match=words) as refused:
        point.hub()
    assert refused.value.code == POINT_FULL


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (replace(DEFAULT, visitors_each=2), "your address are waiting"),
        (replace(DEFAULT, visitors_hub=2), "visitors are waiting"),
        (replace(DEFAULT, visitors=2), "visitors are waiting"),
    ],
)
def test_visitors_are_bounded(bounds: Bounds, words: str) -> None:
    point = Point(bounds)
    point.hub()
    for _ in range(2):
        point.visit()
    with pytest.raises(NoRoom, match=words):
        point.visit()


@pytest.mark.parametrize(
    "bounds",
    [replace(DEFAULT, pairs_each=2), replace(DEFAULT, pairs_hub=2), replace(DEFAULT, pairs=2)],
)
def test_pairs_are_bounded_and_a_place_that_was_left_is_free(bounds: Bounds) -> None:
    point = Point(bounds)
    point.hub()
    first, _ = point.pair(), point.pair()
    with pytest.raises(NoRoom, match="connections"):
        point.pair()
    point.table.leave_visit(first)
    point.table.leave_visit(first)
    point.pair()


def test_one_addresss_flood_keeps_no_other_out() -> None:
    point = Point()
    point.hub()
    came = [point.came(address=NEAR) for _ in range(1000)]
    assert sum(came) == DEFAULT.visitors_each
    point.pair(address=FAR)


def test_a_flood_for_one_hub_keeps_nobody_from_another() -> None:
    point = Point()
    point.hub(KEY)
    point.hub(OTHER)
    came = [point.came(KEY, f"203.0.{number // 250}.{number % 250}") for number in range(1000)]
    assert sum(came) == DEFAULT.visitors_hub
    point.pair(OTHER)


def test_a_hub_answers_to_ids_of_its_key_and_of_no_other() -> None:
    point = Point()
    hub, other = point.hub(KEY), point.hub(OTHER)
    id = point.table.answer(hub, SEED, 0.0)
    assert id == derived_id(KEY, SEED) != point.table.answer(other, SEED, 0.0)
    visit = point.table.visit(id, NEAR, 0.0, point.ended.append)
    assert point.told == {hub_id(KEY): [visit]}
    assert (visit.id, point.table.join(visit.ticket, 0.0).hub) == (id, hub)
    assert point.table.counts["hubs"] == 2


def test_an_ended_id_is_dead_at_once_and_who_waits_for_it_is_told() -> None:
    point = Point()
    hub = point.hub()
    id = point.table.answer(hub, SEED, 0.0)
    joined = point.table.join(point.table.visit(id, NEAR, 0.0, point.ended.append).ticket, 0.0)
    waits = point.table.visit(id, NEAR, 0.0, point.ended.append)
    point.table.ended(hub, SEED)
    point.table.ended(hub, SEED)
    assert (waits.state, joined.state) == (MeetingState.GONE, MeetingState.JOINED)
    with pytest.raises(NoRoom, match="not at this meeting point"):
        point.table.visit(id, NEAR, 0.0, point.ended.append)
    with pytest.raises(NoRoom, match="has gone"):
        point.table.join(waits.ticket, 0.0)
    point.pair()  # its own id stays


def test_all_ids_of_a_hub_go_with_its_registration() -> None:
    point = Point()
    old = point.hub()
    point.table.answer(old, SEED, 0.0)
    new = point.hub()
    assert list(point.table._registered) == [hub_id(KEY)]
    with pytest.raises(NoRoom):
        point.table.answer(old, SEED, 0.0)  # a frame that came before the newer connection
    id = point.table.answer(new, SEED, 0.0)
    assert point.table.visit(id, NEAR, 0.0, point.ended.append).hub is new


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (replace(DEFAULT, derived_each=2), "a hub may have 2 shares"),
        (replace(DEFAULT, derived=2), "all the shares"),
    ],
)
def test_further_ids_are_bounded(bounds: Bounds, words: str) -> None:
    point = Point(bounds)
    hub = point.hub()
    for number in range(2):
        point.table.answer(hub, bytes([number]) * 16, 0.0)
    with pytest.raises(NoRoom, match=words):
        point.table.answer(hub, bytes([9]) * 16, 0.0)
    point.table.answer(hub, bytes(16), 0.0)  # there is that one already
    point.table.ended(hub, bytes(16))
    point.table.answer(hub, bytes([9]) * 16, 0.0)


def test_changes_of_ids_are_counted() -> None:
    point = Point(replace(DEFAULT, wishes_each=60))
    hub = point.hub()
    assert [point.table.wishes(hub, 0.0) for _ in range(61)] == [True] * 60 + [False]
    assert point.table.wishes(hub, 1.0)


def test_a_flood_for_one_share_keeps_nobody_from_the_hub_or_another_share() -> None:
    point = Point()
    hub = point.hub()
    flooded, other = (point.table.answer(hub, bytes([n]) * 16, 0.0) for n in range(2))
    joined = 0
    for number in range(1000):
        try:
            visit = point.table.visit(flooded, f"203.0.{number // 250}.{number % 250}", 0.0, print)
        except NoRoom:
            continue
        point.table.join(visit.ticket, 0.0)
        point.table.leave_visit(visit)
        joined += 1
    assert joined == DEFAULT.visits_derived  # each costs the hub a dialing
    point.pair()
    point.table.visit(other, NEAR, 0.0, point.ended.append)


def test_the_pair_that_was_slow_for_longest_ends_when_too_many_are() -> None:
    point = Point(replace(DEFAULT, slow=2))
    point.hub()
    pairs = [point.pair() for _ in range(3)]
    point.table.slow(pairs[0])
    point.table.flows(pairs[0])
    for pair in (pairs[1], pairs[2], pairs[0]):
        point.table.slow(pair)
    assert [pair.state for pair in pairs] == [
        MeetingState.JOINED,
        MeetingState.GONE,
        MeetingState.JOINED,
    ]
    assert point.ended == ["the other end reads too slowly"]


@pytest.mark.parametrize(
    ("make", "limit", "words"),
    [
        (lambda p: p.table.knock(FAR, 0.0, p.ended.append), PROOF_S, "no proof"),
        (lambda p: p.hub(), SILENT_S, "silent"),
        (lambda p: (p.hub(lives=True), p.visit())[1], JOIN_S, "did not answer"),
        (lambda p: (p.hub(lives=True), p.pair())[1], IDLE_S, "nothing was said"),
    ],
)
def test_each_state_has_its_time(make: object, limit: float, words: str) -> None:
    point = Point()
    thing = make(point)  # type: ignore[operator]  # one of the four above
    point.table.sweep(limit - 0.1)
    assert point.ended == []
    point.table.sweep(limit)
    assert thing.state is MeetingState.GONE
    assert len(point.ended) == 1
    assert words in point.ended[0]


def test_nothing_is_kept_of_who_is_gone() -> None:
    point = Point(replace(DEFAULT, addresses=4))
    for number in range(20):
        hub = point.hub(bytes([number]) * 32, f"203.0.113.{number}")
        visit = point.visit(bytes([number]) * 32, f"203.0.114.{number}")
        point.table.leave_visit(visit)
        point.table.leave_hub(hub)
    assert set(point.table.counts.values()) == {0}
    assert len(point.table._attempts_at) == 4


SMALL = Bounds(
    registrations=6, registrations_each=3, derived=4, derived_each=2, visitors=6, visitors_each=3,
    visitors_hub=3, visitors_derived=2, pairs=5, pairs_each=3, pairs_hub=3, pairs_derived=2, slow=2,
    addresses=3,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_it_counts_exactly_who_is_there(seed: int) -> None:
    chance, now = random.Random(seed), 0.0
    table = MeetingTable(SMALL)
    keys, seeds = [bytes([n]) * 32 for n in range(4)], [bytes([n]) * 16 for n in range(3)]
    ids = [*map(hub_id, keys), *(derived_id(key, each) for key in keys for each in seeds)]
    hubs, visits, tickets = [RegisteredHub("", 0.0, print)], [], ["none"]
    hubs[0].state = MeetingState.GONE

    def ended(why: str) -> None:
        pass

    def prove() -> None:
        hub = chance.choice(hubs)
        if hub.state is MeetingState.KNOCKING:
            table.prove(hub, chance.choice(keys), now, lambda visit: tickets.append(visit.ticket))

    def elsewhere() -> None:
        visits.append(table.visit_elsewhere(chance.choice(ids), address, now, ended))
        tickets.append(visits[-1].ticket)

    acts: list[Callable[[], object]] = [
        lambda: hubs.append(table.knock(address, now, ended)),
        prove,
        lambda: table.answer(chance.choice(hubs), chance.choice(seeds), now),
        lambda: table.ended(chance.choice(hubs), chance.choice(seeds)),
        lambda: table.moved(chance.choice(ids)),
        lambda: visits.append(table.visit(chance.choice(ids), address, now, ended)),
        elsewhere,
        lambda: visits.append(table.pair_elsewhere(now, ended)),
        lambda: table.join(chance.choice(tickets), now),
        lambda: table.slow(chance.choice(visits)),
        lambda: table.flows(chance.choice(visits)),
        lambda: table.leave_visit(chance.choice(visits)),
        lambda: table.leave_hub(chance.choice(hubs)),
        lambda: table.sweep(now),
    ]
    for _ in range(300):
        now += chance.choice([0.0, 0.1, 1.0, 3.0])
        address = f"192.0.2.{chance.randrange(3)}"
        with contextlib.suppress(NoRoom, IndexError):
            chance.choice(acts)()
        waiting = table._waiting.values()
        assert table._hubs_at == Counter(hub.network for hub in table._hubs)
        assert table._waiting_at == Counter(visit.network for visit in waiting)
        assert table._waiting_for == Counter(visit.id for visit in waiting)
        assert table._pairs_at == Counter(visit.network for visit in table._pairs)
        assert table._pairs_of == Counter(visit.id for visit in table._pairs)
        assert table._registered == {id: hub for hub in table._hubs for id in hub.ids}
        assert set(table._slow) <= set(table._pairs)
