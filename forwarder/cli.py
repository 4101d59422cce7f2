"""The command line of the hub: finds the subcommand, turns errors into one line and a status.

Nothing of the hub is imported before the word that needs it was said (tests/forwarder/test_cli.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from forwarder.errors import ConfigError, ForwarderError
from relay.command_line import (
    LOG_OPTIONS,
    USAGE,
    Parser,
    Subcommand,
    Word,
    add_log,
    add_version,
    add_words,
    hoisted,
)

FAILED = 1

_PROGRAM = "forwarder.commands.program"

WORDS = (
    Word("run", "run the hub until Ctrl-C", f"{_PROGRAM}.run"),
    Word("open", "open the dashboard; starts the hub if none runs", f"{_PROGRAM}.open"),
    Word("pair", "let a phone or another computer be a radio", "forwarder.commands.pair"),
    Word("stop", "stop everything until you resume, or one device", "forwarder.commands.stop"),
    Word("pause", "the same in a calmer word", "forwarder.commands.stop"),
    Word("resume", "let apps drive again", "forwarder.commands.stop"),
    Word("app", "mute, unmute or disconnect an app", "forwarder.commands.stop"),
    Word("status", "what is connected, and who drives what", "forwarder.commands.show"),
    Word(
        "relays", "the relays that are here, and those that are paired", "forwarder.commands.show"
    ),
    Word("revoke", "take a relay's key off the list and cut its link", "forwarder.commands.show"),
    Word(
        "devices",
        "devices: connected, known, possible; and their settings",
        "forwarder.commands.devices",
    ),
    Word("seen", "what relays hear, and why it is not connected", "forwarder.commands.seen"),
    Word("token", "let apps on other machines in", "forwarder.commands.token"),
    Word("share", "let one person drive by a link", "forwarder.commands.share"),
    Word("accept", "use what somebody shares, with any app", "forwarder.commands.accept"),
    Word("doctor", "find out what is in the way", f"{_PROGRAM}.doctor"),
    Word(
        "relay-page",
        "write the phone's page as a static site",
        f"{_PROGRAM}.relay_page",
    ),
    Word("meet", "join hubs and relays that cannot reach each other", "forwarder.commands.meet"),
    Word("autostart", "start the hub whenever you log in", f"{_PROGRAM}.autostart"),
    Word(
        "completion",
        "what a shell needs to complete these words",
        f"{_PROGRAM}.words",
    ),
)
# What `forwarder` alone means.
_ALONE = WORDS[1]


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit status. Errors are one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal of another character set shows a question mark; it is no reason to fail.
            stream.reconfigure(errors="replace")
    arguments = hoisted(arguments, LOG_OPTIONS)
    try:
        options = parser().parse_args(arguments)
        if options.command is None:
            options = parser().parse_args([*arguments, _ALONE.name])
    except SystemExit as leave:  # argparse has said why
        return leave.code if isinstance(leave.code, int) else USAGE
    command: Subcommand = options.command
    # Not before: it knows names of the link, and help needs none of that.
    from forwarder import log as logs

    logs.set_up(options.log, options.log_format)
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


def parser(*, whole: bool = False) -> argparse.ArgumentParser:
    """What is understood. `whole`: with the options of every word, which loads all their code."""
    made = Parser(
        prog="forwarder",
        description="One Buttplug server for radios that are somewhere else.",
        epilog="Alone, without a command: start the hub and open its dashboard.",
    )
    add_version(made)
    add_log(made)
    fill = add_words(made, WORDS)
    if whole:
        fill()
    return made
