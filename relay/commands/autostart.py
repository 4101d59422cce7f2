"""`relay autostart on|off`: the relay runs whenever its user is logged in."""

from __future__ import annotations

import argparse
import sys

from relay.autostart import AutostartError, Program, add_switch, switch
from relay.command_line import Subcommand
from relay.errors import RelayError, UsageError

NAME = "buttplug-relay"
DESCRIPTION = "Buttplug Forwarder, a relay"
# A few connections and about 60 MB; the second process that stops toys is inside of both.
MEMORY_MB = 256
DESCRIPTORS = 512


def program(words: tuple[str, ...]) -> Program:
    """`relay run` with these options, by this very installation. -P: a folder that is called
    `relay` where it is started is not this program."""
    line = (sys.executable, "-P", "-m", "relay", *words)
    return Program(NAME, DESCRIPTION, line, MEMORY_MB, DESCRIPTORS)


def _add(parser: argparse.ArgumentParser) -> None:
    add_switch(parser, "relay run")


def _run(options: argparse.Namespace) -> int:
    from relay.cli import parser
    from relay.commands.base import start_of

    if options.state == "on":
        # Before the system starts it where nobody reads what it says.
        start_of(parser().parse_args(["run", *options.options]))
    elif options.options:
        raise UsageError("options are for `relay autostart on`")
    try:
        print(switch(program(("run", *options.options)), options.state, "relay autostart"))
    except AutostartError as error:
        raise RelayError(str(error)) from error
    return 0


COMMANDS = {"autostart": Subcommand(_add, _run)}
