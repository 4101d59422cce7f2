"""Which guests are here, in words for the wearer, and what the wearer answers."""

from __future__ import annotations

import logging

import pytest

from relay.link.messages import Driven, FromRelay, GuestAnswer, GuestHere, GuestList, Status
from relay.wearer.shown import WearersView, guest_line

ASKS = GuestHere("Marie", 1, "Firefox on Linux", waits=True)
DRIVES = GuestHere("Marie", 2, drives=True)
OTHER = GuestHere("Kim", 1, "Safari")


def view(*guests: GuestHere) -> tuple[WearersView, list[FromRelay]]:
    said: list[FromRelay] = []
    made = WearersView(said.append)
    made.heard(GuestList(guests))
    return made, said


def test_each_guest_is_a_line_that_says_what_the_wearer_may_do() -> None:
    assert guest_line(ASKS) == (
        "guest Marie 1 (Firefox on Linux) wants to drive: relay allow 'Marie 1', or relay end"
        " 'Marie 1'"
    )
    assert guest_line(DRIVES) == "guest Marie 2 drives: relay end 'Marie 2' ends it"
    assert "is here" in guest_line(OTHER)
    assert "\x1b" not in guest_line(GuestHere("\x1b[2J", 1, "\x1b[2J"))


@pytest.mark.parametrize(
    ("called", "allow", "answers"),
    [
        ("Marie", True, [GuestAnswer("Marie", 1, True)]),
        ("marie 1", True, [GuestAnswer("Marie", 1, True)]),
        ("Marie 2", True, []),  # it may already
        ("Marie 2", False, [GuestAnswer("Marie", 2, False)]),
        ("Marie", False, [GuestAnswer("Marie", 1, False), GuestAnswer("Marie", 2, False)]),
        ("", True, [GuestAnswer("Marie", 1, True)]),
        (
            "",
            False,
            [
                GuestAnswer("Marie", 1, False),
                GuestAnswer("Marie", 2, False),
                GuestAnswer("Kim", 1, False),
            ],
        ),
        ("Mar", False, []),
    ],
)
def test_a_guest_is_meant_by_its_share_or_its_share_and_number(
    called: str, allow: bool, answers: list[GuestAnswer]
) -> None:
    made, said = view(ASKS, DRIVES, OTHER)
    assert made.answer(called, allow=allow) == len(answers)
    assert said == answers


SHARE_2 = GuestHere("Marie 2", 1, waits=True)


@pytest.mark.parametrize(
    ("guests", "called", "allow", "meant"),
    [
        ((GuestHere("Marie", 2, waits=True), SHARE_2), "marie 2", True, [("Marie", 2)]),
        ((GuestHere("Marie", 2, waits=True), SHARE_2), "Marie 2 1", True, [("Marie 2", 1)]),
        ((DRIVES, SHARE_2), "Marie 2", True, []),
        ((ASKS, SHARE_2), "Marie 2", True, [("Marie 2", 1)]),
        ((DRIVES, SHARE_2), "Marie 2", False, [("Marie", 2), ("Marie 2", 1)]),
    ],
)
def test_by_the_name_that_stands_in_the_list_nobody_else_is_allowed(
    guests: tuple[GuestHere, ...], called: str, allow: bool, meant: list[tuple[str, int]]
) -> None:
    made, said = view(*guests)
    made.answer(called, allow=allow)
    assert said == [GuestAnswer(share, guest, allow) for share, guest in meant]


def test_a_question_is_said_once_and_all_is_forgotten_with_the_hub(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        made, _ = view(ASKS, OTHER)
        made.heard(GuestList((ASKS,)))
    assert [record.message for record in caplog.records] == [guest_line(ASKS)]
    made.heard(Status((Driven(3),)))
    assert made.driven == {3: Driven(3)}
    made.clear()
    assert (made.driven, made.guests) == ({}, ())
    assert made.answer("", allow=False) == 0
