"""The one list of what is looked at around a relay: by `relay doctor`, and at the start of
`relay run`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from relay.checks import machine
from relay.checks.bounds import REACH_S
from relay.checks.findings import Check, Finding, bad, good, note
from relay.config import AgentConfig, FileConfig, agent_config
from relay.errors import RelayError
from relay.hub_link.advice import advised
from relay.hub_link.hubs import HUB_FILE, dial_place, link_url, target
from relay.hub_link.looking import look
from relay.link.direct.place import is_direct_url
from relay.link.errors import LinkError
from relay.link.files.keys import PrivateFileError
from relay.link.security.meeting import is_visit_url
from relay.link.security.pairing import load_hub
from relay.link.websocket import DialFailed, dial
from relay.radio.choice import RadioChoice
from relay.wearer.control import ask
from relay.wearer.state import WearerState


def doctor_checks(
    file: FileConfig, hub: str | None, state: Path, wanted: RadioChoice
) -> Iterator[tuple[str, Check]]:
    yield "state folder", partial(machine.state_folder, state, "relay")
    yield "switches", partial(_switches, file, state)
    yield from radio_checks(wanted)
    yield "clock", partial(machine.clock, folder=state)
    yield "hub", partial(_hub, hub or file.hub, state)


def radio_checks(wanted: RadioChoice) -> Iterator[tuple[str, Check]]:
    bluetooth = wanted.radios.bluetooth
    if (wanted.simulate is not None or wanted.placed) and not bluetooth:
        yield "radio", lambda: [good("The radio is simulated.")]
    elif bluetooth or not wanted.radios.named:
        yield "Bluetooth", partial(machine.bluetooth, bluetooth, wanted=True)


def _switches(file: FileConfig, state: Path) -> Iterator[Finding]:
    config: AgentConfig = agent_config(file, None, None)
    yield good(f"The hub calls this relay {config.name}.")
    path = state / "wearer.json"
    try:
        kept = WearerState(path if state.is_dir() else None)
    except RelayError as error:
        yield bad(str(error))
        return
    if kept.stopped or kept.paused:
        yield note("This relay is stopped or paused: `relay resume` lets things run again.")


def _hub(url: str | None, state: Path) -> Iterator[Finding]:
    try:
        hub = load_hub(state / HUB_FILE)
    except PrivateFileError as error:
        yield bad(f"{error}.")
        return
    try:
        linked = ask(state, "status").status
    except RelayError:
        linked = None
        yield note("This relay does not run: start it with `relay run`.")
    else:
        if linked is not None and linked.hub is not None:
            yield good(f"It is linked to {linked.hub}.")
            return
    urls: Sequence[str] = (url,) if url is not None else () if hub is None else hub.urls
    for each in urls:
        yield from _asked(each)
    if hub is not None and not all(map(is_visit_url, hub.urls)):
        yield from machine.announced(hub.key, look, "the hub")
    if linked is None:
        yield from _handshake(url, state)


def _asked(url: str) -> list[Finding]:
    try:
        return asyncio.run(_place(url if is_direct_url(url) else link_url(url)))
    except RelayError:
        return []  # it is no address: who tries to be linked there says so


async def _place(url: str) -> list[Finding]:
    """Each place of the hub, with its own error."""
    direct = is_direct_url(url)
    where = "the end of its direct path" if direct else urlsplit(url).netloc
    try:
        async with asyncio.timeout(REACH_S):
            channel = await (dial_place(url) if direct else dial(url, tls=False))
    except TimeoutError:
        return [bad(f"{where} does not answer; does `forwarder run --lan` run there?")]
    except LinkError as error:
        return [bad(f"{advised(error)}.".replace("?.", "?"))]
    await channel.close()
    return [good(f"A hub answers at {where}.")]


def _handshake(url: str | None, state: Path) -> Iterator[Finding]:
    """Whether the hub takes this relay. Only where none runs: it would lose its link."""
    try:
        wanted = target(url, state)
    except RelayError as error:
        yield bad(f"{error}.")
        return

    async def linked() -> None:
        async with asyncio.timeout(REACH_S):
            await (await wanted.connect()).close()

    try:
        asyncio.run(linked())
    except TimeoutError:
        yield bad(f"{wanted.where} does not answer; does `forwarder run --lan` run there?")
    except LinkError as error:
        # Each place has said so by itself, without the way to it.
        if not isinstance(error, DialFailed):
            yield bad(f"{wanted.where}: {advised(error)}.".replace("?.", "?"))
    else:
        yield good(f"{wanted.where} takes this relay.")
