"""What a browser is told: the one origin, never all; no credentials; nothing that was not asked."""

from __future__ import annotations

from forwarder.access.cross_origin import VARY, preflight_headers, shared_with

PAGE = "https://game.example"


def test_an_answer_is_for_the_one_page_that_asked() -> None:
    headers = shared_with(PAGE)
    assert headers == {"Access-Control-Allow-Origin": PAGE, "Vary": "Origin"}
    assert VARY == {"Vary": "Origin"}


def test_a_preflight_gets_what_it_asked_about_and_no_more() -> None:
    plain = preflight_headers({}, PAGE, "GET, PUT", "Authorization")
    assert plain["Access-Control-Allow-Methods"] == "GET, PUT"
    assert "Access-Control-Allow-Headers" not in plain
    assert "Access-Control-Allow-Credentials" not in plain
    asked = {
        "Access-Control-Request-Headers": "authorization, x-evil",
        "Access-Control-Request-Private-Network": "true",
        "Access-Control-Request-Local-Network": "false",
    }
    full = preflight_headers(asked, PAGE, "GET", "Authorization")
    assert full["Access-Control-Allow-Headers"] == "Authorization"
    assert full["Access-Control-Allow-Private-Network"] == "true"
    assert "Access-Control-Allow-Local-Network" not in full
    assert "*" not in "".join(full.values())
