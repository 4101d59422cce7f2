"""`python -m tools.config_page`: write docs/configuration.md anew from the typed configuration.

What a key means stands in the docstring of its table, its type and default in the code: the page is
made of both, so it cannot say anything else (tests/tools/test_config_page.py).
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from forwarder.config import Config
from forwarder.switches import SWITCHES

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
_HEAD = """# Configuration

Every key of `hub.toml`, which `forwarder run` reads from `~/.config/buttplug-forwarder/hub.toml`
(Windows: `%LOCALAPPDATA%\\buttplug-forwarder\\hub.toml`, macOS: `~/Library/Application
Support/buttplug-forwarder/hub.toml`) or from `--config FILE`. An unknown key is an error that names
it. Relative paths count from the file. The command line wins over the file, the file over what is
switched on the dashboard (marked *S*). An example with everything in it:
[deploy/examples/hub.toml](../deploy/examples/hub.toml).

Made from `forwarder/config.py` by `python -m tools.config_page`.
"""
# `word` and further words, in a docstring's table: two spaces or more between them.
_ENTRY = re.compile(r"^(\w+(?:, \w+)*) {2,}(\S.*)$")


def page() -> str:
    return _HEAD + "".join(_section((), Config))


def _section(key: tuple[str, ...], kind: type[msgspec.Struct]) -> Iterator[str]:
    array = key and key[-1].endswith("[]")
    shown = ".".join(part.rstrip("[]") for part in key)
    title = "The top" if not key else f"`[[{shown}]]`" if array else f"`[{shown}]`"
    lead, said = _documented(kind)
    yield f"\n## {title}\n\n"
    if key and lead:
        yield f"{lead}\n\n"
    yield "| Key | Is | Default | Means |\n|---|---|---|---|\n"
    inner: list[tuple[tuple[str, ...], type[msgspec.Struct]]] = []
    for field in fields(kind):
        table = _table(field.type)
        many = table is not None and _origin(field.type) is tuple
        if table is not None and (many or field.name in _SECTIONS):
            inner.append(((*key, field.name + ("[]" if many else "")), table))
            continue
        name = ".".join((*(part.rstrip("[]") for part in key), field.name))
        mark = " *S*" if name in {switch.name for switch in SWITCHES} else ""
        text = said.get(field.name, "").replace("|", "\\|")
        yield f"| `{field.name}`{mark} | {_type(field.type)} | {_default(field)} | {text} |\n"
    for at, table in inner:
        yield from _section(at, table)


_SECTIONS = {field.name for field in fields(Config)} | {"lovense", "osc", "mqtt"}


def _documented(kind: type) -> tuple[str, dict[str, str]]:
    """The sentence in front, and what is said of each key, that of what it extends included."""
    said: dict[str, str] = {}
    lead = ""
    for one in reversed(kind.__mro__):
        if not issubclass(one, msgspec.Struct) or not one.__doc__:
            continue
        paragraphs: list[str] = []
        names: list[str] = []
        for raw in one.__doc__.splitlines():
            line = raw.strip()
            if found := _ENTRY.match(line):
                names = found[1].split(", ")
                said |= dict.fromkeys(names, found[2])
            elif line and names:
                said |= {name: f"{said[name]} {line}" for name in names}
            elif line:
                paragraphs.append(line)
        lead = " ".join(paragraphs)
    return lead, said


def _origin(kind: object) -> object:
    return _origin(get_args(kind)[0]) if get_origin(kind) is Annotated else get_origin(kind)


def _table(kind: object) -> type[msgspec.Struct] | None:
    """The table that a key is, or is a list of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) in (Annotated, tuple):
        found = {_table(part) for part in get_args(kind) if part is not Ellipsis}
        return found.pop() if len(found) == 1 else None
    return None


def _type(kind: object) -> str:
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        return _type(inner) + "".join(map(_bounds, metas))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        return f"list of {_type(get_args(kind)[0])}"
    if get_origin(kind) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "{ " + ", ".join(field.name for field in fields(kind)) + " }"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "text"
    names = {bool: "true or false", int: "number", float: "number", str: "text", Path: "path"}
    return names.get(kind, str(kind))  # type: ignore[call-overload, no-any-return]


def _bounds(meta: object) -> str:
    low, high = getattr(meta, "ge", None), getattr(meta, "le", None)
    if low is not None and high is not None:
        return f", {low} to {high}"
    return ""


def _default(field: FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        made = field.default_factory()
        return "—" if isinstance(made, str) else f"`{_toml(made)}`"
    if field.default is msgspec.NODEFAULT:
        return "has to be said"
    return "—" if field.default is None else f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
