"""What relay and hub need of the machine: a folder, a clock, Bluetooth. The paths are Linux's."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from relay.checks.bounds import ASK_S, LAST_TIME, LOW_SPACE
from relay.checks.findings import Finding, bad, good, note

if TYPE_CHECKING:
    from relay.supervision.adapters import Adapter

BLUETOOTH = Path("/sys/class/bluetooth")
RFKILL = Path("/sys/class/rfkill")
BUS = Path("/run/dbus/system_bus_socket")
_OTHERS = 0o077
# This program is younger: a clock before that has not been set since the power came.
_RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
# A folder that was copied from a machine in another zone, or by a clock that was corrected.
_CLOCK_SLACK = timedelta(days=1)
# BlueZ 5.55 (2020) is the oldest of the distributions that have Python 3.11 packages.
_OLD_BLUEZ = (5, 50)


def state_folder(folder: Path, owner: str = "hub") -> Iterator[Finding]:
    """Whether it can be written, and whether others can read what must stay secret."""
    if not folder.exists():
        yield from _can_be_made(folder, owner)
        return
    if not folder.is_dir():
        yield bad(f"{folder} is a file, not a folder: choose another one with --state.")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        yield bad(
            f"Nothing can be written in {folder} ({error.strerror}): make it writable for this"
            " user, make room on the disk, or choose another folder with --state."
        )
    else:
        free = shutil.disk_usage(folder).free
        if free < LOW_SPACE:
            yield bad(f"The disk of {folder} has {free >> 20} MiB left: make room.")
    if sys.platform == "win32":
        yield good(f"State is kept in {folder}.")
        return
    yield from _open_to_others(folder)


def _can_be_made(folder: Path, owner: str) -> Iterator[Finding]:
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        yield note(f"{folder} is made when the {owner} starts for the first time.")
    else:
        yield bad(f"{folder} cannot be made in {above}: choose another folder with --state.")


def _open_to_others(folder: Path) -> Iterator[Finding]:
    found = False
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        yield bad(f"{folder} cannot be read ({error.strerror}): run this as the user who owns it.")
        return
    for path in (folder, *inside):
        mode = path.lstat().st_mode
        if (stat.S_ISREG(mode) or path == folder) and mode & _OTHERS:
            found = True
            wanted = "700" if path == folder else "600"
            yield bad(
                f"{path} is open to other users of this machine: run `chmod {wanted} {path}`."
            )
    if not found:
        yield good(f"State in {folder} is for its owner only.")


def clock(now: datetime | None = None, folder: Path | None = None) -> Iterator[Finding]:
    """`folder`: whose files cannot be of a time that has not come."""
    now = now or datetime.now(UTC)
    latest = max(_RELEASED, _written(folder))
    if now < latest - _CLOCK_SLACK:
        yield bad(
            f"This machine's clock says {now:%Y-%m-%d}, and it is {latest:%Y-%m-%d} at least: set"
            " it, or certificates and tokens do not count. On Linux: `sudo timedatectl set-ntp"
            " true`."
        )
    else:
        yield good(f"The clock says {now:%Y-%m-%d %H:%M} UTC.")


def _written(folder: Path | None) -> datetime:
    """When the newest file of `folder` was written."""
    newest = 0.0
    try:
        files = [] if folder is None else list(folder.iterdir())
        newest = max((path.lstat().st_mtime for path in files), default=0.0)
    except OSError:
        pass  # another check says that it cannot be read
    return datetime.fromtimestamp(min(newest, LAST_TIME), UTC)


def bluetooth(
    named: Sequence[str] = (),
    *,
    wanted: bool = False,
    instead: str = "",
    adapters: Path = BLUETOOTH,
    rfkill: Path = RFKILL,
    bus: Path = BUS,
) -> Iterator[Finding]:
    """Whether this machine can be a radio. `named`: adapters that the configuration names.
    `wanted`: it has to be one, so what is in the way is no mere note. `instead`: what a person may
    do where there is no adapter, beside plugging one in."""
    if sys.platform != "linux":
        yield note("Bluetooth: try `relay scan`; this system does not say more.")
        return
    named = [name for name in named if name.startswith("hci")]  # not by address, nor all of them
    trouble = bad if wanted else note
    found = sorted(path.name for path in adapters.glob("hci*")) if adapters.exists() else []
    if not found:
        instead = f"{instead}, or " if instead else ""
        yield trouble(f"This machine has no Bluetooth adapter: {instead}plug one in.")
    else:
        yield good(f"Bluetooth: {', '.join(found)}.")
    for name in named:
        if name not in found:
            yield bad(
                f"There is no Bluetooth adapter {name}"
                + (f": there is {', '.join(found)}." if found else ": plug it in.")
            )
    for switch in sorted(rfkill.glob("rfkill*")):
        yield from _blocked(switch)
    if not found and not wanted:
        return
    if "DBUS_SYSTEM_BUS_ADDRESS" not in os.environ and not bus.exists():
        yield bad(
            "There is no system D-Bus, which BlueZ needs: start dbus and bluetooth, as in `sudo"
            " systemctl start dbus bluetooth`."
        )
    elif bus == BUS:
        yield from bluez(named)


def announced(
    key: bytes, look: Callable[[bytes], Coroutine[Any, Any, tuple[str, ...]]], whose: str
) -> Iterator[Finding]:
    """Whether the hub with this public key shows itself by mDNS; `whose`: what it is called here.
    `look`: relay.hub_link.looking."""
    found = asyncio.run(look(key))
    if found:
        places = ", ".join(dict.fromkeys(urlsplit(url).netloc for url in found))
        yield good(f"mDNS shows {whose} at {places}.")
    else:
        yield note(
            f"mDNS does not show {whose}: at another address it would not be found. It has to run"
            " with --lan, in the same network, and firewalls have to let UDP port 5353 through."
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
        yield bad("Bluetooth is switched off by a key or switch of this machine: switch it on.")
    elif soft == "1":
        yield bad("Bluetooth is switched off: run `rfkill unblock bluetooth`.")


def bluez(named: Sequence[str] = ()) -> Iterator[Finding]:
    """What BlueZ itself says of its adapters: its answer is that of `relay run`."""
    from relay.supervision.adapters import NoBluez, adapters_of_bluez  # and D-Bus, for who has it

    try:
        adapters = asyncio.run(adapters_of_bluez(ASK_S))
    except NoBluez as error:
        yield bad(str(error))
        return
    yield from judged(adapters, named)
    yield from _bluez_version()


def judged(adapters: Sequence[Adapter], named: Sequence[str]) -> Iterator[Finding]:
    if not adapters:
        yield bad(
            "BlueZ has no adapter: it may lack firmware (`dmesg | grep -i bluetooth` says), or"
            " another program has taken it."
        )
    for adapter in adapters:
        if named and any(named) and adapter.name not in named:
            continue
        if not adapter.powered:
            yield bad(f"{adapter.name} is off: run `bluetoothctl power on`.")
        elif not adapter.central:
            yield bad(f"{adapter.name} has no Bluetooth LE: use another adapter.")
        else:
            yield good(f"{adapter.name} is on.")


def _bluez_version() -> Iterator[Finding]:
    program = shutil.which("bluetoothctl")
    if program is None:
        return
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=ASK_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    number = said.rsplit(" ", 1)[-1].strip()
    parts = tuple(int(part) for part in number.split(".") if part.isdigit())
    if parts and parts < _OLD_BLUEZ:
        yield note(f"BlueZ {number} is old: if toys get lost, update it to 5.55 or newer.")
    elif parts:
        yield good(f"BlueZ {number}.")
