"""The command line of the relay: finds the subcommand, turns errors into one line and a status.

Nothing of the relay is imported before the word that needs it was said.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from relay.command_line import (
    LOG_OPTIONS,
    Parser,
    Subcommand,
    Word,
    add_log,
    add_version,
    add_words,
    hoisted,
)
from relay.errors import RelayError
from relay.link.names import neutralise

WORDS = (
    Word("run", "lend this machine's radio to a hub", "relay.commands.run"),
    Word("pair", "pair with a hub, once", "relay.commands.pair"),
    Word("unpair", "forget the hub", "relay.commands.pair"),
    Word("scan", "show which devices are in range", "relay.commands.scan"),
    Word("doctor", "find out what is in the way", "relay.commands.doctor"),
    Word("status", "show what the running relay does", "relay.commands.wearer"),
    Word("pause", "stop everything until resume", "relay.commands.wearer"),
    Word("resume", "let things run again", "relay.commands.wearer"),
    Word("stop", "emergency stop, until resume", "relay.commands.wearer"),
    Word("allow", "a guest of a share may drive", "relay.commands.wearer"),
    Word("end", "a guest drives no more", "relay.commands.wearer"),
    Word("forget", "a missing device is off: look no more", "relay.commands.wearer"),
    Word("autostart", "start the relay whenever you log in", "relay.commands.autostart"),
    Word("completion", "what a shell needs to complete these words", "relay.commands.words"),
)


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its status: 0 fine, 2 usage or configuration, 1 else.

    Raises SystemExit as argparse does, for help and for what it cannot read.
    """
    made = parser()
    options = made.parse_args(hoisted(arguments, LOG_OPTIONS))
    command: Subcommand | None = options.command
    if command is None:
        made.error("say what to do: `relay pair LINK` once, then `relay run`")
    try:
        return command.run(options)
    except RelayError as error:
        print(f"relay: {neutralise(str(error), 500)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 1


def parser(*, whole: bool = False) -> argparse.ArgumentParser:
    """What is understood. `whole`: with the options of every word, which loads all their code."""
    made = Parser(prog="relay", description="Lends this machine's radio to a hub.")
    add_version(made)
    add_log(made, default="info")
    fill = add_words(made, WORDS)
    if whole:
        fill()
    return made
