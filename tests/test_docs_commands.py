"""Every command line in the docs is one that the programs understand."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from forwarder.cli import parser as hub_parser
from relay.cli import parser as relay_parser
from relay.command_line import hoisted

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted(
    path
    for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"))
    if "decisions" not in path.parts
)
PROGRAMS = {"forwarder": hub_parser, "relay": relay_parser}
# What stands in a command line for what its reader has.
_STANDS_FOR = {
    "INDEX": "0",
    "N": "1",
    "PORT": "1",
    "SHELL": "bash",
    "WAY": "https",
    "bash|zsh": "bash",
}


def commands(document: Path) -> Iterator[str]:
    """What is said in code, inline or in a block, and begins with one of the programs."""
    text = document.read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith(("    ", "sudo")):
            yield from _of_block(line.strip())
    for found in re.findall(r"`([^`\n]+)`", text):
        yield from _of_block(found)


def _of_block(line: str) -> Iterator[str]:
    line = re.sub(r"\s#\s.*$", "", line)
    line = re.sub(r"^(\$ |sudo (-u \S+ )?|\S*/bin/(?=forwarder|relay))+", "", line)
    line = re.sub(r"^\S*/bin/", "", line)
    if re.match(r"(buttplug-)?(forwarder|relay)( -?-?[a-z]|$)", line):
        yield line


def _filled(words: list[str]) -> list[str]:
    return [_STANDS_FOR.get(word.strip("[]"), word) for word in words]


def _understood(line: str) -> str | None:
    """None, or what argparse says is wrong."""
    if re.search(r"[|>;]|…|\.\.\.|\$\(|\*|=$", line.replace("on|off", "on")):
        line = re.split(r" [|>;]| …|…| \.\.\.", line.replace("on|off", "on"))[0]
    try:
        program, *words = shlex.split(line)
    except ValueError:
        return None  # a piece of a longer line
    made = PROGRAMS[program.removeprefix("buttplug-")](whole=True)
    try:
        made.parse_args(hoisted(_filled(words), ("--log", "--log-format")))
    except SystemExit as leave:
        return None if leave.code == 0 else line
    return None


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_is_understood(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for line in commands(document):
        if _understood(line) is not None:
            wrong.append(f"{line}  →  {capsys.readouterr().err.strip()}")
    # A word alone, such as `forwarder stop`, is the name of a command, and need not be complete.
    complete = [each for each in wrong if "is missing" not in each and "has to follow" not in each]
    assert not complete


def test_command_lines_are_found() -> None:
    assert sum(len(list(commands(document))) for document in DOCS) > 120
    assert isinstance(hub_parser(), argparse.ArgumentParser)
