"""`DirectPlace`: where a hub is to be found without a server between: by its key. Sans-I/O.

    iroh://KEY[,RELAY][,ADDRESS…]

KEY: the public Ed25519 key of the hub's endpoint, 64 hexadecimal digits. RELAY: an iroh relay as
http(s)://HOST[:PORT], which helps both ends to find a way through their routers, and carries what
cannot go directly. ADDRESS: IP:PORT (UDP), IPv6 in brackets. It can be dialed with one of both.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from relay.link.bounds import MAX_DIRECT_ADDRESSES
from relay.link.errors import LinkError

SCHEME: Final = "iroh://"
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")

# Private networks, carriers' (RFC 6598), and those of one cable or one machine.
_INNER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip


class DirectPlaceError(LinkError):
    """The text is no place of this kind, or no iroh relay; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DirectPlace:
    """As above; `relay` as `relay_url` returns it."""

    key: str
    relay: str | None = None
    addresses: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DirectPlace:
        """Raises DirectPlaceError, and nothing else whatever the text."""
        if not text.startswith(SCHEME):
            raise DirectPlaceError("a direct place begins with iroh://")
        key, *rest = text.removeprefix(SCHEME).split(",")
        relays = [relay_url(part) for part in rest if "://" in part]
        addresses = tuple(direct_address(part) for part in rest if "://" not in part)
        if _KEY.fullmatch(key) is None:
            raise DirectPlaceError("the key of a direct place is 64 hexadecimal digits")
        if len(relays) > 1 or len(addresses) > MAX_DIRECT_ADDRESSES:
            raise DirectPlaceError("a direct place names one relay and a few addresses at most")
        return cls(key, relays[0] if relays else None, addresses)

    @property
    def url(self) -> str:
        relay = () if self.relay is None else (self.relay,)
        return SCHEME + ",".join((self.key, *relay, *self.addresses))

    @property
    def leads_there(self) -> bool:
        """Whether it says more than whom to look for."""
        return self.relay is not None or bool(self.addresses)

    def away(self) -> DirectPlace | None:
        """The same without addresses that mean something in one home only; None if nothing is
        left."""
        beyond = replace(self, addresses=tuple(a for a in self.addresses if not _is_inner(a)))
        return beyond if beyond.leads_there else None


def _is_inner(address: str) -> bool:
    ip = ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    return any(ip in network for network in _INNER)


def is_direct_url(text: str) -> bool:
    """Whether this is a place that can be dialed, written as `DirectPlace.url` writes it."""
    try:
        place = DirectPlace.parse(text)
    except DirectPlaceError:
        return False
    return place.leads_there and place.url == text


def relay_url(text: str) -> str:
    """The one way to write the address of an iroh relay: http(s)://HOST[:PORT].

    By http too: who listens on the way sees what the relay itself sees, addresses and ciphertext.
    Raises DirectPlaceError.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise _no_relay(text) from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or port == 0:
        raise _no_relay(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _no_relay(text)
    if ":" in host:
        try:
            host = f"[{ipaddress.IPv6Address(host).compressed}]"
        except ValueError:
            raise _no_relay(text) from None
    elif _HOST.fullmatch(host) is None:
        raise _no_relay(text)
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _no_relay(text: str) -> DirectPlaceError:
    return DirectPlaceError(
        f"{text.strip()[:100]!r} is no address of an iroh relay, like https://relay.example.org"
    )


def direct_address(text: str) -> str:
    """The one way to write IP:PORT. Raises DirectPlaceError."""
    host, _, port = text.rpartition(":")
    try:
        ip = ipaddress.ip_address(host[1:-1] if host.startswith("[") else host)
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= 0xFFFF:
            raise ValueError(port)
    except ValueError:
        raise DirectPlaceError(
            f"{text[:60]!r} is no address for direct paths, like 203.0.113.5:12349"
        ) from None
    return f"[{ip}]:{int(port)}" if ip.version == 6 else f"{ip}:{int(port)}"
