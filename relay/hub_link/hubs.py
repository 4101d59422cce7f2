"""Which hub a relay talks to, and how it proves itself: pairing, unpairing, connecting."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec.structs import replace

from relay.errors import NotPaired, RelayError, UsageError
from relay.hub_link.advice import advised
from relay.hub_link.bounds import DIAL_S, PAIR_S
from relay.hub_link.paired import PairedHub
from relay.link.channel import Channel
from relay.link.direct.endpoint import dial_direct
from relay.link.direct.place import DirectPlace, is_direct_url
from relay.link.errors import LinkError
from relay.link.files.keys import PrivateFileError, load_or_create_key
from relay.link.names import neutralise
from relay.link.reach import pair
from relay.link.security.meeting import is_visit_url
from relay.link.security.pairing import (
    KnownHub,
    PairingLink,
    PairingLinkError,
    forget_hub,
    load_hub,
    save_hub,
)
from relay.link.websocket import dial

KEY_FILE = "relay.key"
HUB_FILE = "hub.json"
LINK_PORT = 12346


ConnectHub = Callable[[], Awaitable[Channel]]


async def dial_place(url: str) -> Channel:
    """Dial one of a hub's places. Raises LinkError.

    Whoever is at the other end proves itself inside the websocket, by the Noise handshake; the
    certificate of a hub on a home network is its own and proves nothing. That of a meeting point
    is looked at: it says who learns when this relay looks for its hub.
    """
    if is_direct_url(url):
        return await dial_direct(DirectPlace.parse(url), open_s=DIAL_S)
    return await dial(url, tls=is_visit_url(url), open_s=DIAL_S)


@dataclass(frozen=True, slots=True)
class HubTarget:
    """A hub to talk to. `where` is its address or name, for people; `paired`: the one that can
    move."""

    where: str
    connect: ConnectHub
    paired: PairedHub | None = None


def pair_with(text: str, state: Path, name: str) -> KnownHub:
    """Pair with the hub that printed the link `text`; it replaces the hub this relay had.

    Raises UsageError for what is no link, RelayError for anything that keeps them apart.
    """
    try:
        link = PairingLink.parse(text.strip())
    except PairingLinkError as error:
        raise UsageError(str(error)) from error

    async def within_time(key_path: Path) -> KnownHub:
        async with asyncio.timeout(PAIR_S):
            return await pair(link, load_or_create_key(key_path), name, dial_place)

    try:
        hub = asyncio.run(within_time(state / KEY_FILE))
        save_hub(state / HUB_FILE, hub)
    except TimeoutError as error:
        raise RelayError(
            f"the hub did not answer within {PAIR_S:g} s; does `forwarder run --lan` run there?"
        ) from error
    except LinkError as error:
        raise RelayError(advised(error)) from error
    except OSError as error:
        raise RelayError(f"the pairing could not be stored in {state}: {error}") from error
    return hub


def unpair(state: Path) -> bool:
    """Forget the hub; returns whether there was one."""
    try:
        return forget_hub(state / HUB_FILE)
    except OSError as error:
        raise RelayError(f"{state / HUB_FILE}: {error.strerror}") from error


def target(url: str | None, state: Path) -> HubTarget:
    """The hub to talk to: the paired one, also at another address `url`; without pairing only one
    on this machine. Raises UsageError with what to do."""
    try:
        hub = load_hub(state / HUB_FILE)
        key = load_or_create_key(state / KEY_FILE) if hub is not None else None
    except PrivateFileError as error:
        raise UsageError(str(error)) from error
    address = None if url is None else link_url(url)
    if hub is not None and key is not None:
        if address is not None:
            hub = replace(hub, urls=(address,))
        path = state / HUB_FILE if address is None else None
        paired = PairedHub(hub, key, path, dial_place)
        return HubTarget(neutralise(hub.name), paired.connect, paired)
    if address is None:
        raise NotPaired(
            "which hub? pair with one (`relay pair`, or `relay pair LINK`), or say --hub"
            " ws://HOST:12346"
        )
    if not _on_this_machine(address):
        raise UsageError(
            f"{url} is not on this machine, so it must be paired first: run `forwarder pair` there"
            " and `relay pair LINK` here"
        )
    plain = address + "/plain"
    return HubTarget(address, partial(dial, plain))


def link_url(url: str) -> str:
    """Return the full address of the link: ws://HOST:12346 means ws://HOST:12346/link.

    Raises UsageError for anything that is no websocket address.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"{url}: choose a port between 1 and 65535") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{url}: a hub's address looks like ws://HOST:{LINK_PORT}")
    netloc = parts.netloc if port is not None else f"{parts.netloc}:{LINK_PORT}"
    path = parts.path if parts.path not in ("", "/") else "/link"
    return urlunsplit((parts.scheme, netloc, path, parts.query, ""))


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
