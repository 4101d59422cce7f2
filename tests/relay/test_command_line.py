"""What both command lines share: words that load late, options that stand anywhere, one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forwarder.cli import WORDS as HUB_WORDS
from forwarder.cli import parser as hub_parser
from relay.cli import WORDS as RELAY_WORDS
from relay.cli import parser as relay_parser
from relay.command_line import LOG_OPTIONS, Parser, Word, file_path, hoisted

# What the programs are made of, and no help needs.
HEAVY = ("aiohttp", "bleak", "zeroconf", "forwarder.app", "relay.agent", "cryptography.x509")


@pytest.mark.parametrize(
    "word", [*HUB_WORDS, *RELAY_WORDS], ids=lambda word: word.module + word.name
)
def test_each_word_is_in_the_module_that_the_list_names(word: Word) -> None:
    assert callable(word.load().run)


def test_completion_sees_every_option_of_every_word() -> None:
    assert "--https-port" in _options(hub_parser(whole=True), "run")
    assert "--serial" in _options(relay_parser(whole=True), "run")


def _options(parser: object, word: str) -> str:
    found: str = parser._subparsers._group_actions[0].choices[word].format_help()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (["run", "--log", "debug"], ["--log", "debug", "run"]),
        (["run", "--log=debug", "--lan"], ["--log=debug", "run", "--lan"]),
        (["--log", "info", "run"], ["--log", "info", "run"]),
        (["pair", "--", "--log"], ["pair", "--", "--log"]),
        (["run", "--log"], ["run", "--log"]),
        (["run", "--login"], ["run", "--login"]),
    ],
)
def test_an_option_of_the_program_may_stand_behind_the_word(
    said: list[str], understood: list[str]
) -> None:
    assert hoisted(said, LOG_OPTIONS) == understood


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["stop", "--help"], ["--version"]],
    ids=lambda arguments: " ".join(arguments),
)
@pytest.mark.parametrize("program", ["forwarder", "relay"])
def test_help_loads_nothing_of_the_hub_and_the_relay(program: str, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"from {program}.cli import run\n"
        "try:\n"
        f"    run({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.rstrip().endswith("heavy:"), done.stdout[-200:]


@pytest.mark.parametrize("program", ["forwarder", "relay"])
def test_the_version_is_said(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--version"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith(f"{program} 0.")
    assert "Python 3." in done.stdout


def test_nothing_is_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    """As of a variable of a shell that is not set: it would be the folder in which it is typed."""
    parser = Parser(prog="x")
    parser.add_argument("--state", type=file_path)
    assert parser.parse_args(["--state", "."]).state == Path()
    with pytest.raises(SystemExit):
        parser.parse_args(["--state", ""])
    assert "nothing is no path" in capsys.readouterr().err
