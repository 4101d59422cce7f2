"""Which toys a wearer keeps at one relay."""

from __future__ import annotations

from forwarder.hub.kept import KeptConnection
from forwarder.sources.relays.bounds import RESERVED_MOST
from forwarder.sources.relays.reserved import Reserved

WHY = "The wearer has paused attic."


def test_a_wearer_keeps_what_the_relay_has_and_had() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "Hush", here=("attic",))
    assert reserved.allows("T", "cellar")
    assert reserved.block("attic", WHY) == ["T"]
    assert reserved.allows("T", "attic")
    assert not reserved.allows("T", "cellar")
    assert reserved.holds() == (KeptConnection("T", "attic", WHY, "Hush"),)
    assert reserved.free("attic") == ["T"]
    assert reserved.allows("T", "cellar")
    assert reserved.holds() == ()


def test_what_comes_to_a_relay_while_it_is_paused_is_kept_as_well() -> None:
    reserved = Reserved()
    assert reserved.block("attic", WHY) == []
    reserved.had("T", "attic", "", here=("attic",))
    assert not reserved.allows("T", "cellar")


def test_a_toy_that_another_relay_took_over_is_no_business_of_the_first() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "", here=("attic",))
    reserved.had("T", "cellar", "", here=("attic", "cellar"))
    assert reserved.block("attic", WHY) == []


def test_a_relay_that_was_away_when_its_toy_was_taken_has_a_word_in_it() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "", here=("attic",))
    reserved.had("T", "cellar", "", here=("cellar",))
    assert reserved.block("attic", WHY) == ["T"]
    assert not reserved.allows("T", "cellar")


def test_a_relay_that_comes_back_content_has_given_its_toy_away() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "", here=("attic",))
    reserved.had("T", "cellar", "", here=("cellar",))
    assert reserved.free("attic") == []
    assert reserved.block("attic", WHY) == []


def test_of_two_wearers_both_must_resume() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "", here=("attic",))
    reserved.had("T", "cellar", "", here=("cellar",))
    reserved.block("cellar", "The wearer has paused cellar.")
    reserved.block("attic", WHY)
    reserved.free("cellar")
    assert not reserved.allows("T", "cellar")
    reserved.free("attic")
    assert reserved.allows("T", "cellar")


def test_a_pause_that_becomes_an_emergency_stop_is_said_as_such() -> None:
    reserved = Reserved()
    reserved.had("T", "attic", "", here=("attic",))
    reserved.block("attic", WHY)
    reserved.block("attic", "The wearer pressed the emergency stop at attic.")
    (hold,) = reserved.holds()
    assert "emergency" in hold.why


def test_what_was_kept_before_a_restart_is_kept_until_its_relay_is_content() -> None:
    hold = KeptConnection("T", "attic", WHY, "Hush")
    reserved = Reserved([hold])
    assert reserved.holds() == (hold,)
    assert not reserved.allows("T", "cellar")
    assert reserved.free("attic") == ["T"]
    assert reserved.allows("T", "cellar")


def test_the_number_of_toys_remembered_is_bounded() -> None:
    reserved = Reserved()
    for number in range(RESERVED_MOST + 1):
        reserved.had(f"T{number}", "attic", "", here=("attic",))
    assert len(reserved.block("attic", WHY)) == RESERVED_MOST
    assert reserved.allows("T0", "cellar")
