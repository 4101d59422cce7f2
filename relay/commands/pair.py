"""`relay pair`, `relay unpair`: which hub this relay belongs to."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from relay.command_line import Subcommand
from relay.commands.base import add_state
from relay.config import AgentConfig, default_state, make_state
from relay.errors import RelayError, UsageError
from relay.link.names import neutralise

_NEXT = "Start this relay with: relay run"


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
        print(f"Paired with {pair_here(options.at, options.state, options.name)}. {_NEXT}")
        return 0
    if options.at is not None:
        raise UsageError("--at is for pairing by a code: a link names its hub")
    link = sys.stdin.readline() if options.link == "-" else options.link
    state = make_state(options.state or default_state())
    hub = pair_with(link, state, options.name or AgentConfig().name)
    print(f"Paired with {neutralise(hub.name)}. {_NEXT}")
    return 0


def pair_here(at: str | None, state: Path | None, name: str | None) -> str:
    """Pair with a hub of this network, or that `at`, by a code that two people compare; returns its
    name. Raises RelayError."""
    from relay.hub_link.comparing import pair_by_code

    hub = pair_by_code(at, make_state(state or default_state()), name or AgentConfig().name)
    return neutralise(hub.name)


def _unpair(options: argparse.Namespace) -> int:
    from relay.hub_link.hubs import unpair

    if not unpair(options.state or default_state()):
        raise RelayError("this relay is not paired with any hub; `relay pair LINK` does that")
    print("Unpaired. The hub still lists this relay until it is revoked there.")
    return 0


COMMANDS = {"pair": Subcommand(_add_pair, _pair), "unpair": Subcommand(add_state, _unpair)}
