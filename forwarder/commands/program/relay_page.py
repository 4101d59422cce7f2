"""`forwarder relay-page DIR`: the phone's page as a static site, to host anywhere on https."""

from __future__ import annotations

import argparse
from pathlib import Path

from forwarder.commands.base import FINE, counted
from forwarder.errors import ConfigError
from forwarder.web.pages import RELAY, page_files
from relay.command_line import Subcommand


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="made if it is not there")


def _run(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    files = page_files(RELAY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(file.name for file in folder.iterdir() if file.name not in files)
        if foreign:
            raise ConfigError(
                f"{folder} holds other files ({foreign[0]} …): choose an empty folder."
            )
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
    print(
        f"{counted(len(files), 'file')} in {folder}. Put them on any https site, then run"
        " `forwarder pair --phone site https://YOUR-SITE/PATH/` beside your hub."
    )
    return FINE


COMMANDS = {
    "relay-page": Subcommand(_add, _run),
}
