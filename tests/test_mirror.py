"""Each module has a test file of its name, or stands in a list with the file that tests it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "elsewhere.toml"
# How many stood in the list when it was begun, of 367 modules; take what left it off this.
MOST = 176


def _modules() -> list[str]:
    """What has code: `__init__` and `__main__` are as long as what they import, and numbers are
    looked at by tests/test_bounds.py."""
    return sorted(
        str(path.relative_to(ROOT))
        for package in ("relay", "forwarder", "tools")
        for path in (ROOT / package).rglob("*.py")
        if not path.name.startswith("__")
        and path.name != "bounds.py"
        and path.read_text(encoding="utf-8").strip()
    )


def _mirror(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.name}"


def _elsewhere() -> dict[str, str]:
    return tomllib.loads(LIST.read_text(encoding="utf-8"))


def test_each_module_has_a_test_file_of_its_name_or_is_listed() -> None:
    modules, elsewhere = _modules(), _elsewhere()
    assert len(modules) > 300
    missing = [name for name in modules if not _mirror(name).exists() and name not in elsewhere]
    assert not missing, "write a test file of its name"


def test_the_list_only_gets_shorter() -> None:
    elsewhere = _elsewhere()
    assert len(elsewhere) <= MOST
    assert not [name for name in elsewhere if _mirror(name).exists()], "take it off the list"
    assert not elsewhere.keys() - set(_modules()), "there is no such module"


def test_what_is_tested_elsewhere_is_tested_there() -> None:
    assert not [name for name in _elsewhere().values() if not (ROOT / name).exists()]
