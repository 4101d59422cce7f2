"""Direct places: one way to write each, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.link.direct.place import DirectPlace, DirectPlaceError, is_direct_url, relay_url

KEY = "4807" * 16


@pytest.mark.parametrize(
    ("rest", "relay", "addresses"),
    [
        ("", None, ()),
        (",https://relay.example.org", "https://relay.example.org", ()),
        (",http://[2001:db8::1]:3340", "http://[2001:db8::1]:3340", ()),
        (",192.0.2.7:41000,[2001:db8::2]:5", None, ("192.0.2.7:41000", "[2001:db8::2]:5")),
        (",https://r.example,192.0.2.7:1", "https://r.example", ("192.0.2.7:1",)),
    ],
)
def test_a_place_is_read_as_it_is_written(
    rest: str, relay: str | None, addresses: tuple[str, ...]
) -> None:
    place = DirectPlace.parse(f"iroh://{KEY}{rest}")
    assert place == DirectPlace(KEY, relay, addresses)
    assert place.url == f"iroh://{KEY}{rest}"
    assert is_direct_url(place.url) == bool(rest) == place.leads_there


def test_for_elsewhere_the_addresses_of_a_home_are_left_out() -> None:
    assert DirectPlace(KEY, "https://r.example", ("192.168.1.2:5",)).away() == DirectPlace(
        KEY, "https://r.example"
    )
    assert DirectPlace(KEY, None, ("192.168.1.2:5", "[fd00::1]:5")).away() is None
    public = DirectPlace(KEY, None, ("203.0.113.5:5",))
    assert DirectPlace(KEY, None, ("10.0.0.1:5", "203.0.113.5:5")).away() == public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wss://hub.example/link",
        "iroh://",
        f"iroh://{KEY[:-1]}",
        f"iroh://{KEY.upper().replace('4', 'A')}",
        f"iroh://{KEY},relay.example.org",
        f"iroh://{KEY},hub.local:41000",
        f"iroh://{KEY},192.0.2.7:0",
        f"iroh://{KEY},192.0.2.7:70000",
        f"iroh://{KEY},192.0.2.7:",
        f"iroh://{KEY},2001:db8::2:5,https://a.example,https://b.example",
        f"iroh://{KEY},ftp://relay.example",
        f"iroh://{KEY},https://u@relay.example",
        f"iroh://{KEY},https://relay.example/path",
        f"iroh://{KEY}" + ",192.0.2.7:1" * 5,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DirectPlaceError):
        DirectPlace.parse(text)
    assert not is_direct_url(text)


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    for tried in (text, f"iroh://{KEY},{text}"):
        try:
            place = DirectPlace.parse(tried)
        except DirectPlaceError:
            continue
        assert DirectPlace.parse(place.url) == place


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Relay.Example.ORG./", "https://relay.example.org"),
        ("https://relay.example.org:443", "https://relay.example.org"),
        (" http://127.0.0.1:3340/ ", "http://127.0.0.1:3340"),
    ],
)
def test_an_iroh_relay_is_written_in_one_way(text: str, url: str) -> None:
    assert relay_url(text) == url == relay_url(url)


@pytest.mark.parametrize(
    "text", ["", "relay.example.org", "wss://r.example", "https://", "https://r.example:0"]
)
def test_what_is_no_iroh_relay_is_said(text: str) -> None:
    with pytest.raises(DirectPlaceError, match=r"relay\.example\.org"):
        relay_url(text)
