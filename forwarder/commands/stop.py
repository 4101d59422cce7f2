"""`forwarder stop`, `pause`, `resume`, and `app`: end what drives, and say who may go on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from forwarder.api.documents.stop import (
    AppBody,
    DisconnectedView,
    HoldView,
    StopBody,
    StoppedView,
    WhoBody,
)
from forwarder.commands.api_client import NoHub
from forwarder.commands.base import (
    FAILED,
    FINE,
    add_state,
    admin_of,
    counted,
)
from forwarder.commands.show import missing_in_words
from relay.command_line import Subcommand

# What people see on the dashboard as the one who did it.
BY = "the command line"
_WHO = WhoBody(by=BY)


def _add_stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "device",
        metavar="INDEX",
        type=int,
        nargs="?",
        help="only this device, and only for the moment",
    )
    add_state(parser)


def _stop(options: argparse.Namespace) -> int:
    body = StopBody(device=options.device, by=BY)
    return _report(_halt(options, "/stop", body), "Stopped")


def _pause(options: argparse.Namespace) -> int:
    return _report(_halt(options, "/pause", _WHO), "Paused")


def _halt(options: argparse.Namespace, path: str, body: StopBody | WhoBody) -> StoppedView:
    try:
        return admin_of(options, to_stop=True).send("POST", path, StoppedView, body)
    except NoHub as error:
        raise NoHub(f"{error} If a toy moves, switch it off by hand.") from error


def _report(stopped: StoppedView, done: str) -> int:
    """What came of it, in words. 1 if a device may be running: scripts must notice."""
    if stopped.told:
        print(f"{done} {counted(stopped.confirmed, 'device')}.")
    elif not stopped.failed:
        print(f"{done}. No device is connected.")
    if stopped.held:
        print("Nothing can be driven until you say `forwarder resume`.")
    missing = tuple(missing_in_words(toy) for toy in stopped.missing)
    unsaved = () if stopped.unsaved is None else (stopped.unsaved,)
    for text in (*stopped.failed, *missing, *unsaved):
        print(f"forwarder: {text}", file=sys.stderr)
    if stopped.failed:
        print(
            f"forwarder: {counted(len(stopped.failed), 'stop')} not confirmed: switch the device"
            " off by hand.",
            file=sys.stderr,
        )
    return FAILED if stopped.failed or stopped.missing else FINE


def _resume(options: argparse.Namespace) -> int:
    hold = admin_of(options).send("POST", "/resume", HoldView, _WHO)
    print("Apps may drive again; nothing starts by itself.")
    if hold.muted:
        print(f"Still muted: {', '.join(muted.name for muted in hold.muted)}.")
    if hold.unsaved is not None:
        print(f"forwarder: {hold.unsaved}", file=sys.stderr)
    return FINE


def _add_app(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, act, what in (
        ("mute", _mute, "stop what it drives, and let it drive nothing until it is unmuted"),
        ("unmute", _unmute, "let it drive again"),
        ("disconnect", _disconnect, "stop what it drives and end its connection"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument(
            "name", metavar="NAME", help="as `forwarder status` shows it, or the name of its token"
        )
        add_state(command)
        command.set_defaults(app=act)


def _app(options: argparse.Namespace) -> int:
    act: Callable[[argparse.Namespace], int] = options.app
    return act(options)


def _mute(options: argparse.Namespace) -> int:
    body = AppBody(name=options.name, by=BY)
    stopped = admin_of(options).send("POST", "/apps/mute", StoppedView, body)
    print(f"{options.name} is muted, also after it comes back.")
    return _report(stopped, "Stopped") if stopped.told or stopped.unsaved else FINE


def _unmute(options: argparse.Namespace) -> int:
    body = AppBody(name=options.name, by=BY)
    admin_of(options).send("POST", "/apps/unmute", HoldView, body)
    print(f"{options.name} may drive again.")
    return FINE


def _disconnect(options: argparse.Namespace) -> int:
    body = AppBody(name=options.name, by=BY)
    ended = admin_of(options).send("POST", "/apps/disconnect", DisconnectedView, body)
    print(f"{counted(ended.clients, 'connection')} of {options.name} ended; it may come back.")
    return FINE


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)


COMMANDS = {
    "stop": Subcommand(_add_stop, _stop),
    "pause": Subcommand(_add, _pause),
    "resume": Subcommand(_add, _resume),
    "app": Subcommand(_add_app, _app),
}
