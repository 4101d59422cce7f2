"""A meeting point in the hub's own process, for this hub alone: behind a tunnel's public name."""

from __future__ import annotations

from typing import Final

from forwarder.connectors.listener import LOOPBACK
from forwarder.errors import ConfigError
from forwarder.meet.bounds import Bounds, sockets
from forwarder.meet.server import MeetingServer
from relay.link.names import neutralise
from relay.link.security.meeting import MeetingAddressError, meeting_origin

# Enough for a house and its guests, beside the hub's own connections. The registrations are its
# own: one, and for a moment the next.
BOUNDS: Final = Bounds(
    registrations=4, registrations_each=4, derived=64,
    visitors=32, pairs=64, slow=32, attempts=2_400, addresses=1_024,
)  # fmt: skip
KNOCKING: Final = 64
# What the hub has to have open beyond its own places.
DESCRIPTORS: Final = sockets(BOUNDS) + KNOCKING


def meeting_here(url: str, port: int, id: str, owner: str) -> MeetingServer:
    """Serve the hub `id`, which people call `owner`, at `port` of this machine. `url` is what
    everybody else calls it. Raises ConfigError for a `url` that is none."""
    try:
        origin = meeting_origin(url)
    except MeetingAddressError as error:
        raise ConfigError(f"--meet-here: {error}.") from error
    return MeetingServer(
        port=port,
        origin=origin,
        # A tunnel or a proxy runs on this machine; nobody else is to come without it.
        hosts=LOOPBACK,
        bounds=BOUNDS,
        knocking=KNOCKING,
        only=lambda other: other == id,
        owner=neutralise(owner),
        option="--meet-port",
    )
