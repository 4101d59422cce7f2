"""Pages for phones: addresses that work, and why they do not."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from forwarder.api.documents.model import PairingBody, PairingView
from forwarder.api.pairing import Page, page_by_meeting, phone_page
from forwarder.api.services import ApiPlaces
from forwarder.commands.pair import fingerprint_lines, instructions
from forwarder.config import Link
from forwarder.connectors.doors import Doors
from forwarder.connectors.host_addresses import places
from forwarder.connectors.meeting import MeetingPoint
from relay.hub_link.hubs import dial_place
from relay.link.reach import pair
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import PairingLink
from tests.doubles.running_hub import config_for, running_hub
from tests.relay.link.direct.pairs import listening

SECRET = bytes(32)
CODE = "A" * 43
LAN = (ipaddress.ip_address("192.168.1.7"), ipaddress.ip_address("2001:db9::7"))
PORTS = ApiPlaces(client_port=1, link_port=12346, https_port=12347)


def page(way: str, site: str | None = None, *, lan: bool = True, ports: ApiPlaces = PORTS) -> Page:
    hosts = ("192.168.1.7", "desk.local", "2001:db9::7") if lan else ("127.0.0.1",)
    return phone_page(PairingBody(phone=way, site=site), SECRET, hosts, LAN, ports, lan=lan)


def test_the_hubs_own_https_names_every_place() -> None:
    found = page("https")
    assert found.problems == ()
    assert found.url == (
        "https://192.168.1.7:12347/relay/?h=desk.local:12347&h=[2001:db9::7]:12347#" + CODE
    )


FINGERPRINT = ":".join(f"{number:02X}" for number in range(32))


def test_the_hubs_own_certificate_is_shown_as_chrome_for_android_shows_it() -> None:
    own = page("https", ports=ApiPlaces(1, 12346, 12347, fingerprint=FINGERPRINT))
    assert own.certificate == " ".join(f"{number:02X}" for number in range(32))
    assert "Certificate information" in own.hints[0]
    users = page("https", ports=ApiPlaces(1, 12346, 12347, fingerprint=FINGERPRINT, own=False))
    assert (users.certificate, users.hints) == (None, ())
    ports = ApiPlaces(1, 12346, 12347, fingerprint=FINGERPRINT)
    for way, site in (("localhost", None), ("site", "https://me.example/r")):
        assert page(way, site, ports=ports).certificate is None


def test_the_terminal_sets_the_ends_of_a_fingerprint_apart_and_leaves_nothing_out() -> None:
    lines = fingerprint_lines(FINGERPRINT.replace(":", " "))
    assert lines[0] == "00 01 02 03"
    assert lines[-1] == "1C 1D 1E 1F"
    assert " ".join(lines) == FINGERPRINT.replace(":", " ")
    assert all(len(line) < 60 for line in lines)


def test_without_lan_or_port_it_says_what_to_do() -> None:
    assert "--lan" in page("https", lan=False).problems[0]
    assert "https_port" in page("https", ports=ApiPlaces(1, 12346, None)).problems[0]


def test_a_cable_works_without_a_network() -> None:
    found = page("localhost", lan=False)
    assert found.problems == ()
    assert found.url == f"http://localhost:12346/relay/#{CODE}"
    assert "adb reverse tcp:12346 tcp:12346" in found.hints[0]


def test_a_site_learns_nothing_and_gets_private_places_only() -> None:
    found = page("site", "https://me.example/r")
    assert found.problems == ()
    assert found.url == f"https://me.example/r/#{CODE}&h=192.168.1.7:12346&h=desk.local:12346"


@pytest.mark.parametrize(
    "site", [None, "", "http://me.example/", "me.example", "https://", "https://x/?a", "https://[x"]
)
def test_what_is_no_site_is_said(site: str | None) -> None:
    found = page("site", site)
    assert found.url is None
    assert "https address" in found.problems[0]


def test_plain_http_gets_no_bluetooth() -> None:
    assert "plain http" in page("lan").problems[0]


def test_places_are_private_first_and_this_machine_alone_without_lan() -> None:
    assert places(LAN, (), lan=False) == ("127.0.0.1",)
    assert places(LAN, ("desk.example",), lan=True)[:2] == ("192.168.1.7", "desk.example")


def meeting_point(*, registered: bool) -> MeetingPoint:
    point = MeetingPoint("wss://meet.example.org", KeyPair(bytes(32)), Doors())
    point.registered = registered
    return point


def test_the_page_of_a_meeting_point_keeps_places_and_secret_to_itself() -> None:
    point = meeting_point(registered=True)
    found = page_by_meeting(SECRET, ("192.168.1.7", "2001:db9::7"), LAN, 12346, [point])
    assert found.problems == ()
    assert found.url is not None
    sent, _, kept = found.url.partition("#")
    assert sent == "https://meet.example.org/relay/"
    assert kept == f"{CODE}&h=192.168.1.7:12346&m={point.url}"
    assert found.certificate is None
    assert PairingLink.parse(found.url).urls() == ("ws://192.168.1.7:12346/link", point.url)


def test_a_meeting_point_that_is_not_there_is_a_problem_and_says_why() -> None:
    found = page_by_meeting(SECRET, (), LAN, 12346, [meeting_point(registered=False)])
    assert "not asked yet" in found.problems[0]


def test_a_code_for_another_home_has_no_address_of_this_one() -> None:
    code = PairingView(
        id="1", link=f"bpforward:///?m={meeting_point(registered=True).url}#{CODE}", link_qr="",
        page_url=None, page_qr=None, problems=("none",), hints=(), certificate=None, valid_s=120,
    )  # fmt: skip
    lines = instructions(code)
    assert lines[0] == code.link
    assert any("another computer" in line for line in lines)


async def test_a_hub_with_direct_paths_names_them_and_a_relay_pairs_by_them(tmp_path: Path) -> None:
    at = "203.0.113.5:12349"
    link = Link(port=0, https_port=0, direct=True, direct_port=0, direct_at=(at,))
    async with listening():
        pass  # skips where the library is not there
    async with running_hub(tmp_path / "hub", (), config_for(tmp_path / "hub", (), link)) as hub:
        assert hub.app.direct is not None
        await asyncio.wait_for(hub.app.direct.ready.wait(), 10)
        _, status = await hub.ask("GET", "/status")
        assert isinstance(status, dict)
        assert status["hub"]["direct"] == {"relays": [], "trouble": ""}
        _, away = await hub.ask("POST", "/pairing", {"away": True})
        assert isinstance(away, dict)
        assert away["page_url"] is None
        assert "meeting point" in away["problems"][0]
        (place,) = PairingLink.parse(away["link"]).urls()
        assert place == f"{place.partition(',')[0]},{at}"


async def test_a_relay_pairs_by_a_direct_path_alone(tmp_path: Path) -> None:
    link = Link(port=0, https_port=0, direct=True, direct_port=0)
    async with listening():
        pass
    async with running_hub(tmp_path / "hub", (), config_for(tmp_path / "hub", (), link)) as hub:
        assert hub.app.direct is not None
        await asyncio.wait_for(hub.app.direct.ready.wait(), 10)
        # Nothing leads here from elsewhere.
        assert (await hub.ask("POST", "/pairing", {"away": True}))[0] == 422
        _, near = await hub.ask("POST", "/pairing", {})
        assert isinstance(near, dict)
        whole = PairingLink.parse(near["link"])
        own, direct = whole.urls()
        assert own.startswith("ws://127.0.0.1:")
        alone = replace(whole, places=())
        known = await pair(alone, KeyPair.generate(), "attic", dial_place)
        assert (known.urls, known.key) == ((direct,), hub.app.trust.key.public)
