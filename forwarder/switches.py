"""What a person may switch on the dashboard: which settings, where they are kept, what wins.

    built in  <  a switch  <  hub.toml  <  the command line

A switch that hub.toml or the command line has decided is shown as fixed there, with the line. All
others are kept in the state folder, and count from the next start of the hub, which saving brings
about at once. What no hub could start with is refused when it is saved. A switch with which this
one cannot start all the same, for the port is taken or the adapter gone, must not keep anybody from
the dashboard: then it starts without all of them, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from forwarder.config import Config
from forwarder.config_file import ConfigFile, Tree, converted
from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state

FILE: Final = "switches.json"
_FORMAT: Final = 1
_REMEDY: Final = "delete it: what was switched on the dashboard counts no more"

SwitchKind = Literal["bool", "text", "texts", "port", "groups", "stand_ins"]
# One [[table]] of hub.toml.
SettingTable = dict[str, str | float | list[str]]
SettingValue = bool | int | str | tuple[str, ...] | tuple[SettingTable, ...]
# A house has a few; each is one more device for every app.
MOST_TABLES: Final = 16
SwitchKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """One of them. `option`: what says it on the command line; `attribute`: how argparse calls it;
    `implied_by`: another option that says it, too.

    `label` and `hint` are for the dashboard."""

    key: SwitchKey
    kind: SwitchKind
    label: str
    hint: str = ""
    option: str = ""
    implied_by: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.key)

    def said_by(self, options: Mapping[str, object]) -> str | None:
        """The option that has decided it, of those of the command line by argparse's names."""
        for option in filter(None, (self.option, self.implied_by)):
            if options.get(option.strip("-").replace("-", "_")) not in (None, False):
                return option
        return None


@dataclass(frozen=True, slots=True)
class FileOnly:
    """Options that are no switches, and why, for whoever looks for them on the dashboard."""

    options: tuple[str, ...]
    why: str


SWITCHES: Final = (
    Switch(("name",), "text", "Name of this hub", "What phones and relays call it."),
    Switch(
        ("link", "lan"), "bool", "Phones and other computers",
        "Paired relays and phones in this network may connect; others are refused.",
        "--lan",
    ),
    Switch(
        ("radio", "local"), "bool", "This computer's Bluetooth",
        "Toys in range of this computer need no relay.", "--local-radio",
    ),
    Switch(
        ("radio", "bluetooth"), "texts", "Bluetooth adapters",
        "Which ones, such as hci1. Empty: the system's own choice.", "--bluetooth",
    ),
    Switch(
        ("radio", "serial"), "texts", "Serial ports",
        "With what is on them, such as /dev/ttyUSB0=tcode.", "--serial",
    ),
    Switch(
        ("radio", "tcode"), "texts", "T-Code on the network",
        "Such as udp://tcode.local:8000.", "--tcode",
    ),
    Switch(
        ("radio", "gamepads"), "bool", "Game pads", "Every one of this computer that rumbles.",
        "--gamepads",
    ),
    Switch(
        ("radio", "hid"), "texts", "HID devices",
        "joycon-left, joycon-right, pro-controller, cyclone-x10, or VVVV:PPPP.", "--hid",
    ),
    Switch(
        ("radio", "dongle"), "texts", "Lovense dongles",
        "The serial port of one, or hid for the second generation.", "--dongle",
    ),
    Switch(
        ("radio", "esphome"), "texts", "Bluetooth proxies (ESPHome)",
        "Such as proxy.local; found: all that announce themselves.", "--esphome",
    ),
    Switch(
        ("radio", "advertised_toys"), "texts", "Toys that hear advertisements only",
        "lovespouse, or lovespouse-2 for two motors. EVERY such toy in range does what is said, a"
        " neighbour's too.", "--advertised-toys",
    ),
    Switch(
        ("radio", "simulate"), "texts", "Simulated toys",
        "By their names, such as Lovense Hush. They move nothing.", "--simulate",
    ),
    Switch(
        ("link", "meet"), "texts", "Meeting points",
        "Where relays and guests from elsewhere find this hub, such as wss://meet.example.org.",
        "--meet",
    ),
    Switch(
        ("link", "direct"), "bool", "Direct paths",
        "Relays elsewhere reach this hub by UDP, with no server between. Your router is asked for a"
        " port (UPnP, NAT-PMP, PCP), and nobody else is told. Needs the package iroh at both ends.",
        "--direct", "--direct-at",
    ),
    Switch(
        ("link", "direct_at"), "texts", "Address for direct paths",
        "Where your router leads UDP port 12349 to this computer, such as 203.0.113.5:12349.",
        "--direct-at",
    ),
    Switch(
        ("link", "iroh_relays"), "texts", "Iroh relays",
        "They help direct paths through two routers, or carry them, and see addresses, sizes and"
        " times; such as https://relay.example.org, or public for those of iroh's makers. Empty:"
        " none is asked.",
        "--iroh-relay",
    ),
    Switch(
        ("mdns",), "bool", "Announce this hub", "Apps in this network find it by mDNS.",
    ),
    Switch(("link", "https_port"), "port", "Port for phones (https)", "0: none.", "--https-port"),
    Switch(
        ("clients", "ask_origins"), "bool", "Web pages ask",
        "A page that wants to connect waits for your answer instead of being refused.",
    ),
    Switch(
        ("bridges", "lovense", "enabled"), "bool", "Apps that speak Lovense",
        "They find toys at port 20010 of this computer.",
    ),
    Switch(
        ("bridges", "osc", "enabled"), "bool", "VRChat (OSC)",
        "Touches of your avatar move toys. UDP port 9001.",
    ),
    Switch(
        ("bridges", "mqtt", "enabled"), "bool", "Home Assistant (MQTT)",
        "Toys become devices there.",
    ),
    Switch(
        ("bridges", "mqtt", "broker"), "text", "MQTT broker",
        "Its host name. User and password stand in hub.toml.",
    ),
    Switch(
        ("groups",), "groups", "Groups", "Several toys that apps see as one more device.",
    ),
    Switch(
        ("stand_ins",), "stand_ins", "Stand-ins",
        "A toy that apps see as one more device, of another kind.",
    ),
)  # fmt: skip
FILE_ONLY: Final = (
    FileOnly(("--state", "--config"), "They say where these switches are kept."),
    FileOnly(
        ("--port", "--link-port"), "Apps, relays and this page would not find the hub any more."
    ),
    FileOnly(
        ("--meet-here", "--meet-port", "--direct-port"),
        "They go with a tunnel or router that is set up beside this hub.",
    ),
    FileOnly(("--esphome-key",), "A secret, which no page should show."),
    FileOnly(("--trace",), "It fills the disk; it is for whoever looks for a fault."),
)
_TABLES: Final = ("groups", "stand_ins")
_BY_NAME: Final = {switch.name: switch for switch in SWITCHES}


@dataclass(frozen=True, slots=True)
class Fixed:
    """Who has decided: hub.toml with its line, or an option of the command line."""

    by: str
    line: int | None = None


class _Kept(msgspec.Struct, frozen=True):
    version: int
    values: dict[str, bool | int | str | list[str | SettingTable]]


class Switches:
    """The switches of one hub. `fixed`: those that are decided elsewhere, by name.

    `trouble`: why the hub had to start without them, for people; None if it did not.
    """

    def __init__(
        self,
        state: Path,
        file: ConfigFile,
        options: Mapping[str, object] | None = None,
        top: Callable[[Config], Config] = lambda config: config,
    ) -> None:
        """`options`: what the command line says, by argparse's names; `top` puts it on top. Raises
        ConfigError for a damaged file."""
        self._path = state / FILE
        self._file = file
        self._top = top
        self._values = _read(self._path)
        self.fixed = _fixed(file, options or {})
        self.trouble: str | None = None

    @property
    def any(self) -> bool:
        """Whether a switch decides anything."""
        return any(name not in self.fixed for name in self._values)

    def config(self) -> Config:
        """The configuration that counts from the next start. Raises ConfigError."""
        return self._top(converted(self._merged(self._values), self._file.path))

    def without(self, trouble: str) -> Config:
        """The configuration as if nothing had been switched, and why. Raises ConfigError."""
        self.trouble = trouble
        return self._top(converted(self._file.tree, self._file.path))

    def proposed(self, values: Mapping[str, object]) -> Config:
        """The configuration once these are kept. Raises ConfigError for what is no switch, is fixed
        elsewhere or makes no sense."""
        return self._top(converted(self._merged(self._wanted(values)), self._path))

    def change(self, values: Mapping[str, object]) -> bool:
        """Keep these; whether anything is another now. Nothing has changed if it raises: as
        `proposed`, and ConfigError if they cannot be written."""
        self.proposed(values)
        wanted = self._wanted(values)
        if wanted == self._values:
            return False
        try:
            kept = {name: _plain(value) for name, value in wanted.items()}
            write_state(self._path, _Kept(_FORMAT, kept))
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}.") from error
        self._values = wanted
        return True

    def _wanted(self, values: Mapping[str, object]) -> dict[str, SettingValue]:
        wanted = dict(self._values)
        for name, value in values.items():
            switch = _BY_NAME.get(name)
            if switch is None:
                raise ConfigError(f"{name} is no switch.")
            if name in self.fixed:
                raise ConfigError(f"{switch.label} is fixed: {_where(self.fixed[name])}.")
            wanted[name] = _checked(switch, value)
        return wanted

    def _merged(self, values: Mapping[str, SettingValue]) -> Tree:
        tree: dict[str, object] = _copied(self._file.tree)
        for name, value in values.items():
            if name in self.fixed:
                continue
            *tables, last = _BY_NAME[name].key
            place = tree
            for table in tables:
                inner = place.setdefault(table, {})
                if not isinstance(inner, dict):
                    break  # what the file says there is nonsense, and is said so
                place = inner
            else:
                place.setdefault(last, _plain(value))
        return tree


def _copied(tree: Tree) -> dict[str, object]:
    return {
        key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()
    }


def value_of(config: Config, switch: Switch) -> SettingValue:
    """What counts now."""
    found: object = config
    for part in switch.key:
        found = getattr(found, part)
    if switch.kind in _TABLES:
        assert isinstance(found, tuple)
        # As JSON has it: a list is a list.
        return tuple(msgspec.json.decode(msgspec.json.encode(each)) for each in found)
    assert isinstance(found, bool | int | str | tuple)
    return found


def _read(path: Path) -> dict[str, SettingValue]:
    if not path.exists():  # also if the state folder is none, which the start says
        return {}
    try:
        kept = read_state(path, _Kept, _FORMAT, _REMEDY)
    except PrivateFileError as error:
        raise ConfigError(f"{error}.") from error
    if kept is None:
        return {}
    # One that a newer version knew decides nothing here.
    known = {name: value for name, value in kept.values.items() if name in _BY_NAME}
    return {name: _checked(_BY_NAME[name], value) for name, value in known.items()}


def _fixed(file: ConfigFile, options: Mapping[str, object]) -> dict[str, Fixed]:
    found = {}
    for switch in SWITCHES:
        line = file.line(switch.key)
        if (option := switch.said_by(options)) is not None:
            found[switch.name] = Fixed(option)
        elif line is not None:
            found[switch.name] = Fixed(str(file.path), line)
    return found


def _where(fixed: Fixed) -> str:
    return f"{fixed.by}, line {fixed.line} says it" if fixed.line else f"{fixed.by} says it"


def _checked(switch: Switch, value: object) -> SettingValue:
    """The value as its kind wants it. Raises ConfigError."""
    match switch.kind:
        case "bool" if isinstance(value, bool):
            return value
        case "text" if isinstance(value, str) and value.strip():
            return value.strip()
        case "texts" if isinstance(value, Sequence) and not isinstance(value, str):
            texts = tuple(text.strip() for text in value if isinstance(text, str))
            if len(texts) == len(value):
                return tuple(text for text in texts if text)
        case "port" if isinstance(value, int) and not isinstance(value, bool):
            if 0 <= value <= 65_535:
                return value
        case "groups" | "stand_ins" if isinstance(value, Sequence) and not isinstance(value, str):
            # What is in them is checked as that of hub.toml is.
            tables = tuple(dict(each) for each in value if isinstance(each, Mapping))
            if len(tables) == len(value) <= MOST_TABLES:
                return tables
    wanted = {
        "bool": "on or off", "text": "a text", "texts": "a list of texts",
        "port": "a number up to 65535", "groups": f"a list of {MOST_TABLES} groups at most",
        "stand_ins": f"a list of {MOST_TABLES} stand-ins at most",
    }  # fmt: skip
    raise ConfigError(f"{switch.label} is {wanted[switch.kind]}.")


def _plain(value: SettingValue) -> bool | int | str | list[str | SettingTable]:
    return list(value) if isinstance(value, tuple) else value
