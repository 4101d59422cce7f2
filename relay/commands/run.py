"""`relay run`: the options of the relay itself, which pairs first where it has no hub yet and
somebody sits at the terminal."""

from __future__ import annotations

import argparse
import sys

from relay.command_line import Subcommand, file_path
from relay.commands.base import add_radio, add_state, start_of
from relay.commands.pair import pair_here
from relay.errors import NotPaired


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="where the hub is: ws://HOST:12346")
    parser.add_argument("--name", help="what the hub calls this relay (default: the host's name)")
    add_radio(parser)
    parser.add_argument(
        "--trace", type=file_path, metavar="FILE", help="note each radio operation there"
    )
    parser.add_argument(
        "--config", type=file_path, metavar="FILE", help="a TOML file, see the README"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    add_state(parser)


def _run(options: argparse.Namespace) -> int:
    try:
        start = start_of(options)
    except NotPaired:
        if not sys.stdin.isatty():
            raise
        # Somebody sits here, and would be told to say `relay pair` first.
        hub = pair_here(None, options.state, options.name)
        print(f"Paired with {hub}: from now on this relay connects by itself.")
        start = start_of(options)
    # The relay is most of this program: help and wrong options do not wait for it.
    from relay.commands.serve import serve

    return serve(options, start)


COMMANDS = {"run": Subcommand(_add_run, _run)}
