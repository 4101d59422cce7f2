from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets

import pytest
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from forwarder.connectors.host_addresses import addresses, host_names
from forwarder.connectors.mdns import (
    BUTTPLUG,
    RELAYS,
    Announcement,
    announce,
    announced,
    buttplug_server,
    relay_port,
)
from relay.link.security.beacon import is_beacon_of

HERE = ipaddress.ip_address("127.0.0.1")


def on_loopback() -> AsyncZeroconf:
    return AsyncZeroconf(interfaces=["127.0.0.1"])


def test_the_buttplug_server_is_announced_as_the_reference_does_with_the_real_port() -> None:
    service = buttplug_server(23456, tls=True)
    info = service.info([HERE], "hub.local")
    assert info.type == "_intiface_engine._tcp.local."
    assert info.name.startswith("Intiface ")
    assert info.port == 23456
    assert info.server == "hub.local."
    assert info.addresses == [b"\x7f\0\0\1"]
    assert info.decoded_properties == {"path": "/", "version": "4", "tls": "1", "auth": "token"}


KEY = bytes(range(32))


def test_every_run_has_another_instance_name_and_another_salt() -> None:
    assert buttplug_server(1).name != buttplug_server(1).name
    one, two = relay_port(1, KEY), relay_port(1, KEY)
    assert one.name != two.name
    assert one.text["salt"] != two.text["salt"]


def test_only_who_has_paired_knows_whose_announcement_it_is() -> None:
    info = relay_port(12346, KEY).info([HERE], "anns-desk.local")
    said = info.decoded_properties
    assert "anns-desk" not in f"{info.name} {info.server} {said}"
    text = {name: value or "" for name, value in said.items()}
    assert is_beacon_of(KEY, text)
    assert not is_beacon_of(bytes(32), text)
    assert KEY.hex() not in str(text)


@pytest.mark.parametrize(
    ("name", "label"),
    [("a.b", "a-b"), ("", "hub"), ("ü" * 40, "ü" * 31), ("two\nlines", "two lines")],
)
def test_any_name_becomes_one_label(name: str, label: str) -> None:
    assert Announcement(RELAYS, 1, name).info([HERE], "hub.local").name == f"{label}.{RELAYS}"


async def test_other_addresses_are_announced_anew() -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()
    now = [HERE]

    class Silent:
        async def async_register_service(self, info: object, **_: object) -> object:
            seen.put_nowait(str(info.parsed_addresses()))  # type: ignore[attr-defined]
            return asyncio.sleep(0)

        async def async_close(self) -> None:
            seen.put_nowait("withdrawn")

    task = asyncio.ensure_future(
        announce(
            lambda: [relay_port(1, KEY)],
            find=lambda: list(now),
            again_s=0.01,
            open_zeroconf=Silent,  # type: ignore[arg-type]  # what announcing needs of it
        )
    )
    try:
        async with asyncio.timeout(5):
            assert await seen.get() == "['127.0.0.1']"
            now[:] = [ipaddress.ip_address("192.0.2.7")]
            assert [await seen.get(), await seen.get()] == ["withdrawn", "['192.0.2.7']"]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_others_find_what_is_announced_until_it_is_withdrawn() -> None:
    changes: asyncio.Queue[tuple[str, ServiceStateChange]] = asyncio.Queue()
    # All tests that run at this moment hear one another on loopback.
    own = f"Intiface {secrets.token_hex(4)}"

    def changed(name: str, state_change: ServiceStateChange, **_: object) -> None:
        if name.startswith(own):
            changes.put_nowait((name, state_change))

    service = Announcement(BUTTPLUG, 23456, own, {"path": "/"})
    browser = on_loopback()
    browsing = AsyncServiceBrowser(browser.zeroconf, BUTTPLUG, handlers=[changed])
    try:
        async with asyncio.timeout(20):
            async with announced([service], open_zeroconf=on_loopback, places=[HERE]):
                name, change = await changes.get()
                assert (name, change) == (f"{own}.{BUTTPLUG}", ServiceStateChange.Added)
                found = await browser.async_get_service_info(BUTTPLUG, name)
                assert found is not None
                assert found.port == 23456
            while change is not ServiceStateChange.Removed:
                name, change = await changes.get()
    finally:
        await browsing.async_cancel()
        await browser.async_close()


async def test_nothing_is_opened_for_nothing_to_announce(caplog: pytest.LogCaptureFixture) -> None:
    def unwanted() -> AsyncZeroconf:
        raise AssertionError

    async with announced([], open_zeroconf=unwanted):
        pass
    assert caplog.records == []
    async with announced([relay_port(1, KEY)], open_zeroconf=unwanted, places=[]):
        pass
    assert "this machine is in no network" in caplog.text


async def test_a_network_without_multicast_costs_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> AsyncZeroconf:
        raise OSError("No such device")

    with caplog.at_level(logging.WARNING):
        async with announced([relay_port(1, KEY)], open_zeroconf=broken, places=[HERE]):
            pass
    assert "nothing is announced by mDNS: No such device" in caplog.text


def test_this_machine_knows_what_others_can_call_it() -> None:
    assert all(name == name.lower() and not name.startswith("localhost") for name in host_names())
    assert not any(place.is_loopback or place.is_link_local for place in addresses())
