"""The one list of what is looked at: by `forwarder doctor`, at the start of `forwarder run`, and by
the dashboard of a running hub."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from functools import partial
from importlib import metadata

from forwarder.api.documents.model import StatusView
from forwarder.checks.making import making
from forwarder.checks.ports import ports
from forwarder.checks.settings import settings
from forwarder.commands.api_client import ApiClient, HubRefused, NoHub
from forwarder.config import Config
from forwarder.connectors.host_addresses import addresses
from relay.checks import machine
from relay.checks.findings import Check, Finding, bad, good, note


def doctor_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """Everything, from outside of the hub that may run."""
    yield "versions", _versions
    yield "settings", partial(settings, config)
    yield "state folder", partial(machine.state_folder, config.state_dir)
    yield "parts of the hub", partial(making, config)
    try:
        status = ApiClient(config.state_dir).get("/status", StatusView)
    except (NoHub, HubRefused) as error:
        text = str(error)
        yield "hub", lambda: [note(text)]
        yield "ports", partial(ports, config)
        lan = config.link.lan
    else:
        yield "hub", partial(_hub, config, status)
        lan = status.hub.lan
    yield from standing_checks(config)
    yield "network", partial(_network, lan=lan)


def standing_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """What can go wrong around a hub, whether it runs or not: asked at the start, and by the
    dashboard."""
    radio = config.radio
    named = [*radio.bluetooth, *([] if radio.adapter is None else [radio.adapter])]
    wanted = radio.local or bool(radio.bluetooth)
    yield "clock", machine.clock
    yield "Bluetooth", partial(machine.bluetooth, named, wanted=wanted)


def start_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """For a hub that starts: what its own making does not tell."""
    yield "settings", partial(settings, config)
    if config.radio.local or config.radio.bluetooth:
        yield from standing_checks(config)
    else:
        yield "clock", machine.clock


def _versions() -> Iterator[Finding]:
    names = ("buttplug-forwarder", "aiohttp", "bleak", "cryptography")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    python = platform.python_version()
    text = f"Python {python} on {platform.system()} {platform.machine()}; {versions}"
    yield good(text) if sys.version_info >= (3, 11) else bad(f"{text}: Python 3.11 is needed.")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"


def _hub(config: Config, status: StatusView) -> Iterator[Finding]:
    yield good(
        f"A hub runs; apps connect to {status.hub.client_url}, the dashboard is at"
        f" {status.hub.dashboard_url}."
    )
    away = [relay.name for relay in status.relays if not relay.connected]
    here = len(status.relays) - len(away)
    counted = f"{here} relay{'' if here == 1 else 's'} connected."
    yield good(counted) if here else note(counted)
    for relay in status.relays:
        if relay.blocked is not None:
            yield note(relay.blocked)
        if relay.radio is not None and not relay.radio.on:
            yield bad(f"The radio of {relay.name} is off: {relay.radio.text}")
        elif relay.radio is not None:
            for part in relay.radio.parts:
                if not part.on:
                    yield bad(f"The radio {part.name} of {relay.name} is off: {part.text}")
    for name in away:
        yield note(f"The relay {name} is paired, and away: start it with `relay run` there.")
    if status.hub.page_url is None and config.link.https_port:
        port = config.link.https_port
        yield bad(
            f"Phones cannot get their page over https: port {port} was taken when the hub started."
            " End the program that has it, or choose another with --https-port, and start the hub"
            " again."
        )


def _network(*, lan: bool) -> Iterator[Finding]:
    found = [str(address) for address in addresses()]
    if not found:
        yield note("This machine is in no network: phones cannot reach it.")
    elif lan:
        yield good(f"Others reach this machine at {', '.join(found)}.")
    else:
        yield note(
            "The hub listens on this machine only, unless started with --lan; it would be at"
            f" {', '.join(found)}."
        )
