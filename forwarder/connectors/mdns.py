"""Announces this hub by mDNS, for apps and relays that look for it on the local network.

With the real port, and withdrawn at the end. Apps are told only if the user asked for it; relays by
what nobody else can read anything from, where they may come at all.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from forwarder.connectors.bounds import ADDRESSES_S
from forwarder.connectors.host_addresses import HostAddress, addresses, host_names
from relay.link.names import neutralise
from relay.link.security.beacon import KIND, beacon

# Loaded by whoever announces something, beside the loop: most hubs do not.
if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

log = logging.getLogger(__name__)

# What Intiface Engine announces, and apps look for: a Buttplug server that listens for websockets.
BUTTPLUG = "_intiface_engine._tcp.local."
# The port for relays: one that is paired finds its hub again by this when addresses have changed.
RELAYS = KIND
# RFC 6763, 7.2: an instance name is one label of at most 63 bytes.
_MAX_LABEL_BYTES = 63


@dataclass(frozen=True, slots=True)
class Announcement:
    """One service: what kind, at which port, and what to know before dialing."""

    kind: str
    port: int
    name: str
    text: Mapping[str, str] = field(default_factory=dict)
    # Instead of the machine's own name.
    host: str = ""

    def info(self, places: Sequence[HostAddress], host: str) -> AsyncServiceInfo:
        from zeroconf.asyncio import AsyncServiceInfo

        return AsyncServiceInfo(
            self.kind,
            f"{_label(self.name)}.{self.kind}",
            addresses=[place.packed for place in places],
            port=self.port,
            properties=dict(self.text),
            server=f"{self.host or host}.",
        )


def buttplug_server(port: int, *, tls: bool = False, token: bool = True) -> Announcement:
    """The Buttplug server, as the reference announces its own: a new instance name for each run."""
    text = {"path": "/", "version": "4", "tls": _flag(tls), "auth": "token" if token else "none"}
    return Announcement(BUTTPLUG, port, f"Intiface {secrets.token_hex(3)}", text)


def relay_port(port: int, key: bytes) -> Announcement:
    """The port where relays dial in, of the hub with the public key `key`. Which hub it is, only
    those know who have paired with it; nothing is said about names, toys or people, nor what this
    machine is called."""
    text = {"path": "/link", "version": "2", **beacon(key)}
    mark = secrets.token_hex(3)
    return Announcement(RELAYS, port, f"Forwarder {mark}", text, f"forwarder-{mark}.local")


def _open_zeroconf() -> AsyncZeroconf:
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    return AsyncZeroconf(ip_version=IPVersion.V4Only)


async def announce(
    services: Callable[[], Sequence[Announcement]],
    *,
    find: Callable[[], Sequence[HostAddress]] = addresses,
    again_s: float = ADDRESSES_S,
    open_zeroconf: Callable[[], AsyncZeroconf] = _open_zeroconf,
) -> None:
    """Announce `services` until cancelled; anew, with new salts, when this machine has other
    addresses."""
    while True:
        places = await asyncio.to_thread(find)
        async with announced(services(), open_zeroconf=open_zeroconf, places=places):
            while True:
                await asyncio.sleep(again_s)
                if await asyncio.to_thread(find) != places:
                    break


@asynccontextmanager
async def announced(
    services: Sequence[Announcement],
    *,
    open_zeroconf: Callable[[], AsyncZeroconf] = _open_zeroconf,
    places: Sequence[HostAddress] | None = None,
) -> AsyncIterator[None]:
    """Announce `services` while the block runs; it begins when they are announced, after a second
    or two (RFC 6762 wants to be sure first that the names are free).

    A network that will not have it costs a warning, nothing else. `places`: the addresses to
    announce, those of this machine if None.
    """
    if places is None:
        places = await asyncio.to_thread(addresses)
    if not services or not places:
        if services:
            log.warning("nothing is announced by mDNS: this machine is in no network")
        yield
        return
    host = next((name for name in host_names() if name.endswith(".local")), "buttplug-hub.local")
    await asyncio.to_thread(importlib.import_module, "zeroconf.asyncio")
    try:
        zeroconf = open_zeroconf()
    except OSError as error:
        log.warning("nothing is announced by mDNS: %s", error)
        yield
        return
    try:
        for service in services:
            await _announce(zeroconf, service, service.info(places, host))
        yield
    finally:
        # Says goodbye for each service, so that nobody is sent to a port that is closed.
        await zeroconf.async_close()


async def _announce(zeroconf: AsyncZeroconf, service: Announcement, info: AsyncServiceInfo) -> None:
    from zeroconf import Error as ZeroconfError

    try:
        # Two hubs in one network may have the same name; the second becomes "name-2". Not strict:
        # the reference's name has an underscore, which RFC 6335 does not allow.
        broadcast = await zeroconf.async_register_service(
            info, allow_name_change=True, strict=False
        )
        await broadcast
    except (ZeroconfError, OSError) as error:
        why = str(error) or type(error).__name__
        log.warning("%s is not announced by mDNS: %s", service.name, why)
        return
    log.info("announced by mDNS: %s at port %d", info.name, service.port)


def _label(name: str) -> str:
    """`name` as an instance name: short enough, and without what DNS gives a meaning."""
    shown = neutralise(name).replace(".", "-") or "hub"
    return shown.encode()[:_MAX_LABEL_BYTES].decode(errors="ignore")


def _flag(value: bool) -> str:
    return "1" if value else "0"
