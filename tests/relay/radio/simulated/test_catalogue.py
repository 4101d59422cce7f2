from __future__ import annotations

import pytest

from relay.radio.simulated.catalogue import UnknownToy, catalogue, toys_by_name
from relay.radio.simulated.models import check


def test_every_toy_of_the_catalogue_is_sound() -> None:
    for model in catalogue():
        check(model)


def test_toys_are_found_by_device_name_and_by_advertised_name_in_any_case() -> None:
    toys = toys_by_name("lovense hush, MASSAGE DEMO,LVS-P036,,")
    assert [toy.name for toy in toys] == ["Lovense Hush", "Aneros Vivi", "Lovense Edge"]
    assert [toy.advertisement.name for toy in toys] == ["LVS-Z011", "Massage Demo", "LVS-P036"]


def test_the_same_name_twice_makes_two_toys() -> None:
    toys = toys_by_name("Lovense Hush,LVS-Z011,Lovense Hush")
    assert [toy.name for toy in toys] == ["Lovense Hush"] * 3
    assert len({toy.address for toy in toys}) == 3


def test_addresses_are_canonical_and_the_same_every_time() -> None:
    first, again = toys_by_name("Lovense Hush"), toys_by_name("lovense hush")
    assert [toy.address for toy in first] == [toy.address for toy in again] == ["E5:6E:7A:FC:49:71"]


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [("Lovense Husch", "Lovense Hush"), ("moon horn", "JoyHub Moon Horn"), ("J-MonHorn", "J-Moon")],
)
def test_an_unknown_name_brings_suggestions(asked: str, suggested: str) -> None:
    with pytest.raises(UnknownToy) as caught:
        toys_by_name(f"Lovense Hush,{asked}")
    assert repr(asked) in str(caught.value)
    assert suggested in str(caught.value)


@pytest.mark.parametrize("name", ["We-Vibe Chorus", "we vibe chorus", "WeVibeChorus"])
def test_spaces_and_hyphens_do_not_matter(name: str) -> None:
    assert [toy.name for toy in toys_by_name(name)] == ["WeVibe Chorus"]


def test_what_hangs_on_a_cable_can_be_simulated_too() -> None:
    (toy,) = toys_by_name("tcode v0.3 (single linear axis)")
    assert toy.model.protocol == "tcode-v03"
    assert toy.advertisement.services == tuple(toy.model.services)


def test_a_bluetooth_toy_comes_before_the_same_one_behind_an_app() -> None:
    (toy,) = toys_by_name("Lovense Nora")
    assert toy.model.protocol == "lovense"
