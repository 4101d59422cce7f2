"""A relay without what only the hub needs: the list is in step, and the rest is not missed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "deploy" / "relay-only.txt"
# What is imported by another name than it is installed by.
_NAMES = {"dbus_fast": "dbus-fast"}
# With an extra of the package only, where one asks for it.
_EXTRAS = {"aioesphomeapi", "evdev", "hid", "websockets", "iroh"}
# Loaded when they are first needed, in a thread: importlib.import_module, "serialx".
_LATE = re.compile(r"import_module(?:\(|, )\"(\w+)")
_RUN = """
import importlib.abc, sys
NOT = set(sys.argv[1].split(","))
class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NOT:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
import relay.commands.serve, relay.commands.doctor, relay.commands.scan, relay.commands.pair
import relay.commands.words, relay.commands.wearer, relay.supervision.supervisor
from relay.cli import run
sys.exit(run(["doctor", "--simulate", "Lovense Edge", "--state", sys.argv[2]]))
"""


def declared() -> dict[str, str]:
    """What the package depends on: name → the whole line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {_name(line): line for line in project["dependencies"]}


def listed() -> dict[str, str]:
    lines = LIST.read_text().splitlines()
    return {_name(line): line for line in lines if line and line[0] != "#"}


def _name(line: str) -> str:
    return re.split(r"[><=;\s]", line)[0]


def imported() -> set[str]:
    """What modules of the relay import that is neither Python's nor its own."""
    found = set()
    for path in (ROOT / "relay").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(_LATE.findall(text))
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module]
            found |= {name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"relay"} - _EXTRAS


def test_the_list_is_what_the_relay_imports_as_the_package_declares_it() -> None:
    wanted = {_NAMES.get(name, name) for name in imported()}
    assert set(listed()) == wanted
    assert {name: declared()[name] for name in wanted} == listed()


def test_the_relay_does_without_what_only_the_hub_needs(tmp_path: Path) -> None:
    without = [name.replace("-", "_") for name in set(declared()) - set(listed())]
    assert {"segno", "prometheus_client"} <= set(without)
    # zeroconf has ifaddr of its own.
    without = [*(name for name in without if name != "ifaddr"), "forwarder"]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, ",".join(without), str(tmp_path / "state")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    # It finds that there is no hub, and nothing worse.
    assert done.returncode == 1, done.stderr
    assert "which hub?" in done.stdout
    assert "itself failed" not in done.stdout
