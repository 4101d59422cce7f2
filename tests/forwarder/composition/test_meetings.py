from __future__ import annotations

from pathlib import Path

from forwarder.composition.meetings import meeting_points
from forwarder.config import Config, Link
from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting_ids import MeetingIds
from relay.link.security.noise import KeyPair

KEY = KeyPair.generate()


def made(folder: Path, link: Link) -> tuple[list[str], str | None]:
    """The origins of all points, and of the own one."""
    points, here = meeting_points(
        Config(state=folder, link=link), KEY, Doors(), MeetingIds(KEY.public)
    )
    assert here is None or here[1] in points
    return [point.origin for point in points], None if here is None else here[1].origin


def test_each_named_place_is_dialed_once(tmp_path: Path) -> None:
    urls = ("wss://meet.example.org", "wss://other.example.org", "wss://meet.example.org")
    origins = ["https://meet.example.org", "https://other.example.org"]
    assert made(tmp_path, Link(meet=urls)) == (origins, None)
    assert made(tmp_path, Link()) == ([], None)


def test_a_meeting_point_of_its_own_is_the_last_and_serves_this_hub_only(tmp_path: Path) -> None:
    own = "https://meet.example.net"
    link = Link(meet=("wss://meet.example.org",), meet_here=own, meet_port=0)
    origins, here = made(tmp_path, link)
    assert here is not None
    assert origins == ["https://meet.example.org", own]
    assert here == own
