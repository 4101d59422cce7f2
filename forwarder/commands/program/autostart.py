"""`forwarder autostart on|off`: the hub runs whenever its user is logged in."""

from __future__ import annotations

import argparse
import sys

from forwarder.commands.base import FINE, Subcommand
from forwarder.commands.bounds import MEMORY_MB
from forwarder.errors import ConfigError, ForwarderError
from relay.autostart import AutostartError, Program, add_switch, switch

NAME = "buttplug-forwarder"
DESCRIPTION = "Buttplug Forwarder, the hub"


def program(words: tuple[str, ...]) -> Program:
    """`forwarder run` with these options, by this very installation. -P: a folder that is called
    `forwarder` where it is started is not this program."""
    from forwarder.connectors.bounds import RESERVED  # no other command needs these
    from forwarder.connectors.descriptors import PLACES
    from forwarder.meet.here import DESCRIPTORS

    line = (sys.executable, "-P", "-m", "forwarder", "--log", "info", *words)
    return Program(NAME, DESCRIPTION, line, MEMORY_MB, PLACES + RESERVED + DESCRIPTORS)


def _add(parser: argparse.ArgumentParser) -> None:
    add_switch(parser, "forwarder run")


def _run(options: argparse.Namespace) -> int:
    if options.state == "on":
        # Before the system starts it where nobody reads what it says.
        from forwarder.cli import parser
        from forwarder.commands.program.run import merged

        merged(parser().parse_args(["run", *options.options]))
    elif options.options:
        raise ConfigError("Options are for `forwarder autostart on`.")
    try:
        print(switch(program(("run", *options.options)), options.state, "forwarder autostart"))
    except AutostartError as error:
        raise ForwarderError(f"{error}.") from error
    return FINE


COMMANDS = {"autostart": Subcommand(_add, _run)}
