"""`relay completion SHELL`: what a shell needs to complete the words of `relay`."""

from __future__ import annotations

import argparse

import shtab

from relay.command_line import Subcommand


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)


def _run(options: argparse.Namespace) -> int:
    from relay.cli import parser

    print(shtab.complete(parser(whole=True), options.shell))
    return 0


COMMANDS = {"completion": Subcommand(_add, _run)}
