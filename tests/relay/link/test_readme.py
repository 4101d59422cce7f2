"""README.md is normative for other languages, so its tables must be those of messages.py."""

from __future__ import annotations

import ast
import inspect
import re
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct

from relay.link import messages
from relay.link.security.handshake import RefusalCode

_README = Path(messages.__file__).with_name("README.md").read_text()
_NAMES = {
    "U8": "u8",
    "U16": "u16",
    "U32": "u32",
    "Micros": "micros",
    "Millis": "millis",
    "Name": "name",
    "Text": "text",
    "Address": "address",
    "PlaceUrl": "url",
    "Uuid": "uuid",
    "Names": "[name]",
    "Uuids": "[uuid]",
    "Bytes": "bytes",
    "bool": "bool",
    "float": "float",
    "int": "int",
    "str": "string",
    "ErrorCode": "ErrorCode",
}


def _type(node: ast.expr) -> str:
    """The type of a field as the README writes it."""
    match node:
        case ast.Name(name):
            return _NAMES.get(name, name)
        case ast.BinOp(left, ast.BitOr(), ast.Constant(None)):
            return f"{_type(left)}?"
        case ast.BinOp(left, ast.BitOr(), right):
            return f"{_type(left)} or {_type(right)}"
        case ast.Subscript(ast.Name("tuple"), ast.Tuple([item, _])):
            return f"[{_type(item)}]"
        case ast.Subscript(ast.Name("dict"), ast.Tuple([key, value])):
            return f"{{{_type(key)}: {_type(value)}}}"
        case ast.Subscript(ast.Name("Annotated"), ast.Tuple([item, ast.Name("_Most")])):
            return _type(item)  # the bound of all, which stands once
        case ast.Subscript(ast.Name("Annotated"), ast.Tuple([item, ast.Call(keywords=bounds)])):
            limits = {bound.arg: ast.literal_eval(bound.value) for bound in bounds}
            text = _type(item)
            if "max_length" in limits:
                return f"{text}, {limits['max_length']} at most"
            return f"{text} {limits['ge']}..{limits['le']}"
    raise AssertionError(f"the README has no word for {ast.unparse(node)}")


def _default(node: ast.expr | None) -> str:
    match node:
        case None:
            return "required"
        case ast.Constant(None):
            return "null"
        case ast.Constant(bool(value)):
            return str(value).lower()
        case ast.Constant(str(value)):
            return f'"{value}"'
        case ast.Constant(value):
            return str(value)
        case ast.Tuple():
            return "[]"
        case ast.Dict():
            return "{}"
        case ast.Attribute(attr=name):
            return f'"{name.lower()}"'
    raise AssertionError(f"the README has no word for {ast.unparse(node)}")


def rows(name: str) -> list[str]:
    """The table rows of a message or value, one per field."""
    struct = ast.parse(inspect.getsource(getattr(messages, name))).body[0]
    assert isinstance(struct, ast.ClassDef)
    return [
        f"| `{_name(field.target.id, field.value)}` | {_type(field.annotation)} |"
        f" {_default(_value(field.value))} |"
        for field in struct.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    ]


def _keywords(value: ast.expr | None) -> dict[str | None, ast.expr]:
    """Of `field(...)`, where the name in Python is not the one on the wire."""
    match value:
        case ast.Call(func=ast.Name("field"), keywords=keywords):
            return {each.arg: each.value for each in keywords}
    return {}


def _name(python: str, value: ast.expr | None) -> str:
    match _keywords(value).get("name"):
        case ast.Constant(str(wire)):
            return wire
    return python


def _value(value: ast.expr | None) -> ast.expr | None:
    keywords = _keywords(value)
    return keywords.get("default") if keywords else value


def _section(name: str) -> str:
    match = re.search(rf"^#+ {name}(?: |$).*?(?=^#+ |\Z)", _README, re.MULTILINE | re.DOTALL)
    assert match is not None, f"README.md has no section {name}"
    return match[0]


MESSAGES = sorted(
    {kind.__name__ for union in (messages.FromRelay, messages.FromHub) for kind in get_args(union)}
)
VALUES = sorted(
    name
    for name, kind in vars(messages).items()
    if inspect.isclass(kind)
    and issubclass(kind, Struct)
    and kind.__module__ == messages.__name__
    and not name.startswith("_")
    and name not in MESSAGES
)


@pytest.mark.parametrize("name", [*MESSAGES, *VALUES])
def test_the_readme_has_the_fields_of(name: str) -> None:
    described = [
        line.rsplit("|", 2)[0].rstrip() + " |" if line.count("|") == 5 else line
        for line in _section(name).splitlines()
        if line.startswith("| `")
    ]
    assert described == rows(name)


@pytest.mark.parametrize("enum", [messages.ErrorCode, messages.StopCause])
def test_the_readme_has_each_word_of(enum: type[StrEnum]) -> None:
    assert [word for word in enum if f"`{word.value}`" not in _README] == []


def test_the_readme_has_each_refusal() -> None:
    assert [r for r in RefusalCode if f"| `0x{r:02x}` |" not in _README] == []
