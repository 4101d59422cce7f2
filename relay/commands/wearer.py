"""What the wearer says to a running relay: `relay status`, `pause`, `resume`, `stop`, `forget`, and
about guests `allow` and `end`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from relay.command_line import Subcommand
from relay.commands.base import add_state
from relay.config import default_state
from relay.errors import RelayError, UsageError
from relay.link.names import neutralise

if TYPE_CHECKING:
    from relay.wearer.control import ControlCommand


def _wearer(do: ControlCommand) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from relay.wearer.console import picture
        from relay.wearer.control import ask

        answer = ask(options.state or default_state(), do)
        if answer.status is not None:
            print("\n".join(picture(answer.status, "")))
        if answer.status is not None and answer.status.unkept:
            raise RelayError(answer.status.unkept)
        if answer.stopped is False:
            raise RelayError("a device has not taken its stop; the relay goes on trying")
        if do == "stop" and answer.status is not None and answer.status.debts:
            raise RelayError("a device may be running and is missing; the relay looks for it")
        return 0

    return run


def _add_forget(parser: argparse.ArgumentParser) -> None:
    text = "its address, or its name, as `relay status` shows it"
    parser.add_argument("device", metavar="DEVICE", help=text)
    add_state(parser)


def _forget(options: argparse.Namespace) -> int:
    from relay.wearer.control import ask

    ask(options.state or default_state(), "forget", options.device)
    print(f"{neutralise(options.device)} is not looked for any more.")
    return 0


def _add_guest(parser: argparse.ArgumentParser) -> None:
    text = 'as `relay status` shows it: the share\'s name, or "NAME NUMBER" for one of several'
    parser.add_argument("guest", metavar="GUEST", nargs="?", help=text)
    parser.add_argument("--all", action="store_true", help="whoever there is")
    add_state(parser)


def _guest(do: ControlCommand, done: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from relay.wearer.control import ask

        if (options.guest is None) != options.all:
            raise UsageError(f"say who, or --all: relay {do} GUEST")
        ask(options.state or default_state(), do, options.guest or "")
        print(f"{neutralise(options.guest or 'Whoever is here')}: {done}.")
        return 0

    return run


COMMANDS = {
    "status": Subcommand(add_state, _wearer("status")),
    "pause": Subcommand(add_state, _wearer("pause")),
    "resume": Subcommand(add_state, _wearer("resume")),
    "stop": Subcommand(add_state, _wearer("stop")),
    "forget": Subcommand(_add_forget, _forget),
    "allow": Subcommand(_add_guest, _guest("allow", "may drive, until you end it")),
    "end": Subcommand(_add_guest, _guest("end", "drives no more, for good")),
}
