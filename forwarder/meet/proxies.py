"""Whose address counts when a proxy stands in front of a meeting point. Sans-I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from forwarder.errors import ConfigError
from relay.link.names import quoted

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# More hops than any honest way has.
_MOST_HOPS = 16


class Proxies:
    """Believes `X-Forwarded-For` of programs of this machine, and of `networks`."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ConfigError for what is no network."""
        self._trusted: list[_Network] = list(_LOOPBACK)
        for text in networks:
            try:
                self._trusted.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                raise ConfigError(f"{quoted(text)} is no network like 10.0.0.0/8.") from None

    def address(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """Where a request comes from, that arrived from `peer` with these header fields: the last
        address that no trusted proxy has. What stands before it, anybody may have written."""
        hops = [hop.strip() for field in forwarded_for for hop in field.split(",")][-_MOST_HOPS:]
        address = peer
        while hops and self._trusts(address):
            ip = _ip(hops.pop())
            if ip is None:
                break
            address = str(ip)
        return address

    def _trusts(self, address: str) -> bool:
        ip = _ip(address)
        return ip is not None and any(ip in network for network in self._trusted)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
