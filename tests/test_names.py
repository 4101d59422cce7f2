"""One word, one meaning: a name of a class or of a type stands in one module only."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    path for package in ("relay", "forwarder", "tools") for path in (ROOT / package).rglob("*.py")
)
# Names that stand in several modules, each with what makes them one word; nothing else may join.
ONE_SEAM = {
    "DeviceRemoved": "the Buttplug spec's message, and the event that a user of the client gets",
    "ScanningFinished": "the Buttplug spec's message, and the event that a client's user gets",
    "Disconnect": "the Buttplug spec's message, and the link's: names on two wires",
}


def _types(tree: ast.Module) -> Iterator[str]:
    """Classes wherever they are, and what a module calls a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                made = isinstance(value, ast.Call) and ast.unparse(value.func) == "TypeVar"
                if not made and name.lstrip("_")[:1].isupper() and not name.isupper():
                    yield name


def _collisions(sources: dict[str, str]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for module, source in sources.items():
        for name in set(_types(ast.parse(source))):
            places[name].append(module)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_name_of_a_type_stands_in_two_modules() -> None:
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in MODULES}
    assert len(sources) > 200
    found = _collisions(sources)
    assert not {name: places for name, places in found.items() if name not in ONE_SEAM}
    assert not ONE_SEAM.keys() - found.keys(), "listed, and needed no longer"


@pytest.mark.parametrize(
    "second", ["class Driver: ...", "Driver = int | str", "class A:\n    class Driver: ..."]
)
def test_a_second_meaning_is_found(second: str) -> None:
    assert _collisions({"a": "class Driver: ...", "b": second}) == {"Driver": ["a", "b"]}


def test_a_constant_or_a_variable_is_no_type() -> None:
    assert not _collisions({"a": "MOST = 1\n_K = 1\nlog = 1", "b": "MOST = 2\n_K = 1\nlog = 2"})
