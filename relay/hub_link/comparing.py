"""Pairing without a link: which hub, and whether its screen shows the same code, asked of a person.

What the network says of hubs is only a word, and so is a hub's name: the code alone tells that the
hub that is kept is the one in front of the person.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from relay.errors import RelayError, UsageError
from relay.hub_link.advice import advised
from relay.hub_link.bounds import COMPARE_S, LOOKS
from relay.hub_link.hubs import HUB_FILE, KEY_FILE, dial_place, link_url
from relay.hub_link.looking import HubHeard, hubs_heard
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError, LinkRefused
from relay.link.files.keys import load_or_create_key
from relay.link.messages import Bye
from relay.link.names import neutralise
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, save_hub
from relay.link.security.payloads import bounded, bye_text, packed
from relay.link.security.secure import compare_as_relay

YES = ("y", "yes", "j", "ja")


@dataclass(frozen=True, slots=True)
class ComparingPerson:
    """Who sits here. `choose` one of several hubs, by its place in the list; `same`: whether the
    hub's screen shows this code."""

    choose: Callable[[Sequence[HubHeard]], Awaitable[int]]
    same: Callable[[str, str], Awaitable[bool]]


async def compare(
    url: str, channel: Channel, key: KeyPair, name: str, person: ComparingPerson
) -> KnownHub:
    """Pair over `channel`, which leads to `url`, and hang up. The caller stores what is returned.

    Raises LinkRefused with the reason if either person says no, or other LinkError.
    """
    secure, hub = await compare_as_relay(channel, key, name)
    try:
        async with asyncio.timeout(COMPARE_S):
            if not await person.same(hub.code, hub.name):
                await secure.send(packed(Bye("the codes differ")))
                raise LinkRefused("the codes differ, so nothing was paired")
            with suppress(ChannelClosed):
                await secure.send(b"")  # its person may have said no before: that is heard next
            answer = await secure.receive()
    except TimeoutError as error:
        raise LinkRefused("nobody compared the code in time; start again") from error
    finally:
        await secure.close()
    if answer != b"":
        raise HandshakeRefused(None, bye_text(bounded(answer)), certain=True)
    return KnownHub(hub.key, hub.name, (url,))


def pair_by_code(at: str | None, state: Path, name: str) -> KnownHub:
    """Pair with the hub at `at`, or one that is heard in this network; it replaces the hub this
    relay had. Raises UsageError or RelayError with what to do."""
    if not sys.stdin.isatty() and at is None:
        raise UsageError("nobody is here to compare a code: say `relay pair LINK`")
    url = None if at is None else link_url(at)
    try:
        hub = asyncio.run(_found_and_paired(url, state, name, TERMINAL))
        save_hub(state / HUB_FILE, hub)
    except LinkError as error:
        raise RelayError(advised(error)) from error
    except OSError as error:
        raise RelayError(f"the pairing could not be stored in {state}: {error}") from error
    return hub


async def _found_and_paired(
    url: str | None, state: Path, name: str, person: ComparingPerson
) -> KnownHub:
    if url is None:
        url = await _found(person)
    channel = await dial_place(url)
    return await compare(url, channel, load_or_create_key(state / KEY_FILE), name, person)


async def _found(person: ComparingPerson) -> str:
    for _ in range(LOOKS):
        # A hub that has just begun shows itself after a second or two.
        if hubs := await hubs_heard():
            break
    else:
        raise RelayError(
            "no hub is heard in this network: does one run with `--lan`, in this network, and may"
            " it announce itself (mdns)? Else say `relay pair LINK`, or --at ws://HOST:12346"
        )
    return hubs[await person.choose(hubs)].url


async def _choose(hubs: Sequence[HubHeard]) -> int:
    print("Hubs in this network:")
    for number, hub in enumerate(hubs, 1):
        print(f"  {number}  {neutralise(hub.host)}  {hub.url}")
    if len(hubs) == 1:
        return 0
    answer = await _line(f"Which one? [1-{len(hubs)}] ")
    if not answer.strip().isdecimal() or not 1 <= int(answer) <= len(hubs):
        raise UsageError(f"{neutralise(answer)!r} is none of 1 to {len(hubs)}; nothing was paired")
    return int(answer) - 1


async def _same(code: str, hub: str) -> bool:
    print(f"\n  {code}\n\nDoes the screen of the hub, {neutralise(hub)}, show this code?")
    answer = await _line("[y/n] ")
    same = answer.strip().casefold() in YES
    if same:
        print("Waiting for the person at the hub to say the same…", flush=True)
    return same


async def _line(prompt: str) -> str:
    """What the person says; empty at the end of the input. Cancelled at any time, which leaves the
    thread that reads behind: it ends with the program."""
    print(prompt, end="", flush=True)
    loop = asyncio.get_running_loop()
    said: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        line = sys.stdin.readline()
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(answer, line)

    def answer(line: str) -> None:
        if not said.done():
            said.set_result(line)

    threading.Thread(target=read, daemon=True).start()
    return await said


TERMINAL = ComparingPerson(_choose, _same)
