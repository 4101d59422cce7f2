"""`forwarder seen`: everything that relays hear, and why it is not connected."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from forwarder.api.documents.seen import HeardBy, ListenBody, SeenList, SeenView, SkeletonView
from forwarder.commands.api_client import in_path, pretty
from forwarder.commands.base import (
    FINE,
    add_json,
    add_state,
    admin_of,
    counted,
    table,
)
from forwarder.commands.bounds import LISTEN_S, UNKNOWN_SHOWN
from forwarder.definitions.skeleton import BLANK, protocol_name
from forwarder.errors import ConfigError
from relay.command_line import Subcommand


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=LISTEN_S, metavar="S",
        help=f"listen for so long first (default: {LISTEN_S:g}); nothing is connected for that",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="also all that no definition fits")
    parser.add_argument(
        "--save", nargs=2, metavar=("NAME", "FILE"),
        help="write a definition file to fill in, for the unknown device of this name or address",
    )  # fmt: skip
    add_json(parser)
    add_state(parser)


def _seen(options: argparse.Namespace) -> int:
    admin = admin_of(options)
    if not 0 <= options.seconds <= 120:
        raise ConfigError("--seconds is 0 to 120.")
    if options.save is not None:
        return _save(options)
    if options.seconds:
        admin.tell("POST", "/seen", ListenBody(for_s=options.seconds))
        time.sleep(options.seconds)
    seen = admin.get("/seen", SeenList)
    print(pretty(seen) if options.json else "\n".join(seen_lines(seen, everything=options.all)))
    return FINE


def seen_lines(seen: SeenList, *, everything: bool = False) -> Iterator[str]:
    """For a terminal: what could be a toy first, what nobody knows last."""
    known = [toy for toy in seen.toys if toy.reason != "unknown"]
    unknown = [toy for toy in seen.toys if toy.reason == "unknown"]
    if not seen.toys:
        yield "Nothing was heard. Is a relay here (`forwarder relays`), and the toy switched on?"
        return
    for toy in known:
        yield f"{toy.name}  {toy.model or 'unknown model'}  {toy.address}"
        yield f"  {toy.text}{_again(toy)}"
        yield f"  heard by {', '.join(map(heard_in_words, toy.heard)) or 'nobody now'}"
    if not known:
        yield "Nothing that is known."
    shown = unknown if everything else unknown[:UNKNOWN_SHOWN]
    if shown:
        yield f"Unknown, the nearest first ({counted(len(unknown), 'device')})"
        yield from table(
            (toy.name, toy.address, ", ".join(map(heard_in_words, toy.heard[:3]))) for toy in shown
        )
    if len(shown) < len(unknown):
        yield f"  and {len(unknown) - len(shown)} more: --all"


def _again(toy: SeenView) -> str:
    return "" if toy.again_s is None else f" Next try in {toy.again_s:.0f} s."


def heard_in_words(heard: HeardBy) -> str:
    """ "attic/hci1 -60 dBm"."""
    where = heard.relay if heard.radio is None else f"{heard.relay}/{heard.radio}"
    return where if heard.signal_dbm is None else f"{where} {heard.signal_dbm} dBm"


def _save(options: argparse.Namespace) -> int:
    name, path = options.save[0], Path(options.save[1])
    protocol = protocol_name(path.stem)
    if path.name != f"{protocol}.toml":
        raise ConfigError(f"Call the file {protocol}.toml: its name is that of the protocol.")
    made = admin_of(options).get(
        f"/seen/{in_path(name)}/skeleton?protocol={quote(protocol)}", SkeletonView
    )
    try:
        # Never over one that somebody has filled in.
        with path.open("x", encoding="utf-8") as file:
            file.write(made.text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already. Name another file.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    print(
        f"{path} is written. Fill in each {BLANK!r} (docs/adding-a-device.md), and name its folder"
        " in hub.toml: [devices] catalogue."
    )
    return FINE


COMMANDS = {"seen": Subcommand(_add, _seen)}
