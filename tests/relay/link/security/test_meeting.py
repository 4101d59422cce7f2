from __future__ import annotations

import pytest

from relay.link.errors import LinkViolation
from relay.link.security.meeting import (
    Answer,
    Ended,
    MeetingAddressError,
    Proving,
    Registered,
    Registering,
    Unanswered,
    Visitor,
    derived_id,
    hub_id,
    is_id,
    is_visit_url,
    meeting_origin,
    normal_visit_url,
    visit_url,
)
from relay.link.security.noise import KeyPair

HERE = "https://meet.example.org"
ELSEWHERE = "https://elsewhere.example.org"
KEY = KeyPair(bytes(range(32)))


def proven(hub: Registering, point: Proving) -> bytes:
    return point.proof(hub.receive(point.first(hub.start())))


def test_a_hub_proves_the_key_behind_its_id() -> None:
    hub, point = Registering(KEY, HERE), Proving(HERE)
    assert proven(hub, point) == KEY.public
    id = hub_id(KEY.public)
    assert is_id(id)
    assert hub.news(point.say(Registered(id))) == Registered(id)
    visitor = Visitor("t" * 32, "203.0.113.9", id)
    assert hub.news(point.say(visitor)) == visitor


def test_a_proof_cannot_be_passed_on_to_another_meeting_point() -> None:
    hub, other = Registering(KEY, HERE), Proving(ELSEWHERE)
    with pytest.raises(LinkViolation, match="another address"):
        hub.receive(other.first(hub.start()))


def test_a_proof_is_good_for_one_connection() -> None:
    hub, point = Registering(KEY, HERE), Proving(HERE)
    first = hub.start()
    proof = hub.receive(point.first(first))
    again = Proving(HERE)
    again.first(first)
    with pytest.raises(LinkViolation):
        again.proof(proof)


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_proof_that_was_changed_is_none(at: int) -> None:
    hub, point = Registering(KEY, HERE), Proving(HERE)
    proof = bytearray(hub.receive(point.first(hub.start())))
    proof[at] ^= 1
    with pytest.raises(LinkViolation):
        point.proof(bytes(proof))


@pytest.mark.parametrize("frame", ["text", b"", b"x", bytes(2000)])
def test_whatever_else_comes_is_a_violation(frame: str | bytes) -> None:
    with pytest.raises(LinkViolation):
        Proving(HERE).first(frame)
    hub = Registering(KEY, HERE)
    hub.start()
    with pytest.raises(LinkViolation):
        hub.receive(frame)
    hub, point = Registering(KEY, HERE), Proving(HERE)
    proven(hub, point)
    with pytest.raises(LinkViolation):
        hub.news(frame)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("wss://Meet.Example.org", HERE),
        ("https://meet.example.org:443/", HERE),
        ("wss://meet.example.org:8443", f"{HERE}:8443"),
        ("ws://127.0.0.1:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://localhost:8080"),
        ("https://127.1.2.3", "https://localhost"),
        ("wss://[2001:DB8::1]:444", "https://[2001:db8::1]:444"),
    ],
)
def test_an_address_has_one_way_to_be_written(text: str, origin: str) -> None:
    assert meeting_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["", "meet.example.org", "ftp://meet.example.org", "wss://", "wss://a@b", "wss://a:99999",
     "wss://meet.example.org/path", "wss://meet.example.org/?q", "ws://meet.example.org",
     "http://192.168.1.2:8080", "wss://me et.example.org", "wss://a:0"],
)  # fmt: skip
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(MeetingAddressError):
        meeting_origin(text)


def test_a_place_at_a_meeting_point_is_recognised() -> None:
    url = visit_url(HERE, hub_id(KEY.public))
    assert url == f"wss://meet.example.org/at/{hub_id(KEY.public)}"
    assert is_visit_url(url)
    assert normal_visit_url(url.replace("meet", "MEET")) == url
    for other in ("wss://meet.example.org/link", f"{url}x", url.replace("wss", "ws"), "", "/at/"):
        assert not is_visit_url(other)


SEED, OTHER_SEED = bytes(16), bytes(15) + b"\x01"


def test_each_seed_makes_an_id_that_tells_nothing_of_the_others() -> None:
    ids = {hub_id(KEY.public), derived_id(KEY.public, SEED), derived_id(KEY.public, OTHER_SEED)}
    assert len(ids) == 3
    assert all(map(is_id, ids))
    assert derived_id(KeyPair(bytes(32)).public, SEED) not in ids


def test_a_hub_asks_for_more_ids_after_its_proof() -> None:
    hub, point = Registering(KEY, HERE), Proving(HERE)
    proven(hub, point)
    assert point.wish(hub.say(Answer(SEED))) == Answer(SEED)
    assert point.wish(hub.say(Ended(SEED))) == Ended(SEED)
    refused = Unanswered(derived_id(KEY.public, SEED), "too many")
    assert hub.news(point.say(refused)) == refused


def test_what_no_hub_says_ends_a_registration() -> None:
    hub, point = Registering(KEY, HERE), Proving(HERE)
    proven(hub, point)
    with pytest.raises(LinkViolation, match="what none says"):
        point.wish(hub.say(Answer(b"short")))
