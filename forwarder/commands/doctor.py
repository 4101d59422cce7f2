"""`forwarder doctor`: looks at what usually goes wrong, and says what to do about it."""

from __future__ import annotations

import argparse
import platform
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from forwarder.api.documents.model import Status
from forwarder.commands.api_client import Admin, NoHub
from forwarder.commands.base import FAILED, FINE, Subcommand, add_state, config_of, counted
from forwarder.config import Config
from forwarder.connectors.host_addresses import addresses
from forwarder.definitions.catalogue import strange
from forwarder.definitions.user_files.opened import open_files
from forwarder.errors import ConfigError

_BLUETOOTH = Path("/sys/class/bluetooth")
_RFKILL = Path("/sys/class/rfkill")
_BUS = Path("/run/dbus/system_bus_socket")
_OTHERS = 0o077


class Mark(Enum):
    GOOD = "ok  "
    NOTE = "note"
    BAD = "BAD "


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence; a bad one ends with what to do."""

    mark: Mark
    text: str


def _run(options: argparse.Namespace) -> int:
    config = config_of(options)
    findings = list(examine(config))
    for finding in findings:
        print(f"{finding.mark.value} {finding.text}")
    bad = sum(finding.mark is Mark.BAD for finding in findings)
    print(f"\n{counted(bad, 'problem')} found." if bad else "\nNothing is wrong here.")
    return FAILED if bad else FINE


def examine(config: Config) -> Iterator[Finding]:
    """Everything in turn."""
    yield from _versions()
    yield from state_folder(config.state_dir)
    yield from device_files(config)
    try:
        status = Admin(config.state_dir).get("/status", Status)
    except NoHub as error:
        yield Finding(Mark.NOTE, str(error))
        yield from ports(config)
        lan = config.link.lan
    else:
        yield from _hub(config, status)
        lan = status.hub.lan
    yield from bluetooth(_BLUETOOTH, _RFKILL, _BUS)
    yield from _network(lan=lan)


def _versions() -> Iterator[Finding]:
    names = ("buttplug-forwarder", "aiohttp", "bleak", "cryptography")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    python = platform.python_version()
    mark = Mark.GOOD if sys.version_info >= (3, 11) else Mark.BAD
    yield Finding(mark, f"Python {python} on {platform.system()} {platform.machine()}; {versions}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"


def state_folder(folder: Path) -> Iterator[Finding]:
    """Whether others can read what must stay secret."""
    if not folder.exists():
        yield Finding(Mark.NOTE, f"{folder} is made when the hub starts for the first time.")
        return
    if sys.platform == "win32":
        yield Finding(Mark.GOOD, f"State is kept in {folder}.")
        return
    open_files = []
    for path in sorted([folder, *folder.iterdir()]):
        status = path.lstat()
        private = stat.S_ISREG(status.st_mode) or path == folder
        if private and status.st_mode & _OTHERS:
            open_files.append(path)
    for path in open_files:
        mode = "700" if path == folder else "600"
        yield Finding(
            Mark.BAD, f"{path} is open to other users of this machine: run `chmod {mode} {path}`."
        )
    if not open_files:
        yield Finding(Mark.GOOD, f"State in {folder} is for its owner only.")


def device_files(config: Config) -> Iterator[Finding]:
    """Whether the hub would start with the files about devices that are named."""
    files = config.devices
    try:
        user, catalogue = open_files(
            files.user,
            config.state_dir / "devices.json",
            official=files.official,
            own=files.catalogue,
        )
    except ConfigError as error:
        yield Finding(Mark.BAD, str(error))
        return
    for line in strange(user, catalogue.files):
        yield Finding(Mark.NOTE, line)
    yield Finding(Mark.GOOD, "The files about devices can be read.")


def _hub(config: Config, status: Status) -> Iterator[Finding]:
    yield Finding(
        Mark.GOOD,
        f"A hub runs; apps connect to {status.hub.client_url}, the dashboard is at"
        f" {status.hub.dashboard_url}.",
    )
    away = [relay.name for relay in status.relays if not relay.connected]
    here = len(status.relays) - len(away)
    yield Finding(Mark.GOOD if here else Mark.NOTE, f"{counted(here, 'relay')} connected.")
    for relay in status.relays:
        if relay.blocked is not None:
            yield Finding(Mark.NOTE, relay.blocked)
        if relay.radio is not None and not relay.radio.on:
            yield Finding(Mark.BAD, f"The radio of {relay.name} is off: {relay.radio.text}")
        elif relay.radio is not None:
            for part in relay.radio.parts:
                if not part.on:
                    text = f"The radio {part.name} of {relay.name} is off: {part.text}"
                    yield Finding(Mark.BAD, text)
    for name in away:
        yield Finding(Mark.NOTE, f"The relay {name} is paired, and away.")
    if status.hub.page_url is None and config.link.https_port:
        port = config.link.https_port
        yield Finding(
            Mark.NOTE,
            f"Phones cannot get their page over https: port {port} was taken when the hub started.",
        )


def ports(config: Config) -> Iterator[Finding]:
    """Whether the hub would get its ports."""
    wanted = (
        (config.clients.port, "Buttplug clients", "--port"),
        (config.link.port, "relays and the dashboard", "--link-port"),
        (config.link.https_port, "phones", "https_port in the configuration file"),
    )
    for port, what, option in wanted:
        if port == 0:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                yield Finding(
                    Mark.BAD,
                    f"Port {port}, for {what}, cannot be had ({error.strerror}): end the program"
                    f" that has it (Intiface Central?), or choose another with {option}.",
                )
            else:
                yield Finding(Mark.GOOD, f"Port {port}, for {what}, is free.")


def bluetooth(adapters: Path, rfkill: Path, bus: Path) -> Iterator[Finding]:
    """Whether this machine could be a radio itself. The paths are those of Linux."""
    if sys.platform != "linux":
        yield Finding(Mark.NOTE, "Bluetooth: try `relay scan`; this system does not say more.")
        return
    found = sorted(path.name for path in adapters.glob("hci*")) if adapters.exists() else []
    if not found:
        yield Finding(
            Mark.NOTE,
            "This machine has no Bluetooth adapter: pair a phone or another computer with"
            " `forwarder pair`, or plug one in.",
        )
        return
    yield Finding(Mark.GOOD, f"Bluetooth: {', '.join(found)}.")
    for switch in sorted(rfkill.glob("rfkill*")):
        yield from _blocked(switch)
    if not bus.exists():
        yield Finding(
            Mark.BAD,
            "There is no system D-Bus, which BlueZ needs: start dbus and bluetooth, as in `sudo"
            " systemctl start dbus bluetooth`.",
        )


def _blocked(switch: Path) -> Iterator[Finding]:
    try:
        kind, soft, hard = (
            (switch / name).read_text().strip() for name in ("type", "soft", "hard")
        )
    except OSError:
        return  # it was unplugged while we looked
    if kind != "bluetooth":
        return
    if hard == "1":
        yield Finding(Mark.BAD, "Bluetooth is switched off by a key or switch of this machine.")
    elif soft == "1":
        yield Finding(Mark.BAD, "Bluetooth is switched off: run `rfkill unblock bluetooth`.")


def _network(*, lan: bool) -> Iterator[Finding]:
    found = [str(address) for address in addresses()]
    if not found:
        yield Finding(Mark.NOTE, "This machine is in no network: phones cannot reach it.")
    elif lan:
        yield Finding(Mark.GOOD, f"Others reach this machine at {', '.join(found)}.")
    else:
        yield Finding(
            Mark.NOTE,
            f"The hub listens on this machine only, unless started with --lan; it would be at"
            f" {', '.join(found)}.",
        )


COMMANDS = (Subcommand("doctor", "find out what is in the way", add_state, _run),)
