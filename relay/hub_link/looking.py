"""Looks for the hub in the local network by mDNS, where it is at none of the places known."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.hub_link.bounds import LOOK_S, LOOKING_MOST
from relay.link.security.beacon import KIND, is_beacon_of

# Loaded by whoever looks, beside the loop: a relay that finds its hub does not.
if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

log = logging.getLogger(__name__)


def _open_zeroconf() -> AsyncZeroconf:
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    return AsyncZeroconf(ip_version=IPVersion.V4Only)


LookForHub = Callable[[bytes], Awaitable[tuple[str, ...]]]


async def look(
    key: bytes,
    *,
    open_zeroconf: Callable[[], AsyncZeroconf] = _open_zeroconf,
    look_s: float = LOOK_S,
) -> tuple[str, ...]:
    """URLs of the hub with the public key `key`, as far as the network says; takes `look_s`.

    Never raises for what a network does. What is said there is only a word: the hub proves itself.
    """
    found = await _heard(open_zeroconf, look_s)
    return tuple(url for info in found if is_beacon_of(key, _text(info)) for url in _urls(info))


@dataclass(frozen=True, slots=True)
class HubHeard:
    """A hub that announces itself: its machine's name, and where to dial."""

    host: str
    url: str


async def hubs_heard(
    *,
    open_zeroconf: Callable[[], AsyncZeroconf] = _open_zeroconf,
    look_s: float = LOOK_S,
) -> tuple[HubHeard, ...]:
    """All hubs of this network, for a person to choose one. Never raises for what a network does;
    what is said there is only a word."""
    found = [
        HubHeard((info.server or "").rstrip(".") or url, url)
        for info in await _heard(open_zeroconf, look_s)
        for url in _urls(info)[:1]
    ]
    return tuple(sorted(found, key=lambda hub: (hub.host, hub.url)))


async def _heard(
    open_zeroconf: Callable[[], AsyncZeroconf], look_s: float
) -> tuple[AsyncServiceInfo, ...]:
    """Every announcement of a hub, LOOKING_MOST at most; takes `look_s`."""
    await asyncio.to_thread(importlib.import_module, "zeroconf.asyncio")
    from zeroconf import Error as ZeroconfError
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser

    try:
        zeroconf = open_zeroconf()
    except OSError as error:
        log.debug("nobody can be looked for by mDNS: %s", error)
        return ()
    names: dict[str, None] = {}

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Removed and len(names) < LOOKING_MOST:
            names[name] = None

    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, KIND, handlers=[changed])
        await asyncio.sleep(look_s)
        await browser.async_cancel()
        found = [info for name in names for info in _infos(name)]
        for info in found:
            # What came with the answers; nothing more is asked.
            info.load_from_cache(zeroconf.zeroconf)
        return tuple(found)
    except (ZeroconfError, OSError) as error:
        log.debug("looking by mDNS failed: %s", error)
        return ()
    finally:
        await zeroconf.async_close()


def _infos(name: str) -> tuple[AsyncServiceInfo, ...]:
    """Empty for a name that is none: whoever announces that hides nobody else."""
    from zeroconf import Error as ZeroconfError
    from zeroconf.asyncio import AsyncServiceInfo

    try:
        return (AsyncServiceInfo(KIND, name),)
    except ZeroconfError:
        return ()


def _urls(info: AsyncServiceInfo) -> list[str]:
    if not info.port:
        return []
    return [
        f"ws://{f'[{address}]' if ':' in address else address}:{info.port}/link"
        for address in info.parsed_addresses()
    ]


def _text(info: AsyncServiceInfo) -> dict[str, str]:
    return {name: value or "" for name, value in info.decoded_properties.items()}
