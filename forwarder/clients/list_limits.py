"""How long a list of devices may be for a client. Nothing in the protocol says it: a websocket
library closes the connection on a frame above its limit (RFC 6455, 7.4.1: code 1009), and the app
shows nothing but that. Who did that once is told what is wrong, the next time. Sans-I/O.
"""

from __future__ import annotations

import logging
from typing import Protocol

from forwarder.clients.bounds import LEAST_BYTES, LIST_LIMITS_MOST
from forwarder.connectors.bounds import SERVER_FRAME_BYTES
from forwarder.errors import DeviceError
from relay.link.close_codes import MESSAGE_TOO_BIG
from relay.link.errors import ChannelClosed

log = logging.getLogger(__name__)


class Lister(Protocol):
    """A client, as far as its lists go. `hub_id`: set for another hub."""

    @property
    def name(self) -> str: ...

    @property
    def hub_id(self) -> str | None: ...


class ListLimits:
    """By the names that clients give themselves."""

    def __init__(self) -> None:
        self._refused: dict[str, int] = {}

    def ended(self, client: Lister, listed_bytes: int, why: BaseException) -> None:
        """Its connection ended like this; `listed_bytes`: the longest list that it was sent."""
        too_big = isinstance(why, ChannelClosed) and why.code == MESSAGE_TOO_BIG
        if not too_big or listed_bytes < LEAST_BYTES:
            return
        known = self._refused.pop(client.name, listed_bytes)
        self._refused[client.name] = min(listed_bytes - 1, known)
        while len(self._refused) > LIST_LIMITS_MOST:
            del self._refused[next(iter(self._refused))]
        log.warning(
            "%s ended, for it does not read a list of %d KiB; next time it is told so",
            client.name,
            listed_bytes >> 10,
        )

    def most(self, client: Lister) -> int | None:
        """The bytes of a list that this client reads; None: as many as there are."""
        known = self._refused.get(client.name)
        if client.hub_id is not None:  # of this software, whose limit is known
            return SERVER_FRAME_BYTES if known is None else min(known, SERVER_FRAME_BYTES)
        return known

    def too_long(self, client: Lister, devices: int, has_bytes: int) -> DeviceError | None:
        """What this client is told instead of such a list; None if it can read that."""
        most = self.most(client)
        if most is None or has_bytes <= most:
            return None
        return DeviceError(
            f"The list of {devices} devices has {has_bytes >> 10} KiB, and this app reads frames of"
            f" {most >> 10} KiB at most. Raise that there, or use a token for fewer devices."
        )
