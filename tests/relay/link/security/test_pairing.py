from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.link.bounds import MAX_PLACES
from relay.link.files.keys import PrivateFileError, write_private
from relay.link.security.pairing import (
    HubPlace,
    KnownHub,
    PairingLink,
    PairingLinkError,
    advertised,
    forget_hub,
    known_hub,
    load_hub,
    save_hub,
)
from tests.relay.link.make_vectors import FOLDER

_SECRET = bytes(range(32))
_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


class Good(msgspec.Struct):
    text: str
    urls: tuple[str, ...]
    secret: str


class Links(msgspec.Struct):
    links: list[Good]
    not_links: list[str]


_LINKS = msgspec.json.decode((FOLDER / "links.json").read_bytes(), type=Links)


@pytest.mark.parametrize("good", _LINKS.links, ids=lambda good: good.text[:40])
def test_a_link_is_read_as_the_vectors_say(good: Good) -> None:
    link = PairingLink.parse(good.text)
    assert link.urls() == good.urls
    assert link.secret.hex() == good.secret
    again = link.page() if link.tls else link.text()
    assert PairingLink.parse(again) == link


@pytest.mark.parametrize("text", _LINKS.not_links)
def test_what_is_no_link_is_refused_in_one_line_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(PairingLinkError) as caught:
        PairingLink.parse(text)
    assert "\n" not in str(caught.value)
    assert "copy the whole link" in str(caught.value)
    assert "AAECAwQF" not in str(caught.value)


def test_a_link_for_another_home_names_meeting_points_only() -> None:
    meeting = "wss://meet.example.org/at/abcdefghijklmnopqrstuvwxyz"
    link = advertised(_SECRET, [], 12346, meetings=[meeting])
    assert link.text() == f"bpforward:///?m={meeting}#{_TEXT}"
    page = link.page_at("https://meet.example.org/relay/")
    assert page == f"https://meet.example.org/relay/#{_TEXT}&m={meeting}"
    assert PairingLink.parse(link.text()) == PairingLink.parse(page) == link


def test_places_of_its_own_make_room_for_meeting_points_and_come_first() -> None:
    meetings = [f"wss://m{n}.example/at/abcdefghijklmnopqrstuvwxyz" for n in range(2)]
    link = advertised(_SECRET, [f"10.0.0.{n}" for n in range(20)], 1, meetings=meetings)
    assert len(link.urls()) == MAX_PLACES
    assert list(link.urls()[-2:]) == meetings
    # Nor does it matter that the meeting point was what answered when they paired.
    assert known_hub(link, b"k" * 32, "desk", meetings[0]).urls == link.urls()


def test_direct_paths_stand_in_links_for_programs_and_in_none_for_pages() -> None:
    direct = "iroh://" + "4807" * 16 + ",https://relay.example.org,203.0.113.5:12349"
    link = advertised(bytes(32), ["192.168.1.2"], 12346, direct=[direct])
    assert f"?d={direct}#" in link.text()
    assert PairingLink.parse(link.text()) == link
    assert link.urls() == ("ws://192.168.1.2:12346/link", direct)
    for page in (link.page(), link.page_at("https://example.org/relay/")):
        assert "iroh" not in page
    alone = PairingLink.parse(f"bpforward:///?d={direct}#{'A' * 43}")
    assert alone.urls() == (direct,)
    for wrong in ("iroh://x", "iroh://" + "4807" * 16, "https://relay.example.org"):
        with pytest.raises(PairingLinkError, match="does not say where the hub is"):
            PairingLink.parse(f"bpforward:///?d={wrong}#{'A' * 43}")


def test_a_link_wrapped_by_a_terminal_is_read() -> None:
    text = f"  bpforward://desk.local/\n   #{_TEXT[:20]}\r\n{_TEXT[20:]} \n"
    assert PairingLink.parse(text).secret == _SECRET


def test_a_link_that_the_shell_cut_at_the_hash_is_explained() -> None:
    with pytest.raises(PairingLinkError, match="in quotes"):
        PairingLink.parse("bpforward://desk.local/")


def test_the_secret_stays_out_of_repr_and_urls() -> None:
    link = PairingLink.parse(f"bpforward://desk.local/#{_TEXT}")
    shown = f"{link!r} {link} {link.urls()}"
    assert _TEXT[:8] not in shown
    assert _SECRET.hex()[:8] not in shown
    assert repr(_SECRET)[2:10] not in shown


def test_a_hub_advertises_where_it_can_be_found() -> None:
    link = advertised(_SECRET, ["192.168.1.20", "fd00::20", "desk.local", "192.168.1.20"], 12346)
    assert link.text() == (
        f"bpforward://192.168.1.20:12346/?h=[fd00::20]:12346&h=desk.local:12346#{_TEXT}"
    )
    assert advertised(_SECRET, ["desk.local"], 12347, tls=True).page("/relay") == (
        f"https://desk.local:12347/relay#{_TEXT}"
    )
    many = advertised(_SECRET, [f"10.0.0.{n}" for n in range(20)], 1)
    assert len(many.places) == MAX_PLACES
    assert PairingLink.parse(many.text()) == many
    with pytest.raises(PairingLinkError):
        advertised(_SECRET, ["no such host"], 1)


_HOSTS = st.one_of(
    st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){0,3}", fullmatch=True),
    st.ip_addresses().map(lambda ip: ip.compressed),
)


@given(
    st.lists(st.tuples(_HOSTS, st.integers(1, 65535)), min_size=1, max_size=MAX_PLACES),
    st.binary(min_size=32, max_size=32),
    st.booleans(),
)
def test_every_link_comes_back_as_it_went(
    hosts: list[tuple[str, int]], secret: bytes, tls: bool
) -> None:
    link = PairingLink(tuple(dict.fromkeys(HubPlace(*host) for host in hosts)), secret, tls)
    assert PairingLink.parse(link.page() if tls else link.text()) == link


@given(
    st.one_of(
        st.text(st.characters()),
        st.text().map(lambda t: f"bpforward://{t}#{_TEXT}"),
        st.text().map(lambda t: f"bpforward://a/?h={t}#{_TEXT}"),
        st.text().map(lambda t: f"bpforward://a/#{t}"),
    )
)
@example("bpforward://[::1")
@example("bpforward://a:٣/#" + _TEXT)
@example("bpforward://\ud800/#" + _TEXT)
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        link = PairingLink.parse(text)
    except PairingLinkError:
        return
    assert 1 <= len(link.urls()) <= MAX_PLACES
    assert len(link.secret) == 32
    assert all(0 < place.port < 65536 for place in link.places)


def test_the_relay_keeps_its_hub(tmp_path: Path) -> None:
    path = tmp_path / "state" / "hub.json"
    assert load_hub(path) is None
    link = advertised(_SECRET, ["10.0.0.1", "10.0.0.2"], 12346)
    hub = known_hub(link, b"k" * 32, "desk", "ws://10.0.0.2:12346/link")
    assert hub.urls == ("ws://10.0.0.2:12346/link", "ws://10.0.0.1:12346/link")
    save_hub(path, hub)
    assert load_hub(path) == hub
    assert _SECRET.hex() not in path.read_text()
    assert _TEXT not in path.read_text()
    assert forget_hub(path)
    assert not forget_hub(path)
    assert load_hub(path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        msgspec.json.encode({"version": 1, "hub": KnownHub(b"short", "desk", ("ws://a/link",))}),
        msgspec.json.encode({"version": 1, "hub": KnownHub(bytes(32), "desk", ())}),
    ],
)
def test_a_damaged_file_is_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.json"
    write_private(path, content)
    with pytest.raises(PrivateFileError, match="relay pair"):
        load_hub(path)
