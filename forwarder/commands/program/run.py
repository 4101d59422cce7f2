"""`forwarder run`: the hub itself, until Ctrl-C."""

from __future__ import annotations

import argparse
from contextlib import suppress
from functools import partial

import msgspec

from forwarder import config_file
from forwarder.commands.base import Subcommand, add_state, port_number
from forwarder.config import Config
from forwarder.errors import ConfigError
from forwarder.switches import Switches
from relay.command_line import file_path
from relay.wanted import add_radio_options, on_command_line


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    parser.add_argument(
        "--simulate", metavar="NAMES", help='toys to simulate, like "Lovense Hush,Lovense Edge"'
    )
    parser.add_argument("--local-radio", action="store_true", help="use this machine's Bluetooth")
    add_radio_options(parser)
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="where Buttplug clients connect"
    )
    parser.add_argument(
        "--link-port", type=port_number, metavar="N", help="where relays, dashboard and API connect"
    )
    parser.add_argument(
        "--https-port",
        type=port_number,
        metavar="N",
        help="where phones get their page; 0: nowhere",
    )
    parser.add_argument("--lan", action="store_true", help="let paired relays connect from outside")
    parser.add_argument(
        "--meet",
        action="append",
        metavar="URL",
        help="a meeting point for relays elsewhere, such as wss://meet.example.org",
    )
    parser.add_argument(
        "--meet-here",
        metavar="URL",
        help="be the meeting point too: URL is what a tunnel or proxy of this machine makes public",
    )
    parser.add_argument(
        "--meet-port", type=port_number, metavar="N", help="where that leads to (default: 12348)"
    )
    parser.add_argument(
        "--direct", action="store_true", help="direct paths to relays elsewhere (the extra p2p)"
    )
    parser.add_argument(
        "--direct-port", type=port_number, metavar="N", help="their UDP port (default: 12349)"
    )
    parser.add_argument(
        "--direct-at",
        action="append",
        metavar="IP:PORT",
        help="where a router leads to that port, if one does",
    )
    parser.add_argument(
        "--iroh-relay",
        action="append",
        metavar="URL",
        help="an iroh relay that helps both ends to find a direct path, and carries what finds"
        " none; or public, for those of iroh's makers",
    )
    parser.add_argument(
        "--trace", type=file_path, metavar="FILE", help="write each radio operation as a JSON line"
    )


def merged(options: argparse.Namespace, config: Config | None = None) -> Config:
    """The configuration file with the command line's word on top. Raises ConfigError.

    `config`: that of the file, if it was read already.
    """
    config = config_file.load(options.config) if config is None else config
    replace = msgspec.structs.replace
    if options.state is not None:
        config = replace(config, state=options.state)
    if options.trace is not None:
        config = replace(config, trace=options.trace)
    if options.port is not None:
        config = replace(config, clients=replace(config.clients, port=options.port))
    if options.link_port is not None:
        config = replace(config, link=replace(config.link, port=options.link_port))
    if options.https_port is not None:
        config = replace(config, link=replace(config.link, https_port=options.https_port))
    if options.lan:
        config = replace(config, link=replace(config.link, lan=True))
    if options.meet:
        meet = tuple(dict.fromkeys((*options.meet, *config.link.meet)))
        config = replace(config, link=replace(config.link, meet=meet))
    if options.meet_here is not None:
        config = replace(config, link=replace(config.link, meet_here=options.meet_here))
    if options.meet_port is not None:
        config = replace(config, link=replace(config.link, meet_port=options.meet_port))
    if options.direct:
        config = replace(config, link=replace(config.link, direct=True))
    if options.direct_port is not None:
        config = replace(config, link=replace(config.link, direct_port=options.direct_port))
    if options.direct_at:
        at = tuple(dict.fromkeys((*options.direct_at, *config.link.direct_at)))
        config = replace(config, link=replace(config.link, direct=True, direct_at=at))
    if options.iroh_relay:
        relays = tuple(dict.fromkeys((*options.iroh_relay, *config.link.iroh_relays)))
        config = replace(config, link=replace(config.link, iroh_relays=relays))
    if options.simulate is not None:
        names = tuple(name.strip() for name in options.simulate.split(",") if name.strip())
        if not names:
            raise ConfigError('--simulate wants names of toys, like "Lovense Hush,Lovense Edge".')
        config = replace(config, radio=replace(config.radio, simulate=names))
    if options.local_radio:
        config = replace(config, radio=replace(config.radio, local=True))
    return replace(config, radio=replace(config.radio, **on_command_line(options)))


def started(options: argparse.Namespace) -> Switches:
    """What a hub starts with, by these options of `forwarder run`. Raises ConfigError."""
    file = config_file.read(options.config)
    state = merged(options, config_file.converted(file.tree, file.path)).state_dir
    return Switches(state, file, vars(options), partial(merged, options))


def _run(options: argparse.Namespace) -> int:
    from forwarder.commands.program.left_behind import stop_left_behind

    start = started(options)
    with suppress(ConfigError):  # which the hub meets as well, and says
        stop_left_behind(start.config())
    # The hub is most of this program: help and wrong options do not wait for it.
    from forwarder.commands.program.serve import serve

    return serve(start)


COMMANDS = {
    "run": Subcommand(_add, _run),
}
