"""Bluetooth proxies that announce themselves by mDNS, as radios that come: `found_proxies`.

Everything of ESPHome announces itself alike, lamps as well: each is asked once what it is, and
becomes a radio if it is a proxy, or if it wants another key than ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Never

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import HandshakeAPIError, RequiresEncryptionAPIError
from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from relay.radio.base import ChangingRadios
from relay.radio.esphome.bounds import FOUND_MOST, FOUND_RETRY_S, OPEN_S, RESOLVE_MS
from relay.radio.esphome.errors import ERRORS
from relay.radio.esphome.radio import EsphomeRadio

log = logging.getLogger(__name__)

KIND = "_esphomelib._tcp.local."

# Host and port of each device that is announced, once for each announcement.
Browse = Callable[[], AsyncIterator[tuple[str, int]]]


async def browse(
    open_zeroconf: Callable[[], AsyncZeroconf] = lambda: AsyncZeroconf(ip_version=IPVersion.V4Only),
) -> AsyncGenerator[tuple[str, int], None]:
    """What this network announces, without end. Raises OSError where it cannot be asked."""
    names: asyncio.Queue[str] = asyncio.Queue(FOUND_MOST)

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            with suppress(asyncio.QueueFull):
                names.put_nowait(name)

    zeroconf = open_zeroconf()
    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, KIND, handlers=[changed])
        try:
            while True:
                name = await names.get()
                try:
                    info = AsyncServiceInfo(KIND, name)
                except ZeroconfError:
                    continue  # a name that is none hides nobody else
                if await info.async_request(zeroconf.zeroconf, RESOLVE_MS) and info.port:
                    for host in info.parsed_addresses()[:1]:
                        yield host, info.port
        finally:
            await browser.async_cancel()
    except ZeroconfError as error:
        raise OSError(str(error)) from error
    finally:
        await zeroconf.async_close()


async def is_proxy(host: str, port: int, key: str | None) -> bool:
    """Ask it. One that wants another key may be one: its radio says so."""
    client = APIClient(
        host, port, None, client_info="buttplug-relay", noise_psk=key, timezone="UTC"
    )
    try:
        async with asyncio.timeout(OPEN_S):
            await client.connect(login=True, log_errors=False)
            version = client.api_version
            info = await client.device_info()
        return bool(version and info.bluetooth_proxy_feature_flags_compat(version))
    except (HandshakeAPIError, RequiresEncryptionAPIError):
        return True
    except ERRORS as error:
        log.debug("%s:%d: %s", host, port, error)
        return False
    finally:
        with suppress(*ERRORS):
            await client.disconnect(force=True)


async def found_proxies(
    roster: ChangingRadios, key_of: Callable[[str], str | None], look: Browse = browse
) -> Never:
    """Add a radio for each proxy that is announced, until cancelled."""
    known: set[tuple[str, int]] = set()
    while True:
        try:
            async for host, port in look():
                if (host, port) in known or len(known) >= FOUND_MOST:
                    continue
                if await is_proxy(host, port, key_of(host)):
                    known.add((host, port))
                    roster.add(EsphomeRadio(host, port, key_of(host)))
        except OSError as error:
            log.warning("proxies cannot be looked for by mDNS: %s", error)
        await asyncio.sleep(FOUND_RETRY_S)
