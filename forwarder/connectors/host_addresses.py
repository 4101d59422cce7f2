"""What this machine is called, and where it can be reached."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Sequence

import ifaddr

from forwarder.connectors.bounds import HOST_ADDRESSES_MOST
from relay.link.messages import Places

HostAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# TEST-NET-1 and the documentation prefix: never reached, but the system says by which of its own
# addresses it would try. No packet is sent: the sockets are UDP and nothing is written.
_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
# Interfaces of containers and virtual machines: relays elsewhere are seldom there.
_INNER = ("docker", "br-", "veth", "virbr", "lxc", "lxd", "podman", "cni", "vmnet", "vboxnet")


def host_names() -> tuple[str, ...]:
    """The names under which others may find this machine: its own, and that one in mDNS."""
    name = socket.gethostname().rstrip(".").lower()
    if not name or name.startswith("localhost"):
        return ()
    short = name.split(".")[0]
    return tuple(dict.fromkeys((name, f"{short}.local")))


def own_loopback(secret: bytes) -> str | None:
    """A loopback address that is nobody's but this installation's: made of `secret`, so that nobody
    guesses it; None where the system has no other than 127.0.0.1 (macOS).

    To a browser it is an origin of its own, at which no other program has ever been.
    """
    digest = hashlib.sha256(b"own loopback address" + secret).digest()
    address = f"127.{64 + digest[0] % 192}.{digest[1]}.{1 + digest[2] % 254}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return None
    return address


def addresses() -> tuple[HostAddress, ...]:
    """The addresses that others can reach: those that lead to the internet first, if any do, then
    those of all interfaces that are up."""
    return reachable((*_outward(), *_of_interfaces(ifaddr.get_adapters())))


def reachable(found: Iterable[HostAddress]) -> tuple[HostAddress, ...]:
    """`found` without those that lead nowhere else, each once."""
    return tuple(
        dict.fromkeys(
            ip for ip in found if not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)
        )
    )


def _outward() -> Iterable[HostAddress]:
    """What a host without a default route has none of."""
    for family, nowhere in _NOWHERE:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((nowhere, 9))
            except OSError:
                continue  # no way out by this family
            yield ipaddress.ip_address(probe.getsockname()[0])


def _of_interfaces(adapters: Iterable[ifaddr.Adapter]) -> Iterable[HostAddress]:
    inner = []
    for adapter in adapters:
        for ip in adapter.ips:
            # IPv6 comes with its flow and scope.
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            if adapter.nice_name.startswith(_INNER):
                inner.append(address)
            else:
                yield address
    yield from inner


def places(found: Sequence[HostAddress], names: Sequence[str], *, lan: bool) -> tuple[str, ...]:
    """Where a relay finds this hub, best first: private addresses, then names, then the rest."""
    if not lan:
        return ("127.0.0.1",)
    private = [str(address) for address in found if address.is_private]
    public = [str(address) for address in found if not address.is_private]
    local = [name for name in (*names, *host_names()) if "." in name]
    return tuple(dict.fromkeys((*private, *local, *public))) or ("127.0.0.1",)


def whereabouts(
    hosts: Sequence[str],
    port: int,
    https_port: int | None,
    meetings: Sequence[str],
    direct: Sequence[str] = (),
) -> Places:
    """What relays are told: URLs at `hosts` (none: as they were), at meeting points and by direct
    paths."""
    shown = [f"[{host}]" if ":" in host else host for host in hosts[:HOST_ADDRESSES_MOST]]
    own = [f"ws://{host}:{port}/link" for host in shown]
    if https_port is not None:
        own += [f"wss://{host}:{https_port}/link" for host in shown]
    return Places(tuple(own), tuple(meetings[:HOST_ADDRESSES_MOST]), tuple(direct))
