"""The meeting points of a hub, as its configuration names them, and one in its own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from forwarder.config import Config, Link
from forwarder.connectors.doors import Doors
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds
from relay.link.security.meeting import hub_id
from relay.link.security.noise import KeyPair

if TYPE_CHECKING:
    from forwarder.meet.server import MeetingServer

Here: TypeAlias = "tuple[MeetingServer, MeetingPoint]"
"""A meeting point in this process, and this hub's registration there, which takes the short way."""


def beside(link: Link) -> int:
    """Descriptors that a meeting point of this hub's own needs."""
    if link.meet_here is None:
        return 0
    from forwarder.meet.here import DESCRIPTORS

    return DESCRIPTORS


def meeting_points(
    config: Config, key: KeyPair, doors: Doors, ids: MeetingIds
) -> tuple[list[MeetingPoint], Here | None]:
    """Where this hub, whose key that is, can be met: all of them, and what is its own."""
    link = config.link
    points = [MeetingPoint(url, key, doors, ids=ids) for url in dict.fromkeys(link.meet)]
    if link.meet_here is None:
        return points, None
    from forwarder.meet.here import meeting_here

    server = meeting_here(link.meet_here, link.meet_port, hub_id(key.public), config.name)
    own = MeetingPoint(server.origin, key, doors, ids=ids)
    return [*points, own], (server, own)
