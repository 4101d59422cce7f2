"""What this machine is called and where it can be reached, for certificates and announcements."""

from __future__ import annotations

import ipaddress
import socket

HostAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# TEST-NET-1 and the documentation prefix: never reached, but the system says by which of its own
# addresses it would try. No packet is sent: the sockets are UDP and nothing is written.
_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def host_names() -> tuple[str, ...]:
    """The names under which others may find this machine: its own, and that one in mDNS."""
    name = socket.gethostname().rstrip(".").lower()
    if not name or name.startswith("localhost"):
        return ()
    short = name.split(".")[0]
    return tuple(dict.fromkeys((name, f"{short}.local")))


def addresses() -> tuple[HostAddress, ...]:
    """The addresses that others can reach, the one that leads to the internet first."""
    found: dict[HostAddress, None] = {}
    for family, nowhere in _NOWHERE:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((nowhere, 9))
            except OSError:
                continue  # no way out by this family
            found[ipaddress.ip_address(probe.getsockname()[0])] = None
    try:
        listed = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        listed = []  # a machine whose own name does not resolve: common, and harmless here
    for *_, place in listed:
        found[ipaddress.ip_address(str(place[0]).partition("%")[0])] = None
    return tuple(ip for ip in found if not (ip.is_loopback or ip.is_link_local))
