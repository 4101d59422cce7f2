"""Rooms, paths and sizes are as the docs say, and the packages bring their types."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("relay", "forwarder", "tools")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# A page of code that is read in one go; the bound is for what talks, data stands apart.
MOST_LINES = 400
# What a person takes in at a look.
MOST_MODULES = 14
# Over the bound today, each with the reason; nothing may join them.
LARGE = {
    "relay/link/messages.py": "one class for each message of the link, which belong side by side",
    "relay/radio/bleak_radio.py": "one class over one library; its connection is a module already",
}


def _paths(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"`((?:forwarder|relay|tests|tools|deploy|docs)/[\w./-]*)`", text)


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_each_path_that_is_named_exists(document: str) -> None:
    named = _paths(document)
    assert len(named) >= 10
    assert not [path for path in named if not (ROOT / path).exists()]


def test_each_room_that_is_drawn_exists_and_none_is_missing() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawing = text.split("## Rooms")[1].split("## Where things are")[0]
    rooms: dict[str, set[str]] = {}
    package = ""
    for line in drawing.splitlines():
        if found := re.match(r"    (\w+)/ ", line):
            package = found[1]
            rooms[package] = set()
        elif re.match(r"      \w+/", line):
            first = re.split(r" {3,}", line.strip())
            rooms[package] |= set(re.findall(r"\b(\w+)/", " ".join(first[:1]) + " " + line))
    for name in ("forwarder", "relay"):
        folders = {
            path.name for path in (ROOT / name).iterdir() if path.is_dir() and path.name[0] != "_"
        }
        assert folders <= rooms[name], f"not drawn: {folders - rooms[name]}"


def test_modules_are_read_in_one_go() -> None:
    sizes = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n")
        for path in MODULES
    }
    assert not [name for name, lines in sizes.items() if lines > MOST_LINES and name not in LARGE]


def test_rooms_are_taken_in_at_a_look() -> None:
    # Numbers are read one at a time, where they are used: the module that has them counts as data.
    counts = Counter(
        path.parent for path in MODULES if path.name[0] != "_" and path.name != "bounds.py"
    )
    assert not {str(room): count for room, count in counts.items() if count > MOST_MODULES}


def test_whoever_uses_the_packages_gets_their_types(tmp_path: Path) -> None:
    consumer = tmp_path / "consumer.py"
    consumer.write_text(
        "from forwarder.client.client import Client\n"
        "from relay.link.messages import Packet\n"
        "reveal_type(Client.connect)\n"
        "packet: Packet = Packet(3, b'on')\n"
        "wrong: int = packet.data\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(consumer)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert 'expression has type "bytes", variable has type "int"' in done.stdout, done.stdout
    assert "Any" not in done.stdout.split("Revealed type is")[1].splitlines()[0]
    assert all((ROOT / package / "py.typed").exists() for package in ("relay", "forwarder"))
