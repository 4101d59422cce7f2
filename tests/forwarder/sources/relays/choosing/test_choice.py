"""The rules of the choice, in the order of its module's docstring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.sources.relays.bounds import AGAIN_S, GATHER_S, SIGHTING_S
from forwarder.sources.relays.choosing.choice import (
    Obstacle,
    Post,
    RelayVerdict,
    WearerKeeps,
    gives_way,
    judge,
    patience_s,
    ranked,
)
from forwarder.sources.relays.choosing.pins import How, Pinned
from forwarder.sources.relays.choosing.sightings import Sighting
from relay.link.messages import Advertisement
from relay.radio.bounds import NOISE_DB, SCORE_HANGS_S

NOW = 100.0
FREE = Pinned()


def toy(levels: dict[str, int], *, last: str | None = None) -> Sighting:
    """Heard just now by these relays."""
    sighting = Sighting(Advertisement("AA", "LVS-Hush"), last=last)
    sighting.seen = {key: (NOW, level) for key, level in levels.items()}
    return sighting


def verdicts(
    sighting: Sighting, *posts: Post, held: WearerKeeps | None = None
) -> tuple[RelayVerdict, ...]:
    return ranked(judge(sighting, post, FREE, held, NOW) for post in posts)


def post(key: str, **more: object) -> Post:
    return replace(Post(key, key), **more)


def first(sighting: Sighting, *posts: Post) -> str | None:
    best = verdicts(sighting, *posts)[0]
    return best.post.key if best.obstacle is None else None


ATTIC, BATH = post("attic", free=4), post("bath", free=4)


def test_who_hears_it_best_has_it() -> None:
    assert first(toy({"attic": -60, "bath": -50}), ATTIC, BATH) == "bath"
    assert first(toy({"attic": -60, "bath": 0}), ATTIC, BATH) == "attic", "nobody knows how well"


@pytest.mark.parametrize(
    ("there", "obstacle"),
    [
        ({"linked": False}, Obstacle.AWAY),
        ({"off": "Bluetooth is off."}, Obstacle.RADIO),
        ({"blocked": "The wearer has paused attic."}, Obstacle.BLOCKED),
        ({"free": 0}, Obstacle.FULL),
        ({"free": -3}, Obstacle.FULL),
    ],
)
def test_what_is_in_the_way_is_told_and_the_next_one_has_it(
    there: dict[str, object], obstacle: Obstacle
) -> None:
    sighting = toy({"attic": -40, "bath": -80}, last="attic")
    told = verdicts(sighting, post("attic", **there), BATH)
    assert [one.post.key for one in told] == ["bath", "attic"]
    assert (told[1].obstacle, bool(told[1].why)) == (obstacle, True)


def test_one_that_does_not_hear_it_cannot_have_it() -> None:
    sighting = toy({"attic": -40, "bath": -80})
    sighting.seen["attic"] = (NOW - SIGHTING_S - 1, -40)
    assert first(sighting, ATTIC, BATH) == "bath"
    sighting.lost(NOW + 1)
    assert first(sighting, ATTIC, BATH) is None


def test_one_that_failed_waits_and_then_comes_behind_and_says_why() -> None:
    sighting = toy({"attic": -50, "bath": -60})
    sighting.jitter = lambda: 0.0
    sighting.failed("attic", NOW, "It hung.")
    bath, attic = verdicts(sighting, ATTIC, BATH)
    assert (bath.obstacle, attic.obstacle) == (None, Obstacle.FAILED)
    assert (attic.why, attic.until) == ("It hung.", NOW + 1)
    sighting.failed("attic", NOW - 10)
    assert first(sighting, ATTIC, BATH) == "bath"


@given(
    st.integers(-80, -35),
    st.integers(-NOISE_DB, NOISE_DB),
    st.integers(-NOISE_DB, NOISE_DB),
    st.lists(st.floats(0, SCORE_HANGS_S), max_size=6),
    st.integers(1, 16),
    st.integers(1, 16),
)
def test_it_goes_back_to_the_one_that_had_it_whatever_noise_and_load_say(
    level: int, here: int, there: int, busy: list[float], free: int, other: int
) -> None:
    sighting = toy({"attic": level + here, "bath": level + there}, last="attic")
    attic = post("attic", free=free, connects_s=tuple(busy))
    assert first(sighting, attic, post("bath", free=other)) == "attic"


def test_one_that_was_carried_to_another_room_moves() -> None:
    assert first(toy({"attic": -98, "bath": -50}, last="attic"), ATTIC, BATH) == "bath"
    assert first(toy({"attic": -85, "bath": -45}, last="attic"), ATTIC, BATH) == "bath"


@pytest.mark.parametrize(
    ("levels", "last", "attic", "waits_s"),
    [
        ({"bath": -50}, None, {}, GATHER_S),
        ({"attic": -50, "bath": -50}, None, {}, GATHER_S),
        ({"bath": -50}, "attic", {}, AGAIN_S),
        ({"attic": -50, "bath": -50}, "attic", {}, 0.0),
        ({"attic": -50}, "attic", {}, 0.0),
        # Where it cannot come back nobody waits for that.
        ({"bath": -50}, "attic", {"linked": False}, 0.0),
        ({"bath": -50}, "attic", {"off": "pulled"}, 0.0),
        ({"bath": -50}, "attic", {"free": 0}, GATHER_S),
    ],
)
def test_who_had_it_gets_a_moment_to_hear_it(
    levels: dict[str, int], last: str | None, attic: dict[str, object], waits_s: float
) -> None:
    sighting = toy(levels, last=last)
    told = verdicts(sighting, post("attic", **{"free": 4, **attic}), BATH)
    assert patience_s(sighting, told) == waits_s


def test_a_relay_alone_waits_for_nobody() -> None:
    sighting = toy({"attic": -50})
    assert patience_s(sighting, verdicts(sighting, ATTIC)) == 0


def test_nobody_is_sent_behind_a_connect_that_hangs() -> None:
    hung = post("attic", free=4, connects_s=(SCORE_HANGS_S + 1,))
    assert first(toy({"attic": -40, "bath": -85}, last="attic"), hung, BATH) == "bath"
    assert first(toy({"attic": -40}), hung, BATH) == "attic", "there is no other"


def test_a_connect_that_hangs_gives_its_place_to_whoever_waits() -> None:
    sighting = toy({"attic": -40})
    full = post("attic", free=0)
    assert gives_way(verdicts(sighting, replace(full, connects_s=(1.0,)))) is None
    assert (
        gives_way(verdicts(sighting, replace(full, connects_s=(1.0, SCORE_HANGS_S + 1)))) == "attic"
    )


def test_a_wearers_stop_and_a_persons_pin_are_stronger_than_any_score() -> None:
    sighting = toy({"attic": -30, "bath": -95}, last="attic")
    (bath, attic) = verdicts(
        sighting, ATTIC, BATH, held=WearerKeeps("bath", "The wearer stopped bath.")
    )
    assert (bath.obstacle, attic.obstacle) == (None, Obstacle.WEARER)
    never = judge(sighting, ATTIC, Pinned(How.NEVER, "never"), None, NOW)
    preferred = judge(sighting, BATH, Pinned(How.PREFER), None, NOW)
    assert ranked([never, preferred])[0].post.key == "bath"
    assert ranked([judge(sighting, ATTIC, FREE, None, NOW), preferred])[0].post.key == "bath"


def test_equals_are_chosen_alike_each_time() -> None:
    sighting = toy({"attic": -50, "bath": -50})
    assert first(sighting, ATTIC, BATH) == first(sighting, BATH, ATTIC)


def test_it_is_told_in_a_line() -> None:
    told = verdicts(toy({"attic": -50}, last="attic"), ATTIC, BATH)
    assert [str(one) for one in told] == [
        "attic: -22 = signal -50, slots -2, kept +30",
        "bath: it does not hear the toy",
    ]
