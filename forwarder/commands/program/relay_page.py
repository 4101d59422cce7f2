"""`forwarder relay-page DIR`: the phone's page, and the guest's in `remote/`, as a static site."""

from __future__ import annotations

import argparse
from pathlib import Path

from forwarder.commands.base import FINE, counted
from forwarder.errors import ConfigError
from forwarder.web.pages import RELAY, page_files, remote_files
from relay.command_line import Subcommand, file_path

# Beside the phone's page; the address of a guest's page ends in it.
_REMOTE = "remote"


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=file_path, metavar="DIR", help="made if it is not there")


def _run(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    pages = {folder: page_files(RELAY), folder / _REMOTE: remote_files()}
    try:
        for page, files in pages.items():
            page.mkdir(parents=True, exist_ok=True)
            known = {*files, _REMOTE} if page == folder else {*files}
            foreign = sorted(file.name for file in page.iterdir() if file.name not in known)
            if foreign:
                raise ConfigError(
                    f"{page} holds other files ({foreign[0]} …): choose an empty folder."
                )
        for page, files in pages.items():
            for name, content in files.items():
                (page / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror}): choose another folder."
        ) from error
    count = counted(sum(map(len, pages.values())), "file")
    print(
        f"{count} in {folder}. Put them on any https site, then run"
        " `forwarder pair --phone site https://YOUR-SITE/PATH/` beside your hub, or for guests"
        " `forwarder share new NAME --page https://YOUR-SITE/PATH/remote/`."
    )
    return FINE


COMMANDS = {
    "relay-page": Subcommand(_add, _run),
}
