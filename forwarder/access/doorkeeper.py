"""Who may start a handshake: limits for peers that nobody knows yet. Sans-I/O. `now` is monotonic
seconds; no wall clock decides anything.
"""

from __future__ import annotations

import ipaddress

from forwarder.access.bounds import (
    ATTEMPTS_PER_MINUTE,
    ATTEMPTS_PER_MINUTE_EACH,
    ATTEMPTS_PER_MINUTE_KEY,
    MAX_ADDRESSES,
    MAX_GREETING,
    MAX_GREETING_EACH,
)
from forwarder.access.proven_networks import ProvenNetworks


class _Bucket:
    """Allows `per_minute` at once, then as many a minute."""

    __slots__ = ("_left", "_per_minute", "_then")

    def __init__(self, per_minute: int, now: float) -> None:
        self._per_minute = self._left = float(per_minute)
        self._then = now

    def take(self, now: float) -> bool:
        refill = (now - self._then) * self._per_minute / 60
        self._left = min(self._per_minute, self._left + refill)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def allow(self, per_minute: int) -> None:
        """It may be more by now, at once."""
        if per_minute > self._per_minute:
            self._left += per_minute - self._per_minute
            self._per_minute = float(per_minute)


class Doorkeeper:
    """Limits for peers that nobody knows yet, in all and per address. Bounded itself.

    `share`: how much of what is allowed in all goes by this door. `known`: where relays have proved
    themselves; there each of their keys has room of its own, beside what is allowed in all.
    """

    def __init__(
        self, now: float = 0.0, share: float = 1.0, known: ProvenNetworks | None = None
    ) -> None:
        self._inside: dict[str, int] = {}
        self._most_inside = int(MAX_GREETING * share)
        self._all = _Bucket(int(ATTEMPTS_PER_MINUTE * share), now)
        self._each: dict[str, _Bucket] = {}
        self._known = ProvenNetworks() if known is None else known

    @property
    def inside(self) -> int:
        return sum(self._inside.values())

    @property
    def _strangers(self) -> int:
        inside = self._inside.items()
        return sum(count for origin, count in inside if not self._known.known(origin))

    def enter(self, address: str, now: float) -> bool:
        """Count in a peer at `address` (as Channel.peer has it); each True needs one `leave`.

        Strangers from many addresses at once cannot keep out one that has been here before.
        """
        origin = origin_of(address)
        keys = self._known.keys(origin)
        per_minute = ATTEMPTS_PER_MINUTE_EACH + ATTEMPTS_PER_MINUTE_KEY * keys
        bucket = self._each.pop(origin, None) or _Bucket(per_minute, now)
        bucket.allow(per_minute)
        if len(self._each) >= MAX_ADDRESSES:
            del self._each[next(iter(self._each))]
        self._each[origin] = bucket  # newest last
        # One address must not use up what all share: its own limits come first.
        if self._inside.get(origin, 0) >= MAX_GREETING_EACH + keys or not bucket.take(now):
            return False
        # Whoever is known takes nothing of what strangers share.
        known = self._known.known(origin)
        if not known and (self._strangers >= self._most_inside or not self._all.take(now)):
            return False
        self._inside[origin] = self._inside.get(origin, 0) + 1
        return True

    def proven(self, address: str, key: bytes | None = None) -> None:
        """A relay at `address` has proved itself, by `key`."""
        self._known.note(origin_of(address), key)

    def leave(self, address: str) -> None:
        origin = origin_of(address)
        left = self._inside[origin] - 1
        if left:
            self._inside[origin] = left
        else:
            del self._inside[origin]


def origin_of(address: str) -> str:
    """Return what limits are counted by: the host, and of IPv6 the /64 that one customer has."""
    address = address.partition(" ")[0]  # what stands behind it says by which way
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
    return str(ip)
