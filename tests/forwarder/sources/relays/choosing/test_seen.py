"""Why a toy is not here: each reason, which of several is told, and the words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forwarder.sources.relays.choosing.choice import Obstacle, Post, RelayVerdict
from forwarder.sources.relays.choosing.seen import SeenFacts, WhyNotHere, why_not_here
from relay.radio.score import score

FACTS = SeenFacts()


def verdict(obstacle: Obstacle | None, name: str = "attic", until: float = 0.0) -> RelayVerdict:
    return RelayVerdict(Post(name, name), score(-50), obstacle, "because", until)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (SeenFacts(here=(3, "attic")), WhyNotHere.CONNECTED),
        (SeenFacts(opening=True), WhyNotHere.OPENING),
        (SeenFacts(left_alone=True, known=False), WhyNotHere.LEFT_ALONE),
        (SeenFacts(known=False, wanted=False), WhyNotHere.UNKNOWN),
        (SeenFacts(allowed=False, stopped=True), WhyNotHere.DENIED),
        (SeenFacts(stopped=True, wanted=False), WhyNotHere.STOPPED),
        (SeenFacts(wanted=False), WhyNotHere.NOBODY_SCANS),
        (FACTS, WhyNotHere.SOON),
    ],
)
def test_what_a_person_can_mend_is_told_before_what_their_relays_say(
    facts: SeenFacts, reason: WhyNotHere
) -> None:
    told = why_not_here(facts, [verdict(None), verdict(Obstacle.FULL)])
    assert told.reason is reason
    assert told.text.endswith((".", "--save", "--allow"))


@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        (Obstacle.FULL, WhyNotHere.FULL),
        (Obstacle.ELSEWHERE, WhyNotHere.ELSEWHERE),
        (Obstacle.FAILED, WhyNotHere.FAILED),
        (Obstacle.BLOCKED, WhyNotHere.WEARER),
        (Obstacle.WEARER, WhyNotHere.WEARER),
        (Obstacle.PIN, WhyNotHere.PIN),
        (Obstacle.RADIO, WhyNotHere.RADIO),
        (Obstacle.UNHEARD, WhyNotHere.UNHEARD),
        (Obstacle.AWAY, WhyNotHere.UNHEARD),
    ],
)
def test_each_obstacle_of_a_relay_is_a_reason(obstacle: Obstacle, reason: WhyNotHere) -> None:
    others = [verdict(Obstacle.AWAY, "bath"), verdict(Obstacle.UNHEARD, "cellar")]
    told = why_not_here(FACTS, [*others, verdict(obstacle, until=7.0)])
    assert told.reason is reason
    if reason is not WhyNotHere.UNHEARD:
        assert (told.text, told.until) == ("attic: because", 7.0)


def test_every_obstacle_leads_to_a_reason_and_no_relay_at_all_to_none_hears_it() -> None:
    for obstacle in Obstacle:
        assert why_not_here(FACTS, [verdict(obstacle)]).reason is not WhyNotHere.SOON
    assert why_not_here(FACTS, []).reason is WhyNotHere.UNHEARD


def test_a_toy_that_is_here_has_no_other_reason() -> None:
    told = why_not_here(replace(FACTS, here=(0, "attic"), known=False, allowed=False), [])
    assert told.text == "It is device 0, at attic."
