"""File descriptors: how many this process may have, and places for connections within that."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Final, TypeVar

from forwarder.connectors.bounds import (
    KNOCKING,
    SETTLED,
    SETTLED_HERE,
    STRANGERS,
    Bound,
    PeerOrigin,
)
from forwarder.connectors.doors import Doors

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)

# For everything that is no place: 30 of an idle hub, radios and D-Bus, what it dials by itself, a
# connection that was just accepted, files that are being written.
RESERVED: Final = 128
# All places together, when every table is full.
PLACES: Final = sum(
    bound.most for table in (KNOCKING, SETTLED, SETTLED_HERE) for bound in table.values()
) + len(PeerOrigin) * sum(bound.most for bound in STRANGERS.values())

Key = TypeVar("Key")


def descriptors(beside: int = 0) -> int | None:
    """How many this process may have, after asking for as many as all places need and `beside`
    them; without those. None where nobody says."""
    if sys.platform == "win32":
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return None
    wanted = PLACES + RESERVED + beside
    if soft < wanted and (hard == unlimited or hard > soft):
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft - beside


def doors_within(limit: int | None) -> Doors:
    """Places that leave RESERVED of `limit` descriptors; with fewer than all need, each table has
    its share, and the log says so."""
    if limit is None or limit >= PLACES + RESERVED:
        return Doors()
    share = max(0, limit - RESERVED) / PLACES
    doors = Doors(
        knocking=_shared(KNOCKING, share),
        strangers=_shared(STRANGERS, share),
        settled=_shared(SETTLED, share),
        settled_here=_shared(SETTLED_HERE, share),
    )
    log.warning(
        "this system gives the hub %d open files: there is room for %.0f %% of the usual"
        " connections; `ulimit -n %d` (systemd: LimitNOFILE=) gives all",
        limit, share * 100, PLACES + RESERVED,
    )  # fmt: skip
    return doors


def _shared(bounds: Mapping[Key, Bound], share: float) -> dict[Key, Bound]:
    # One of each kind there is in any case.
    return {
        key: Bound(max(1, int(bound.most * share)), max(1, int(bound.each * share)))
        for key, bound in bounds.items()
    }
