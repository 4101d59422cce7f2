"""`relay pair`, `relay unpair`: which hub this relay belongs to."""

from __future__ import annotations

import argparse
import sys

from relay.command_line import Subcommand
from relay.commands.base import add_state
from relay.config import AgentConfig, default_state, make_state
from relay.errors import RelayError, UsageError
from relay.link.names import neutralise


def _add_pair(parser: argparse.ArgumentParser) -> None:
    text = (
        "what `forwarder pair` printed, or - to read it from standard input; without it the hubs of"
        " this network are listed, and a code is compared on both screens"
    )
    parser.add_argument("link", metavar="LINK", nargs="?", help=text)
    parser.add_argument("--at", metavar="URL", help="without LINK: the hub, as ws://HOST:12346")
    parser.add_argument("--name", help="what the hub calls this relay (default: the host's name)")
    add_state(parser)


def _pair(options: argparse.Namespace) -> int:
    # A link in the arguments is in the shell's history and the process list, for the two minutes
    # in which it is worth something; whoever minds uses standard input.
    from relay.hub_link.hubs import pair_with

    if options.link is None:
        return _pair_by_code(options)
    if options.at is not None:
        raise UsageError("--at is for pairing by a code: a link names its hub")
    link = sys.stdin.readline() if options.link == "-" else options.link
    state = make_state(options.state or default_state())
    hub = pair_with(link, state, options.name or AgentConfig().name)
    print(f"Paired with {neutralise(hub.name)}. Start this relay with: relay run")
    return 0


def _pair_by_code(options: argparse.Namespace) -> int:
    from relay.hub_link.comparing import pair_by_code

    state = make_state(options.state or default_state())
    hub = pair_by_code(options.at, state, options.name or AgentConfig().name)
    print(f"Paired with {neutralise(hub.name)}. Start this relay with: relay run")
    return 0


def _unpair(options: argparse.Namespace) -> int:
    from relay.hub_link.hubs import unpair

    if not unpair(options.state or default_state()):
        raise RelayError("this relay is not paired with any hub; `relay pair LINK` does that")
    print("Unpaired. The hub still lists this relay until it is revoked there.")
    return 0


COMMANDS = {"pair": Subcommand(_add_pair, _pair), "unpair": Subcommand(add_state, _unpair)}
