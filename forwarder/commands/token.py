"""`forwarder token`: what lets apps on other machines in, and how much it lets them do."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from forwarder.api.documents.model import AdminToken, TokenBody, TokenMade, TokenRevoked, TokenView
from forwarder.commands.api_client import ApiClient, NoHub, in_path, pretty
from forwarder.commands.base import (
    FINE,
    add_json,
    add_state,
    admin_of,
    config_of,
    counted,
    listed,
    span,
    table,
)
from forwarder.commands.door_file import write_door
from forwarder.errors import ConfigError
from forwarder.state_lock import StateLock
from relay.command_line import Subcommand, file_path


def _add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="make one; it is shown once")
    new.add_argument("name", metavar="NAME", help="the app or person it is for")
    new.add_argument("--devices", metavar="LIST", default="", help="indexes or names; Lovense*")
    new.add_argument("--outputs", metavar="LIST", default="", help="like vibrate,rotate")
    new.add_argument("--level", type=float, default=100, metavar="PERCENT", help="not above that")
    new.add_argument("--valid", type=span, metavar="TIME", help="like 2h or 7d; default: for ever")
    new.add_argument(
        "--door", type=file_path, metavar="FILE", help="write door.ini for deploy/windows7/door.py"
    )
    new.set_defaults(token=_new)
    list_ = commands.add_parser("list", help="who may come in, and how many are here")
    add_json(list_)
    list_.set_defaults(token=_list)
    revoke = commands.add_parser("revoke", help="end a token, and the clients that came with it")
    revoke.add_argument("name", metavar="NAME")
    revoke.set_defaults(token=_revoke)
    admin = commands.add_parser("admin", help="the owner's own, for a dashboard elsewhere")
    admin.add_argument("--renew", action="store_true", help="replace it; the old one ends at once")
    admin.set_defaults(token=_admin)
    for command in (new, list_, revoke, admin):
        add_state(command)


def _run(options: argparse.Namespace) -> int:
    code: int = options.token(options)
    return code


def _new(options: argparse.Namespace) -> int:
    if not 0 < options.level <= 100:
        raise ConfigError("--level is a percentage: write more than 0, and 100 at most.")
    body = TokenBody(
        name=options.name,
        devices=listed(options.devices),
        outputs=listed(options.outputs),
        percent=options.level,
        valid_s=options.valid,
    )
    admin = admin_of(options)
    if options.door is not None:
        write_door(admin, body, options.door)
        print(f"{options.door} is written: put it beside door.py on the other machine.")
        return FINE
    made = admin.send("POST", "/tokens", TokenMade, body)
    print(f"The token for {made.name}, shown only now:\n\n  {made.token}\n")
    print(f"Apps give it as the path of the address, with this machine's name in it:\n  {made.url}")
    return FINE


def _list(options: argparse.Namespace) -> int:
    tokens = admin_of(options).get("/tokens", tuple[TokenView, ...])
    if options.json:
        print(pretty(tokens))
    elif tokens:
        print("\n".join(table(map(_row, tokens), "")))
    else:
        print("There are no tokens: only programs on this machine may connect.")
    return FINE


def _row(token: TokenView) -> tuple[str, ...]:
    until = "for ever"
    if token.expires is not None:
        until = f"until {datetime.fromtimestamp(token.expires).astimezone():%Y-%m-%d %H:%M}"
    return (
        token.name,
        ", ".join(token.devices) or "all devices",
        ", ".join(kind.value.lower() for kind in token.outputs) or "all outputs",
        f"up to {token.percent:g} %",
        until,
        f"{counted(token.clients, 'client')} here" if token.clients else "",
    )


def _revoke(options: argparse.Namespace) -> int:
    revoked = admin_of(options).send("DELETE", f"/tokens/{in_path(options.name)}", TokenRevoked)
    ended = f"; {counted(revoked.clients, 'client')} ended" if revoked.clients else ""
    print(f"{revoked.name} is revoked{ended}.")
    return FINE


def _admin(options: argparse.Namespace) -> int:
    state = config_of(options).state_dir
    from forwarder.api.access import admin_token

    token = _renewed(state) if options.renew else admin_token(state)
    if options.renew:
        print("The old admin token has ended; who was here with it has to leave. The new one:\n")
    print(f"  {token}\n\nIt works on this machine and over https. Who has it can do everything.")
    return FINE


def _renewed(state: Path) -> str:
    try:
        return ApiClient(state).send("POST", "/admin-token", AdminToken).token
    except NoHub:
        pass  # nobody has it in memory: the file is all there is, unless a hub starts now
    from forwarder.api.access import renewed_admin_token

    lock = StateLock(state)
    try:
        return renewed_admin_token(state)
    except OSError as error:
        raise ConfigError(f"{state} cannot be written: {error.strerror}.") from error
    finally:
        lock.release()


COMMANDS = {
    "token": Subcommand(_add, _run),
}
