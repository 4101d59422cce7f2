"""What the words of `relay` share: where its state is, and which radios are meant."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from relay.command_line import file_path
from relay.config import FileConfig, default_state, load, make_state
from relay.errors import UsageError
from relay.wanted import NamedRadios, add_radio_options, on_command_line

if TYPE_CHECKING:
    from relay.hub_link.hubs import HubTarget
    from relay.radio.choice import RadioChoice


def add_state(parser: argparse.ArgumentParser) -> None:
    text = "folder for keys, switches and the audit log"
    parser.add_argument("--state", type=file_path, metavar="DIR", help=text)


def add_radio(parser: argparse.ArgumentParser) -> None:
    text = "simulated toys instead of a radio, by device or advertised names, separated by commas"
    parser.add_argument("--simulate", metavar="NAMES", help=text)
    add_radio_options(parser)
    # What it was called when there was only one.
    parser.add_argument("--adapter", dest="bluetooth", action="append", help=argparse.SUPPRESS)


def wanted_radios(options: argparse.Namespace, file: FileConfig) -> RadioChoice:
    """The radios that were named; each kind on the command line wins over the file's.

    Raises UsageError.
    """
    from relay.radio.choice import RadioChoice

    said = on_command_line(options)
    if options.simulate is not None:
        if said:
            raise UsageError("simulated toys and radios are two relays: leave one of them out")
        if not options.simulate.replace(",", "").strip():
            raise UsageError('--simulate wants names of toys, like "Lovense Hush,Lovense Edge"')
        return RadioChoice(simulate=options.simulate)
    radios: NamedRadios = msgspec.structs.replace(file.radios, **said)
    return RadioChoice(radios)


@dataclass(frozen=True, slots=True)
class RelayStart:
    """What `relay run` starts with."""

    file: FileConfig
    state: Path
    hub: HubTarget
    wanted: RadioChoice


def start_of(options: argparse.Namespace) -> RelayStart:
    """Read what the options of `relay run` name. Raises RelayError."""
    from relay.hub_link.hubs import target

    file = load(options.config) if options.config else FileConfig()
    state = make_state(options.state or default_state())
    wanted = wanted_radios(options, file)
    return RelayStart(file, state, target(options.hub or file.hub, state), wanted)
