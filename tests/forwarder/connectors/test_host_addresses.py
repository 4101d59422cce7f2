from __future__ import annotations

import ipaddress

import ifaddr
import pytest

from forwarder.connectors.host_addresses import _of_interfaces, own_loopback, reachable, whereabouts
from relay.link.messages import Places


def adapter(name: str, *ips: str | tuple[str, int, int]) -> ifaddr.Adapter:
    return ifaddr.Adapter(name, name, [ifaddr.IP(ip, 24, name) for ip in ips])


def test_a_host_without_a_default_route_has_the_addresses_of_its_interfaces() -> None:
    adapters = [
        adapter("lo", "127.0.0.1", ("::1", 0, 0)),
        adapter("docker0", "172.17.0.1"),
        adapter("eth0", "192.168.1.7", ("fe80::1", 0, 2), ("fd00::7", 0, 0)),
        adapter("wlan0", "10.0.0.7", "169.254.3.4"),
    ]
    found = [str(ip) for ip in reachable(_of_interfaces(adapters))]
    # Those of containers come last: a link has eight places.
    assert found == ["192.168.1.7", "fd00::7", "10.0.0.7", "172.17.0.1"]


def test_each_address_is_named_once() -> None:
    ip = ipaddress.ip_address("192.168.1.7")
    assert reachable([ip, ip]) == (ip,)


@pytest.mark.parametrize(
    ("https", "own"),
    [
        (None, ("ws://192.168.1.7:1/link", "ws://[fd00::7]:1/link")),
        (2, ("ws://192.168.1.7:1/link", "ws://[fd00::7]:1/link", "wss://192.168.1.7:2/link",
             "wss://[fd00::7]:2/link")),
    ],
)  # fmt: skip
def test_what_relays_are_told(https: int | None, own: tuple[str, ...]) -> None:
    assert whereabouts(["192.168.1.7", "fd00::7"], 1, https, ["wss://m"]) == Places(
        own, ("wss://m",)
    )


def test_so_many_places_and_no_more() -> None:
    hosts = [f"192.168.1.{number}" for number in range(20)]
    told = whereabouts(hosts, 1, 2, ["wss://m"] * 20)
    assert (len(told.own), len(told.meetings)) == (16, 8)


def test_a_hubs_own_address_is_this_machines_and_nobody_guesses_it() -> None:
    found = {own_loopback(bytes([n]) * 32) for n in range(50)}
    if found == {None}:
        return  # a system with one loopback address
    assert len(found) == 50
    assert own_loopback(b"a" * 32) == own_loopback(b"a" * 32)
    for address in found:
        assert address is not None
        assert ipaddress.ip_address(address).is_loopback
        assert not address.startswith(("127.0.", "127.1."))
