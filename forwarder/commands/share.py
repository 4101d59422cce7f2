"""`forwarder share`: a link for one person with a browser, and how much it lets them do."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections.abc import Sequence
from datetime import datetime

from forwarder.api.documents.shares import (
    GuestView,
    ShareAnswer,
    ShareBody,
    ShareEnded,
    ShareLimit,
    ShareMade,
    ShareRenew,
    ShareView,
)
from forwarder.commands.api_client import in_path, pretty
from forwarder.commands.base import (
    FINE,
    Subcommand,
    add_json,
    add_state,
    admin_of,
    counted,
    listed,
    span,
    table,
)
from forwarder.commands.pair import qr_terminal
from forwarder.errors import ConfigError


def _add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = _command(commands, "new", _new, "make a link; it is shown once")
    new.add_argument("name", metavar="NAME", help="the person it is for")
    new.add_argument(
        "--device", action="append", metavar="NAME", default=[],
        help="index or name, like 'Lovense*'; may be repeated; default: all",
    )  # fmt: skip
    new.add_argument(
        "--output", action="append", metavar="TYPE", default=[],
        help="like vibrate; may be repeated; default: all",
    )  # fmt: skip
    new.add_argument("--level", type=float, default=100, metavar="PERCENT", help="not above that")
    new.add_argument(
        "--for", dest="for_s", type=span, metavar="TIME", help="like 2h; default: until it is ended"
    )
    new.add_argument(
        "--uses", type=int, default=1, metavar="N", help="browsers that may take it; default: 1"
    )
    new.add_argument(
        "--ask", action=argparse.BooleanOptionalAction, default=True,
        help="whether you, or who wears the toy, allow each guest once",
    )  # fmt: skip
    list_ = _command(commands, "list", _list, "what is shared, and who is here")
    add_json(list_)
    end = _command(commands, "end", _end, "end a share, and stop what its guests drive")
    end.add_argument("name", metavar="NAME", nargs="?")
    end.add_argument("--all", action="store_true", help="every share")
    renew = _command(commands, "renew", _renew, "another link to the same share; the old one ends")
    renew.add_argument("name", metavar="NAME")
    renew.add_argument("--for", dest="for_s", type=span, metavar="TIME", help="from now on")
    for command in (new, renew):
        command.add_argument("--page", metavar="URL", help="a remote page that you host")
    limit = _command(commands, "level", _limit, "another ceiling, at once")
    limit.add_argument("name", metavar="NAME")
    limit.add_argument("level", type=float, metavar="PERCENT")
    for word, act, what in (
        ("allow", _allow, "let guests that wait drive"),
        ("refuse", _refuse, "send guests away that wait, or one that is here"),
    ):
        answer = _command(commands, word, act, what)
        answer.add_argument("name", metavar="NAME")
        answer.add_argument("--guest", type=int, metavar="N", help="only this one")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    word: str,
    act: object,
    what: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(word, help=what)
    parser.set_defaults(share=act)
    add_state(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    code: int = options.share(options)
    return code


def _percent(level: float) -> float:
    if not 0 < level <= 100:
        raise ConfigError("A level is a percentage: write more than 0, and 100 at most.")
    return level


def _several(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for value in values for part in listed(value))


def _new(options: argparse.Namespace) -> int:
    if not 1 <= options.uses <= 16:
        raise ConfigError("--uses is the number of browsers, 1 to 16.")
    body = ShareBody(
        name=options.name,
        devices=_several(options.device),
        outputs=_several(options.output),
        percent=_percent(options.level),
        for_s=options.for_s,
        uses=options.uses,
        ask=options.ask,
        page=options.page,
    )
    return _show(admin_of(options).send("POST", "/shares", ShareMade, body))


def _renew(options: argparse.Namespace) -> int:
    body = ShareRenew(name=options.name, for_s=options.for_s, page=options.page)
    return _show(admin_of(options).send("POST", "/shares/renew", ShareMade, body))


def _show(made: ShareMade) -> int:
    print("\n".join(instructions(made)))
    return FINE


def instructions(made: ShareMade) -> list[str]:
    """What a person does now; the first line is the link, alone."""
    share = made.share
    lines = [made.link, ""]
    for problem in made.problems:
        lines += textwrap.wrap(f"• {problem}", 78, subsequent_indent="  ")
    if not made.problems:
        lines.append(qr_terminal(made.link))
    who = "the browser that opens it first" if share.uses == 1 else f"{share.uses} browsers"
    words = f"{_may(share)}. The link is for {who}; send it to {share.name} only."
    if share.ask:
        words += " Each guest waits until you allow them:"
    lines += textwrap.wrap(words, 78)
    if share.ask:
        lines.append(f"    forwarder share allow {shlex.quote(share.name)}")
    for text in made.hints:
        lines += textwrap.wrap(text, 78)
    return lines


def _may(share: ShareView) -> str:
    outputs = ", ".join(kind.value.lower() for kind in share.outputs) or "all outputs"
    devices = ", ".join(share.devices) or "all devices"
    return f"{share.name} may use {outputs} of {devices} up to {share.percent:g} %, {_until(share)}"


def _until(share: ShareView) -> str:
    if share.expires is None:
        return "until you end it"
    when = f"{datetime.fromtimestamp(share.expires).astimezone():%Y-%m-%d %H:%M}"
    return f"over since {when}" if share.over else f"until {when}"


def _list(options: argparse.Namespace) -> int:
    shares = admin_of(options).get("/shares", tuple[ShareView, ...])
    if options.json:
        print(pretty(shares))
    elif shares:
        print("\n".join(table(map(_row, shares), "")))
    else:
        print("Nothing is shared: `forwarder share new NAME` makes a link.")
    return FINE


def _row(share: ShareView) -> tuple[str, ...]:
    taken = [_guest(guest) for guest in share.guests]
    left = share.uses - len(share.guests)
    if left > 0 and not share.over:
        taken.append(f"{counted(left, 'browser')} may take it")
    return (
        share.name,
        ", ".join(share.devices) or "all devices",
        ", ".join(kind.value.lower() for kind in share.outputs) or "all outputs",
        f"up to {share.percent:g} %",
        _until(share),
        "; ".join(taken),
    )


def _guest(guest: GuestView) -> str:
    words = f"{guest.number} {guest.browser or 'a browser'}: "
    if guest.state == "asked":
        return words + ("waits for you to allow it" if guest.here else "not allowed yet")
    if guest.state == "refused":
        return words + "refused"
    if guest.drives:
        return words + f"drives {', '.join(guest.drives)}"
    return words + ("here" if guest.here else "away")


def _end(options: argparse.Namespace) -> int:
    if options.all == (options.name is not None):
        raise ConfigError("Say which share ends: its name, or --all.")
    path = "/shares" if options.all else f"/shares/{in_path(options.name)}"
    ended = admin_of(options).send("DELETE", path, ShareEnded)
    if not ended.names:
        print("Nothing was shared.")
        return FINE
    here = f"; {counted(ended.guests, 'guest')} left" if ended.guests else ""
    print(f"{', '.join(ended.names)} ended{here}.")
    return FINE


def _limit(options: argparse.Namespace) -> int:
    body = ShareLimit(name=options.name, percent=_percent(options.level))
    share = admin_of(options).send("POST", "/shares/limit", ShareView, body)
    print(f"{_may(share)}.")
    return FINE


def _allow(options: argparse.Namespace) -> int:
    return _answer(options, "/shares/allow")


def _refuse(options: argparse.Namespace) -> int:
    return _answer(options, "/shares/refuse")


def _answer(options: argparse.Namespace, path: str) -> int:
    body = ShareAnswer(name=options.name, guest=options.guest)
    share = admin_of(options).send("POST", path, ShareView, body)
    for guest in share.guests:
        print(_guest(guest))
    return FINE


COMMANDS = {
    "share": Subcommand(_add, _run),
}
