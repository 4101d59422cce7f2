"""The words by which radios are named: in the files and on the command lines of both programs.

What a word means is known where that radio is opened (`relay.radio.choice`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import msgspec


class NamedRadios(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys that name radios.

    bluetooth      adapters, by the names that the system has for them (hci1) or by their own
                   addresses; "" is its default one, "all" is every one, also those plugged in later
    serial         serial ports with what is on them, as "/dev/ttyUSB0=tcode"
    tcode          T-Code machines on the network, as "udp://tcode.local:8000"
    gamepads       every game pad that rumbles
    hid            HID devices: joycon-left, joycon-right, pro-controller, cyclone-x10, or
                   vendor and product as "057e:2006"
    dongle         Lovense's USB dongles: the serial port of one, or "hid" for the second generation
    esphome        Bluetooth proxies of ESPHome, as "proxy.local" or "192.168.1.7:6053"; "found":
                   all that announce themselves in this network
    esphome_key    their encryption keys, each a file (or the key itself) for all of them, or for
                   one: "proxy.local=proxy.key"
    advertised_toys  toys that listen to advertisements only (Love Spouse, MuSe; Linux): lovespouse,
                   or lovespouse-2 for two motors apart. EVERY such toy in range does what is said,
                   a neighbour's too. Another address or adapter: "lovespouse:77624b9665@hci1"
    """

    bluetooth: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()
    tcode: tuple[str, ...] = ()
    gamepads: bool = False
    hid: tuple[str, ...] = ()
    dongle: tuple[str, ...] = ()
    esphome: tuple[str, ...] = ()
    esphome_key: tuple[str, ...] = ()
    advertised_toys: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether any radio is named."""
        return any(getattr(self, option.key) for option in OPTIONS)

    def with_adapter(self, adapter: str | None) -> NamedRadios:
        """These and one more Bluetooth adapter, as older files say it."""
        said = {name: getattr(self, name) for name in NamedRadios.__struct_fields__}
        one = () if adapter is None else (adapter,)
        return NamedRadios(**said | {"bluetooth": (*self.bluetooth, *one)})


NONE = NamedRadios()
# Instead of adapters by name.
EVERY = "all"


@dataclass(frozen=True, slots=True)
class RadioOption:
    """`--key METAVAR`, which may be given several times; without a metavar it is said or not.
    `alone`: what it means without a value."""

    key: str
    metavar: str | None
    help: str
    alone: str | None = None

    @property
    def flag(self) -> str:
        return f"--{self.key.replace('_', '-')}"


OPTIONS = (
    RadioOption(
        "bluetooth", "ADAPTER",
        "a Bluetooth adapter, such as hci1 or its address, or all of them, also those plugged in"
        " later: all", alone="",
    ),
    RadioOption(
        "serial", "PORT=PROTOCOL",
        "a serial port and what is on it, such as /dev/ttyUSB0=tcode (also nobra, kizuna,"
        " nextlevelracing)",
    ),
    RadioOption(
        "tcode", "URL",
        "a T-Code machine on the network, such as udp://tcode.local:8000, tcp://HOST:PORT or"
        " ws://HOST/ws",
    ),
    RadioOption("gamepads", None, "every game pad of this machine that rumbles"),
    RadioOption(
        "hid", "DEVICE", "a HID device: joycon-left, joycon-right, pro-controller, cyclone-x10, or"
        " VVVV:PPPP"
    ),
    RadioOption(
        "dongle", "PORT", "a Lovense dongle: its serial port, or hid for the second generation"
    ),
    RadioOption(
        "esphome", "HOST[:PORT]", "a Bluetooth proxy of ESPHome, such as proxy.local; or all that"
        " announce themselves: found",
    ),
    RadioOption(
        "esphome_key", "[HOST=]KEY", "the encryption key of proxies, or of that one; better a file"
        " that holds it, as other users see the command line",
    ),
    RadioOption(
        "advertised_toys", "KIND[:ADDRESS][@ADAPTER]", "toys that listen to advertisements only:"
        " lovespouse, or lovespouse-2 for two motors; EVERY such toy in range does what is said, a"
        " neighbour's too", alone="lovespouse",
    ),
)  # fmt: skip


def add_radio_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each kind of radio."""
    for one in OPTIONS:
        if one.metavar is None:
            parser.add_argument(one.flag, action="store_true", default=None, help=one.help)
            continue
        parser.add_argument(
            one.flag, action="append", metavar=one.metavar, const=one.alone,
            nargs=None if one.alone is None else "?", help=f"{one.help}; as many as you like",
        )  # fmt: skip


def on_command_line(options: argparse.Namespace) -> dict[str, tuple[str, ...] | bool]:
    """What was said there, by key; a kind that was said wins over what a file says of it."""
    said = {one.key: getattr(options, one.key) for one in OPTIONS}
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in said.items()
        if value is not None
    }
