"""Toys that are not connected and may be running."""

from __future__ import annotations

from forwarder.sources.relays.bounds import MOST_EACH, OWING_MOST
from forwarder.sources.relays.owing import Owing, Owings


def names(owings: Owings) -> list[tuple[str, str, str]]:
    return [(item.address, item.toy, item.relay) for item in owings]


def test_what_a_relay_tells_holds_until_it_tells_otherwise() -> None:
    owings = Owings()
    assert owings.told("a", "attic", [("T", "Hush"), ("U", "")]) == ["T", "U"]
    assert owings.told("b", "cellar", [("V", "Nora")]) == ["V"]
    assert owings.told("a", "attic", [("T", "Hush")]) == []
    assert names(owings) == [("T", "Hush", "attic"), ("V", "Nora", "cellar")]
    assert "U" not in owings


def test_one_that_a_gone_relay_left_behind_is_owed_until_that_is_back_and_has_told() -> None:
    owings = Owings()
    owings.lost("T", "Hush", "a", "attic")
    owings.told("a", "attic", [])
    assert "T" in owings, "it told of what it knew before"
    owings.back("a")
    assert "T" in owings
    owings.told("a", "attic", [])
    assert "T" not in owings


def test_one_that_was_stopped_or_forgotten_owes_nothing() -> None:
    owings = Owings()
    owings.lost("T", "Hush", "a", "attic")
    owings.settled("T")
    owings.settled("T")
    assert list(owings) == []


def test_what_is_known_is_not_replaced_by_less() -> None:
    owings = Owings()
    owings.lost("T", "Hush", "a", "attic")
    assert owings.told("b", "cellar", [("T", "")]) == []
    owings.lost("T", "", "a", "attic")
    assert list(owings) == [Owing("T", "Hush", "b", "cellar", told=True)]


def test_their_number_is_bounded() -> None:
    owings = Owings()
    new = owings.told("a", "attic", [(f"T{number}", "") for number in range(MOST_EACH + 5)])
    assert len(new) == len(list(owings)) == MOST_EACH
    for number in range(OWING_MOST + 5):
        owings.lost(f"U{number}", "", f"{number}", "gone")
    assert len(list(owings)) == OWING_MOST


def test_what_a_relay_makes_up_pushes_out_nothing_that_another_has_told() -> None:
    owings = Owings()
    owings.told("good", "attic", [("T", "Hush")])
    owings.lost("U", "Nora", "gone", "cellar")
    for relay in range(20):
        made_up = [(f"{relay}-{number}", "") for number in range(10_000)]
        owings.told(f"liar {relay}", "liar", made_up)
    assert "T" in owings
    assert "U" in owings
    assert len(list(owings)) <= OWING_MOST


def test_what_one_relay_owes_no_other_settles_by_telling_of_it() -> None:
    owings = Owings()
    owings.told("good", "attic", [("T", "Hush")])
    assert owings.told("liar", "liar", [("T", "mine")]) == []
    owings.told("liar", "liar", [])
    assert names(owings) == [("T", "Hush", "attic")]
