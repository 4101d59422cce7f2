"""`relay run`: the options of the relay itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from relay.command_line import Subcommand
from relay.commands.base import add_radio, add_state


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="where the hub is: ws://HOST:12346")
    parser.add_argument("--name", help="what the hub calls this relay (default: the host's name)")
    add_radio(parser)
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="note each radio operation there"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file, see the README")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    add_state(parser)


def _run(options: argparse.Namespace) -> int:
    # The relay is most of this program: help and wrong options do not wait for it.
    from relay.commands.serve import serve

    return serve(options)


COMMANDS = {"run": Subcommand(_add_run, _run)}
