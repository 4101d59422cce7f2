"""The command line of the hub: finds the subcommand, turns errors into one line and a status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from forwarder import log as logs
from forwarder.commands import devices, doctor, meet, pair, relay_page, show, stop, token
from forwarder.commands import run as hub
from forwarder.commands.base import FAILED, USAGE, Subcommand
from forwarder.errors import ConfigError, ForwarderError
from relay.command_line import Parser

COMMANDS: tuple[Subcommand, ...] = (
    *hub.COMMANDS,
    *pair.COMMANDS,
    *stop.COMMANDS,
    *show.COMMANDS,
    *devices.COMMANDS,
    *token.COMMANDS,
    *doctor.COMMANDS,
    *relay_page.COMMANDS,
    *meet.COMMANDS,
)


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit status. Errors are one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal of another character set shows a question mark; it is no reason to fail.
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as leave:  # argparse has said why
        return leave.code if isinstance(leave.code, int) else USAGE
    logs.set_up(options.log)
    command: Subcommand = options.command
    try:
        return command.run(options)
    except ConfigError as error:
        print(f"forwarder: {error}", file=sys.stderr)
        return USAGE
    except ForwarderError as error:
        print(f"forwarder: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # as in `forwarder devices catalogue | head`
        sys.stderr.close()
        return FAILED
    except KeyboardInterrupt:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="forwarder", description="One Buttplug server for radios that are somewhere else."
    )
    parser.add_argument(
        "--log", choices=("debug", "info", "warning", "error"), default="warning", help="how much"
    )
    words = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        sub = words.add_parser(command.name, help=command.help, description=command.help)
        command.add(sub)
        sub.set_defaults(command=command)
    return parser
