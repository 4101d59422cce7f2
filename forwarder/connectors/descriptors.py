"""File descriptors: how many this process may have, places for connections within that, and those
that listen."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from forwarder.access.proven_networks import ProvenNetworks
from forwarder.connectors.bounds import (
    BACKLOG,
    KNOCKING,
    OWN_PLACES,
    RESERVED,
    SETTLED,
    SETTLED_HERE,
    STRANGERS,
    UNREAD_BYTES,
    Bound,
    PeerOrigin,
    Purpose,
)
from forwarder.connectors.doors import Doors
from forwarder.connectors.host_addresses import addresses
from forwarder.errors import ConfigError

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)

# The places of every table that take one: direct paths share one socket.
_TABLES: Final = [
    *(bound.most for bound in KNOCKING.values()),
    *(
        bound.most
        for table in (SETTLED, SETTLED_HERE)
        for purpose, bound in table.items()
        if purpose is not Purpose.DIRECT
    ),
    *(
        bound.most
        for purpose, bound in STRANGERS.items()
        for _ in PeerOrigin
        if purpose is not Purpose.DIRECT
    ),
    OWN_PLACES,
]
# All places together, when every table is full.
PLACES: Final = sum(_TABLES)


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


def doors_within(limit: int | None, proven: ProvenNetworks | None = None) -> Doors:
    """Places that leave RESERVED of `limit` descriptors; with fewer than all need, the largest
    tables are cut, all to one size, and the log says so."""
    if limit is None or limit >= PLACES + RESERVED:
        return Doors(proven=proven)
    # One of each kind there is in any case.
    most = 1
    while sum(min(table, most + 1) for table in _TABLES) <= limit - RESERVED:
        most += 1
    doors = Doors(
        knocking=_cut(KNOCKING, most),
        strangers=_cut(STRANGERS, most),
        own=min(OWN_PLACES, most),
        settled=_cut(SETTLED, most),
        settled_here=_cut(SETTLED_HERE, most),
        proven=proven,
    )
    log.warning(
        "this system gives the hub %d open files: there is room for %d apps and relays of each kind"
        " instead of %d; `ulimit -n %d` (systemd: LimitNOFILE=) gives all",
        limit, most, max(_TABLES), PLACES + RESERVED,
    )  # fmt: skip
    return doors


def _cut(bounds: Mapping[Key, Bound], most: int) -> dict[Key, Bound]:
    return {
        key: Bound(min(bound.most, most), min(bound.each, most)) for key, bound in bounds.items()
    }


def bind(hosts: Sequence[str], port: int, option: str = "--port") -> list[socket.socket]:
    """Return sockets bound to `port` on each of `hosts` (addresses); port 0: a free one, the same.

    Addresses that this machine does not have (no IPv6, say) are left out. Raises ConfigError if
    the port is taken on one of them, or if none is left.
    """
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            try:
                sockets.append(_bound(host, sockets[0].getsockname()[1] if sockets else port))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise _unusable(error, host, port, option) from error
                log.debug("not listening on %s: %s", host, error)
        if not sockets:
            raise ConfigError(
                f"This machine has none of the addresses {', '.join(hosts)}: write one that it"
                f" has{_own()}."
            )
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _own() -> str:
    found = ", ".join(map(str, addresses()))
    return f", like {found}" if found else ""


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let a second program share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Before it listens: what is accepted has the same.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
        # Two sockets may be bound, but not listen: only now is it certain that the port is ours.
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _unusable(error: OSError, host: str, port: int, option: str) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} is taken by another program: end it, or choose another port"
            f" with {option}."
        )
    if error.errno == errno.EACCES:
        return ConfigError(f"Port {port} may not be used: choose one above 1023 with {option}.")
    return ConfigError(f"Cannot listen on {host}, port {port} ({option}): {error.strerror}.")
