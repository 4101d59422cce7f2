"""`forwarder accept`: the devices that somebody shares appear in this hub, for any app."""

from __future__ import annotations

import argparse
import sys

from forwarder.api.documents.shares import AcceptBody, AcceptedView
from forwarder.commands.api_client import in_path, pretty
from forwarder.commands.base import FINE, Subcommand, add_json, add_state, admin_of, counted, table
from forwarder.errors import ConfigError


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "link", metavar="LINK", nargs="?",
        help="a share link, or - to read it from standard input; without: what was accepted",
    )  # fmt: skip
    parser.add_argument("--name", help="what it is called here (default: the other hub's name)")
    parser.add_argument("--end", metavar="NAME", help="leave this share")
    add_json(parser)
    add_state(parser)


def _accept(options: argparse.Namespace) -> int:
    admin = admin_of(options)
    if options.end is not None:
        if options.link is not None:
            raise ConfigError("--end stands alone.")
        admin.tell("DELETE", f"/accepted/{in_path(options.end)}")
        print(f"{options.end} is left.")
        return FINE
    if options.link is None:
        views = admin.get("/accepted", list[AcceptedView])
        print(pretty(views) if options.json else _shown(views))
        return FINE
    link = sys.stdin.readline() if options.link == "-" else options.link
    view = admin.send("POST", "/accepted", AcceptedView, AcceptBody(link=link, name=options.name))
    if options.json:
        print(pretty(view))
        return FINE
    print(f"Accepted: the devices of {view.name} are in this hub, for all its apps.")
    if view.state == "asked":
        print("They come once the other side has allowed it, by dashboard or `forwarder share`.")
    return FINE


def _shown(views: list[AcceptedView]) -> str:
    if not views:
        return "No share was accepted. `forwarder accept LINK` does that."
    rows = [(view.name, view.state, counted(view.devices, "device"), view.text) for view in views]
    return "\n".join(table(rows))


COMMANDS = {
    "accept": Subcommand(_add, _accept),
}
