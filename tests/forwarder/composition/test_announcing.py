from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from forwarder.api.services import ApiPlaces
from forwarder.composition.announcing import Announcing
from forwarder.config import Config, Link
from forwarder.connectors.doors import Doors
from forwarder.connectors.mdns import BUTTPLUG, RELAYS
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds
from forwarder.connectors.whereabouts import Whereabouts
from relay.link.messages import Places
from relay.link.security.noise import KeyPair
from tests.doubles.clock import run_virtual

KEY = KeyPair.generate()
PORTS = ApiPlaces(client_port=12345, link_port=12346, https_port=12347)


class Kept:
    """A relay that notes where it is told to look."""

    def __init__(self) -> None:
        self.told: list[Places] = []
        self.knows = asyncio.Event()

    def tell_places(self, places: Places) -> None:
        self.told.append(places)
        self.knows.set()


def announcing(
    folder: Path,
    link: Link,
    *,
    mdns: bool = False,
    told: Whereabouts | None = None,
    meetings: Sequence[MeetingPoint] = (),
) -> Announcing:
    config = Config(state=folder, link=link, mdns=mdns)
    return Announcing(config, PORTS, KEY.public, told or Whereabouts({}), meetings, None)


@pytest.mark.parametrize(
    ("lan", "beacon", "mdns", "kinds"),
    [
        (False, True, False, []),
        (True, True, False, [RELAYS]),
        (True, False, False, []),
        (False, True, True, [BUTTPLUG, RELAYS]),
        (True, True, True, [BUTTPLUG, RELAYS]),
    ],
)
def test_relays_that_have_paired_can_look_for_a_hub_that_lets_them_in(
    tmp_path: Path, lan: bool, beacon: bool, mdns: bool, kinds: list[str]
) -> None:
    here = announcing(tmp_path, Link(lan=lan, beacon=beacon), mdns=mdns)
    work = dict(here.work())
    told = here.announcements() if "mDNS" in work else []
    assert [each.kind for each in told] == kinds
    assert {each.port for each in told} <= {PORTS.client_port, PORTS.link_port}
    for coroutine in work.values():
        coroutine.close()


def test_own_addresses_are_told_only_where_others_may_come_by_them(tmp_path: Path) -> None:
    point = MeetingPoint("wss://meet.example.org", KEY, Doors(), ids=MeetingIds(KEY.public))
    alone = announcing(tmp_path, Link(), meetings=[point]).places()
    assert not alone.own
    assert list(alone.meetings) == [point.url]
    named = announcing(tmp_path, Link(lan=True, names=("desk.example.org",))).places()
    assert "ws://desk.example.org:12346/link" in named.own
    assert "wss://desk.example.org:12347/link" in named.own


def test_a_relay_that_is_here_learns_the_places_as_soon_as_they_are_known(tmp_path: Path) -> None:
    relay = Kept()
    here = announcing(tmp_path, Link(), told=Whereabouts({"attic": relay}))

    async def main() -> None:
        work = dict(here.work())
        watching = asyncio.ensure_future(work["whereabouts"])
        await relay.knows.wait()
        watching.cancel()

    run_virtual(main())
    assert relay.told == [here.places()]
