"""What both programs' command lines share: words whose code is loaded when they are said, options
that may stand anywhere, and errors in one line and in a person's words."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from relay.version import __version__

USAGE = 2
_WORDS = (
    (re.compile(r"^argument (?:[A-Z]+: )?"), ""),
    (re.compile(r"invalid (?:float|int) value: (.*)$"), r"\1 is no number"),
    (re.compile(r"invalid \w+ value: (.*)$"), r"\1 is not what is wanted here"),
    (re.compile(r"invalid choice: (.*) \(choose from (.*)\)$"), r"\1 is unknown; known are \2"),
    (re.compile(r"ignored explicit argument (.*)$"), r"it takes no value; leave \1 out"),
    (re.compile(r"expected (one|at least one) argument$"), r"something has to follow it"),
    (re.compile(r"^unrecognized arguments: (.*)$"), r"unknown here: \1"),
    (re.compile(r"^the following arguments are required: (.*)$"), r"\1 is missing"),
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        for pattern, words in _WORDS:
            message = pattern.sub(words, message)
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


@dataclass(frozen=True, slots=True)
class Subcommand:
    """What a word takes, and what it does. `run` returns the exit status, or raises an error of
    the program's own kind, whose text is one line for a person."""

    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Word:
    """A subcommand as the list of them shows it. `module` has `COMMANDS`, where `name` is a key."""

    name: str
    help: str
    module: str

    def load(self) -> Subcommand:
        found: Subcommand = importlib.import_module(self.module).COMMANDS[self.name]
        return found


class _WordParser(Parser):
    """The options of one word. Loading them costs most of a second for the largest, so it is done
    for the one that was said, and not for a list of all."""

    word: Word | None = None

    def fill(self) -> None:
        """Load what the word takes. Idempotent."""
        if self.word is None:
            return
        word, self.word = self.word, None
        command = word.load()
        command.add(self)
        self.set_defaults(command=command)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """argparse comes by here with whatever follows the word, `--help` included."""
        self.fill()
        return super().parse_known_args(args, namespace)


def add_words(parser: argparse.ArgumentParser, words: Sequence[Word]) -> Callable[[], None]:
    """Give the parser its subcommands; `options.command` is the one that was said, None if none.

    Returns a function that loads them all, for completion.
    """
    parser.set_defaults(command=None)
    # Whoever asks `words.choices` gets parsers with everything in them once this was called.
    chosen = parser.add_subparsers(metavar="COMMAND", parser_class=_WordParser)
    parsers = []
    for word in words:
        sub = chosen.add_parser(word.name, help=word.help, description=word.help)
        sub.word = word
        parsers.append(sub)

    def fill() -> None:
        for sub in parsers:
            sub.fill()

    return fill


def hoisted(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """The arguments with `options` and their values in front: a person may say them after the word
    as well as before it. What follows a `--` stays where it is."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            rest += [argument, *waiting]
            break
        if argument in options and waiting:
            front += [argument, waiting.pop(0)]
        elif "=" in argument and argument.partition("=")[0] in options:
            front.append(argument)
        else:
            rest.append(argument)
    return front + rest


def file_path(text: str) -> Path:
    """For argparse: a path. Nothing at all, as of a variable that is not set, would be here."""
    if not text:
        raise argparse.ArgumentTypeError("nothing is no path: write the name of a file or folder")
    return Path(text)


LOG_OPTIONS = ("--log", "--log-format")


def add_log(parser: argparse.ArgumentParser, default: str = "warning") -> None:
    """`--log LEVEL`, `--log-format`. See `hoisted` for how they may also stand behind the word."""
    levels = ("debug", "info", "warning", "error")
    text = f"how much is logged: {', '.join(levels)} (default: {default})"
    parser.add_argument("--log", choices=levels, default=default, metavar="LEVEL", help=text)
    text = "lines for people, or one JSON object each (default: text)"
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help=text)


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        text = "which version this is, and of which Python"
        super().__init__(option_strings, dest, nargs=0, help=text)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        running = ".".join(map(str, sys.version_info[:3]))
        print(f"{parser.prog} {__version__} (buttplug-forwarder, Python {running})")
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """`--version`."""
    parser.add_argument("--version", action=_Version, dest=argparse.SUPPRESS)
