"""The relay's configuration: a TOML file, its defaults, and what an agent needs to know."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from platformdirs import user_state_path

from relay.errors import UsageError
from relay.link.files.toml_file import TomlFileError, read_toml
from relay.link.messages import Ceiling, Name
from relay.link.misfit import TABLE, misfit
from relay.link.names import machine_name
from relay.wanted import NamedRadios

# How long (s) a peripheral stays connected, stopped, while no hub is there. The hub is told, and
# keeps its device for a client as long: a phone that changes from Wi-Fi to mobile data takes up to
# 20 s to be back, a router that restarts up to a minute.
GRACE_S = 60.0
# The folder of the state that says what has to be stopped after a crash.
DEVICES = "devices"


# The hub's words for outputs; a ceiling of another word would hold for nothing.
OutputName = Literal[
    "Vibrate", "Rotate", "Oscillate", "Constrict", "Temperature", "Led", "Spray", "Position",
    "HwPositionWithDuration",
]  # fmt: skip
# A name is seen.
GivenName = Annotated[Name, msgspec.Meta(min_length=1)]


class FileConfig(NamedRadios, frozen=True, forbid_unknown_fields=True):
    """What a configuration file may say. Options of the command line win over it.

    Which radios: NamedRadios; adapter: the only Bluetooth one, as it was said before there were
    several. hub: where to dial, ws://HOST:12346. name: what the hub calls this relay.
    max_run_s: an output that has been on for so long is stopped, 0 means never; pauses of less
    than 10 s do not count as pauses. ceiling: the wearer's limits.
    """

    hub: str | None = None
    name: GivenName | None = None
    adapter: str | None = None
    max_run_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    ceiling: tuple[CeilingConfig, ...] = ()

    @property
    def radios(self) -> NamedRadios:
        """The radios that are named, either way."""
        return self.with_adapter(self.adapter)


class CeilingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`level` 0 to 1 of an output type ("Vibrate"; all if absent) of one device (all if absent)."""

    level: Annotated[float, msgspec.Meta(ge=0, le=1)]
    output: OutputName | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """`state` and `audit`: files for the wearer's switches and the audit log, None for neither.

    `records` and `locks`: folders for what has to be stopped after a crash, and for which relay of
    this machine has what. None for radios whose devices end with the process.
    """

    name: str = field(default_factory=lambda: machine_name("relay"))
    ceilings: tuple[Ceiling, ...] = ()
    max_run_s: int = 0
    max_peripherals: int = 16
    grace_s: float = GRACE_S
    demands_traffic: bool = False
    state: Path | None = None
    audit: Path | None = None
    records: Path | None = None
    locks: Path | None = None
    # Whether the person beside it has commands of its own; a hub's own radios have the hub's.
    commands: bool = False


def load(path: Path) -> FileConfig:
    """Read a configuration file. Raises UsageError, which names the file and the key."""
    try:
        content, _ = read_toml(path)
        return msgspec.convert(content, FileConfig)
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no configuration file {path}: correct its name, or leave --config out"
        ) from error
    except TomlFileError as error:
        raise UsageError(str(error)) from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}, {misfit(error, FileConfig, table=TABLE)}") from error


def agent_config(
    file: FileConfig, name: str | None, state: Path | None, *, outlived: bool = False
) -> AgentConfig:
    """Put together what an agent needs; `name` of the command line wins.

    `outlived`: its radio's devices go on when this program ends, so it has to remember them.
    """
    ceilings = tuple(Ceiling(c.level, c.output, c.address) for c in file.ceiling)
    config = AgentConfig(
        commands=True,
        ceilings=ceilings,
        max_run_s=file.max_run_s,
        state=None if state is None else state / "wearer.json",
        audit=None if state is None else state / "audit.log",
    )
    if outlived and state is not None:
        config = remembering(config, state)
    chosen = name or file.name
    return config if chosen is None else replace(config, name=chosen)


def remembering(config: AgentConfig, state: Path) -> AgentConfig:
    """The same, with records in `state`, and locks in the folder that systemd gives a service or a
    user's programs for as long as they run; without one relays do not see each other."""
    locks = state / "locks"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        locks = Path(runtime, "buttplug-relay")
    if own := os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        locks = Path(own)
    return replace(config, records=state / DEVICES, locks=locks)


def default_state() -> Path:
    """Where a relay keeps its state if nothing else is said."""
    return user_state_path("buttplug-relay", appauthor=False)


def make_state(path: Path) -> Path:
    """Make the state folder, for this user only. Raises UsageError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(
            f"{path} is a file, not a folder: choose another one with --state"
        ) from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be made ({error.strerror}): choose another folder with --state"
        ) from error
    return path
