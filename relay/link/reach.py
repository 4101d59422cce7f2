"""Finding a hub that may be at several places, and pairing with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from relay.link.bounds import HANG_UP_S, HEAD_START_S
from relay.link.channel import Channel
from relay.link.errors import LinkError, PartMissing
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, PairingLink, known_hub
from relay.link.security.secure import HubIdentity, SecureChannel, secure_as_relay

T = TypeVar("T")
DialChannel = Callable[[str], Awaitable[Channel]]
Greet = Callable[[Channel], Awaitable[T]]


async def reach(urls: Sequence[str], dial: DialChannel, greet: Greet[T]) -> tuple[T, str]:
    """Dial `urls`, each a little later than the one before, and `greet` whoever answers.

    Returns what the first `greet` that succeeded returned, and its URL; all other connections are
    closed. `dial` raises LinkError. If none succeeds, raises the most telling of their errors: a
    refusal before silence, and a way for which this program lacks a part only if there is no other.
    """
    attempts = {
        asyncio.ensure_future(_attempt(url, number * HEAD_START_S, dial, greet)): url
        for number, url in enumerate(urls)
    }
    errors: list[LinkError] = []
    taken: asyncio.Future[_Greeted[T]] | None = None
    running = set(attempts)
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # Several at once: the better place counts.
            for attempt in (attempt for attempt in attempts if attempt in done):
                error = attempt.exception()
                if error is None:
                    taken = attempt
                    return attempt.result()[1], attempts[attempt]
                if not isinstance(error, LinkError):
                    raise error
                errors.append(error)
    finally:
        await _hang_up([attempt for attempt in attempts if attempt is not taken])
    raise min(reversed(errors), key=_rank)


def _rank(error: LinkError) -> int:
    if isinstance(error, HandshakeRefused):
        return 0
    return 2 if isinstance(error, PartMissing) else 1


_Greeted = tuple[Channel, T]


async def _attempt(url: str, delay_s: float, dial: DialChannel, greet: Greet[T]) -> _Greeted[T]:
    await asyncio.sleep(delay_s)
    channel = await dial(url)
    try:
        return channel, await greet(channel)
    except BaseException:
        await channel.close()
        raise


async def _hang_up(attempts: Sequence[asyncio.Future[_Greeted[T]]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    late = [attempt for attempt in attempts if not attempt.done()]
    if late:
        _, late_ones = await asyncio.wait(late, timeout=HANG_UP_S)
        for attempt in late_ones:
            attempt.cancel()
        await asyncio.wait(late)
    for attempt in attempts:
        if not attempt.cancelled() and attempt.exception() is None:
            # It answered at the same moment as a better one.
            await attempt.result()[0].close()


async def pair(link: PairingLink, key: KeyPair, name: str, dial: DialChannel) -> KnownHub:
    """Pair with the hub of `link` and hang up; the caller stores what is returned.

    Raises Refused with the reason, or another LinkError if the hub cannot be reached.
    """

    async def greet(channel: Channel) -> HubIdentity:
        secure, hub = await secure_as_relay(channel, key, secret=link.secret, name=name)
        await secure.close()
        return hub

    hub, url = await reach(link.urls(), dial, greet)
    return known_hub(link, hub.key, hub.name, url)


async def connect(hub: KnownHub, key: KeyPair, dial: DialChannel) -> tuple[SecureChannel, str]:
    """Return an authenticated channel to a hub this relay has paired with, and which of its URLs
    led there. Raises as `pair`."""

    async def greet(channel: Channel) -> SecureChannel:
        secure, _ = await secure_as_relay(channel, key, hub_key=hub.key)
        return secure

    return await reach(hub.urls, dial, greet)
