"""The one list of what is looked at: by `forwarder doctor`, and at the start of `forwarder run`.
What a running hub looks at for its dashboard is a part of it (`running`)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from functools import partial

from forwarder.api.documents.model import OriginsView, StatusView
from forwarder.api.documents.seen import SeenList
from forwarder.checks.making import making
from forwarder.checks.ports import ports
from forwarder.checks.running import HubReport, hub_checks, network, standing_checks
from forwarder.checks.settings import settings
from forwarder.commands.api_client import ApiClient, HubRefused, NoHub
from forwarder.config import Config
from relay.checks import machine
from relay.checks.findings import Check, Finding, bad, good, note
from relay.hub_link.looking import look
from relay.link.files.keys import load_key


def doctor_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """Everything, from outside of the hub that may run."""
    yield "versions", _versions
    yield "settings", partial(settings, config)
    yield "state folder", partial(machine.state_folder, config.state_dir)
    yield "parts of the hub", partial(making, config)
    try:
        report = _report(ApiClient(config.state_dir))
    except (NoHub, HubRefused) as error:
        text = str(error)
        yield "hub", lambda: [note(text)]
        yield "ports", partial(ports, config)
        lan = config.link.lan
    else:
        yield from hub_checks(config, report)
        lan = report.status.hub.lan
        if config.mdns or (lan and config.link.beacon):
            yield "mDNS", partial(_shown, config)
    yield from standing_checks(config)
    yield "network", partial(network, lan=lan)


def start_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """For a hub that starts: what its own making does not tell."""
    yield "settings", partial(settings, config)
    if config.radio.local or config.radio.bluetooth:
        yield from standing_checks(config)
    else:
        yield "clock", partial(machine.clock, folder=config.state_dir)


def _report(hub: ApiClient) -> HubReport:
    return HubReport(
        hub.get("/status", StatusView),
        hub.get("/seen", SeenList),
        hub.get("/origins", OriginsView),
    )


def _shown(config: Config) -> Iterator[Finding]:
    """As a relay that has paired with it looks for it."""
    return machine.announced(load_key(config.state_dir / "hub.key").public, look, "this hub")


def _versions() -> Iterator[Finding]:
    names = ("buttplug-forwarder", "aiohttp", "bleak", "cryptography")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    python = platform.python_version()
    text = f"Python {python} on {platform.system()} {platform.machine()}; {versions}"
    yield good(text) if sys.version_info >= (3, 11) else bad(f"{text}: Python 3.11 is needed.")


def _version(name: str) -> str:
    from importlib import metadata  # 12 ms and a MiB, for who asks

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
