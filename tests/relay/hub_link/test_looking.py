"""A relay finds its hub again by mDNS, here on loopback."""

from __future__ import annotations

import ipaddress
import os
import random

from zeroconf.asyncio import AsyncZeroconf

from forwarder.connectors.mdns import announced, relay_port
from relay.hub_link.looking import HubHeard, hubs_heard, look
from relay.link.security.beacon import beacon, is_beacon_of

# Of this run alone: what is announced on loopback is heard by all tests that run at this moment.
KEY, OTHER = os.urandom(32), os.urandom(32)
HERE = ipaddress.ip_address("127.0.0.1")


def on_loopback() -> AsyncZeroconf:
    return AsyncZeroconf(interfaces=["127.0.0.1"])


async def test_it_finds_its_own_hub_among_others() -> None:
    services = [relay_port(1001, KEY), relay_port(1002, OTHER)]
    async with announced(services, open_zeroconf=on_loopback, places=[HERE]):
        found = await look(KEY, open_zeroconf=on_loopback)
    assert found == ("ws://127.0.0.1:1001/link",)


async def test_all_hubs_are_heard_by_who_has_paired_with_none() -> None:
    ports = random.sample(range(20_000, 60_000), 2)
    services = [relay_port(port, os.urandom(32)) for port in ports]
    async with announced(services, open_zeroconf=on_loopback, places=[HERE]):
        heard = await hubs_heard(open_zeroconf=on_loopback)
    urls = {f"ws://127.0.0.1:{port}/link" for port in ports}
    found = [hub for hub in heard if hub.url in urls]
    assert {hub.url for hub in found} == urls
    assert all(hub.host.endswith(".local") for hub in found)
    assert isinstance(found[0], HubHeard)


async def test_a_network_that_will_not_have_it_is_nobody() -> None:
    def broken() -> AsyncZeroconf:
        raise OSError("No such device")

    assert await look(KEY, open_zeroconf=broken) == ()
    assert await hubs_heard(open_zeroconf=broken) == ()


def test_what_is_no_beacon_is_nobodys() -> None:
    good = beacon(KEY, bytes(16))
    assert is_beacon_of(KEY, good)
    for wrong in ({}, {**good, "mac": "ü"}, {**good, "salt": "zz"}, {**good, "salt": "00"}):
        assert not is_beacon_of(KEY, wrong)
