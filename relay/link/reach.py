"""Finding a hub that may be at several places, and pairing with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from relay.link.channel import Channel
from relay.link.errors import LinkError
from relay.link.security.handshake import Refused
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, PairingLink, known_hub
from relay.link.security.secure import HubIdentity, SecureChannel, secure_as_relay

T = TypeVar("T")
Dial = Callable[[str], Awaitable[Channel]]
Greet = Callable[[Channel], Awaitable[T]]

# Head start of each place over the next, as RFC 8305 (section 5) recommends: the first is the
# best guess, and a place that swallows packets must not cost the dialing deadline.
HEAD_START_S: Final = 0.25


async def reach(urls: Sequence[str], dial: Dial, greet: Greet[T]) -> tuple[T, str]:
    """Dial `urls` in turn, each a little later than the one before, and `greet` whoever answers.

    Returns what the first `greet` that succeeded returned, and its URL; all other connections are
    closed. `dial` raises LinkError, `greet` closes a channel that it fails with. If none succeeds,
    raises the most telling of their errors: a refusal before silence.
    """
    answers: asyncio.Queue[tuple[str, Channel | LinkError]] = asyncio.Queue(len(urls))
    errors: list[LinkError] = []

    async def attempt(url: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            answers.put_nowait((url, await dial(url)))
        except LinkError as error:
            answers.put_nowait((url, error))

    async with asyncio.TaskGroup() as tasks:
        attempts = [
            tasks.create_task(attempt(url, number * HEAD_START_S), name=f"dial {url}")
            for number, url in enumerate(urls)
        ]
        try:
            for _ in urls:
                url, answer = await answers.get()
                try:
                    if isinstance(answer, LinkError):
                        raise answer
                    return await greet(answer), url
                except LinkError as error:
                    errors.append(error)
        finally:
            for task in attempts:
                task.cancel()
            await _hang_up(answers)
    raise next((error for error in errors if isinstance(error, Refused)), errors[-1])


async def _hang_up(answers: asyncio.Queue[tuple[str, Channel | LinkError]]) -> None:
    while not answers.empty():
        _, answer = answers.get_nowait()
        if not isinstance(answer, LinkError):
            await answer.close()


async def pair(link: PairingLink, key: KeyPair, name: str, dial: Dial) -> KnownHub:
    """Pair with the hub of `link` and hang up; the caller stores what is returned.

    Raises Refused with the reason, or another LinkError if the hub cannot be reached.
    """

    async def greet(channel: Channel) -> HubIdentity:
        secure, hub = await secure_as_relay(channel, key, secret=link.secret, name=name)
        await secure.close()
        return hub

    hub, url = await reach(link.urls(), dial, greet)
    return known_hub(link, hub.key, hub.name, url)


async def connect(hub: KnownHub, key: KeyPair, dial: Dial) -> SecureChannel:
    """Return an authenticated channel to a hub this relay has paired with. Raises as `pair`."""

    async def greet(channel: Channel) -> SecureChannel:
        secure, _ = await secure_as_relay(channel, key, hub_key=hub.key)
        return secure

    channel, _ = await reach(hub.urls, dial, greet)
    return channel
