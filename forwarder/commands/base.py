"""What the subcommands share: the shape of one, options, and how tables look."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence

import msgspec

from forwarder import config_file
from forwarder.commands.api_client import ApiClient
from forwarder.config import Config
from relay.command_line import USAGE as USAGE
from relay.command_line import Subcommand as Subcommand
from relay.command_line import file_path
from relay.link.names import quoted

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,5})([smhd])")

FINE, FAILED = 0, 1


def add_state(parser: argparse.ArgumentParser, *, nested: bool = False) -> None:
    """`nested`: a word before it has these options too, and must not lose what it was given."""
    default = argparse.SUPPRESS if nested else None
    for option, metavar, what in (
        ("--state", "DIR", "the hub's state folder, with keys and tokens"),
        ("--config", "FILE", "the hub's configuration, a TOML file"),
    ):
        parser.add_argument(option, type=file_path, metavar=metavar, default=default, help=what)


def port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no port: write a number up to 65535")
    return int(text)


def add_json(parser: argparse.ArgumentParser, *, nested: bool = False) -> None:
    default = argparse.SUPPRESS if nested else False
    parser.add_argument("--json", action="store_true", default=default, help="as JSON, for scripts")


def config_of(options: argparse.Namespace) -> Config:
    """The configuration, with --state on top. Raises ConfigError."""
    config = config_file.load(options.config)
    if options.state is not None:
        config = msgspec.structs.replace(config, state=options.state)
    return config


def admin_of(options: argparse.Namespace, *, to_stop: bool = False) -> ApiClient:
    """The running hub; `to_stop`: to stop it. Raises ConfigError, NoHub."""
    return ApiClient(config_of(options).state_dir, to_stop=to_stop)


def table(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Lines with columns below each other; no trailing spaces."""
    rows = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def counted(number: int, word: str) -> str:
    """ "1 device", "2 devices"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def span(text: str) -> float:
    """For argparse: 30m, 2h or 7d, in seconds."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no time: write 30m, 2h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
