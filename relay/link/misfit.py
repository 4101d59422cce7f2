"""What does not fit a type, in a person's words. Sans-I/O.

msgspec says "Expected `int`, got `str` - at `$.clients.port`"; a person is told
"clients.port: a number is wanted, not text". The texts are those of msgspec 0.18 to 0.21; whatever
has another form is said without its words.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

_KINDS: Mapping[str, str] = {
    "int": "a number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "null": "nothing",
    "bytes": "bytes in base64",
    "date": "a date",
    "datetime": "a date",
    "time": "a time",
}
# What a table is called: in TOML, and in JSON.
TABLE, OBJECT = "a table", "an object"
# How msgspec's own sentences begin.
_LIBRARY = re.compile(r"Expected |Object |Invalid |Integer |Can't |Unsupported |Out of range")
# Names that somebody else chose are shown up to here.
_NAME_CHARS = 40
_MOST_KNOWN = 24


@dataclass(frozen=True, slots=True)
class Misfit:
    """`place`: like "clients.port" or "upstream[2].name", counted from 1; empty: the whole."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


def misfit(error: msgspec.MsgspecError, kind: object = None, *, table: str = OBJECT) -> Misfit:
    """What `error` says; `kind`: the type that was wanted, for the names that it knows."""
    if not isinstance(error, msgspec.ValidationError):
        return Misfit("", "this is no JSON")
    reason, _, path = str(error).partition(" - at `")
    path = path.rstrip("`").removeprefix("key in ").removeprefix("$")
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        return Misfit(_place(f"{path}.{_shown(found[1])}"), _unknown(found[1], _names(kind, path)))
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return Misfit(_place(f"{path}.{found[1]}"), "it is missing")
    return Misfit(_place(path), _wanted(reason, table))


def toml_fault(error: Exception) -> str:
    """Where a TOML file is wrong, in words; `error`: of tomllib."""
    reason, found, where = str(error).partition(" (at ")
    said = f"{reason[:1].lower()}{reason[1:]}"
    if not found:
        return said
    if where.startswith("end"):
        return f"{said} at its end; look for a quote or a bracket that is not closed"
    return f"{where.rstrip(')')}: {said}; look there, text needs quotes"


def _wanted(reason: str, table: str) -> str:
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        wanted = " or ".join(
            dict.fromkeys(_kind(one, table) for one in found[1].split(" | ") if one != "null")
        )
        if found[1].startswith("int") and found[2] == "float":
            wanted = "a whole number"
        return f"{wanted} is wanted, not {_kind(found[2], table)}"
    if found := re.fullmatch(r"Expected `(str|array|object)` of length (<=|>=) (\d+)", reason):
        if found[2] == ">=" and found[3] == "1":
            return "it is empty"
        unit = {"str": "characters", "array": "entries", "object": "entries"}[found[1]]
        most = {"<=": "at most", ">=": "at least"}[found[2]]
        return f"{_kind(found[1], table)} of {most} {found[3]} {unit} is wanted"
    if found := re.fullmatch(r"Expected `(int|float)` (<=|>=|<|>) (\S+)", reason):
        bound = {"<=": "of at most", ">=": "of at least", "<": "below", ">": "above"}[found[2]]
        return f"a number {bound} {float(found[3]):g} is wanted"
    if found := re.fullmatch(r"Invalid (?:enum )?value '?(.*?)'?", reason, re.DOTALL):
        return f"{_shown(found[1])} is not among the words that are known here"
    if reason.startswith("Expected `str` matching regex"):
        return "this text has another form than is wanted here"
    if found := re.fullmatch(r"Expected `array` of length (\d+), got (\d+)", reason):
        return f"a list of {found[1]} entries is wanted, not of {found[2]}"
    if _LIBRARY.match(reason):
        return "this is not what is wanted here"
    return reason  # of a type of ours, which has its own words


def _kind(name: str, table: str) -> str:
    return table if name == "object" else _KINDS.get(name, "something else")


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"this is unknown here; did you mean {near[0]}?"
    if 0 < len(known) <= _MOST_KNOWN:
        return f"this is unknown here; known are {', '.join(known)}"
    return "this is unknown here"


def _shown(text: str) -> str:
    text = "".join(one if one.isprintable() and one != "`" else "?" for one in text)
    return text if len(text) <= _NAME_CHARS else f"{text[: _NAME_CHARS - 1]}…"


def _place(path: str) -> str:
    counted = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", path)
    return counted.replace("[...]", "").lstrip(".")


def _names(kind: object, path: str) -> tuple[str, ...]:
    """The fields of the struct at `path` of `kind`; none if that cannot be said."""
    found = list(_structs(kind))
    for key in re.findall(r"\.([^.\[\]]+)", path):
        fields = (one for struct in found for one in msgspec.structs.fields(struct))
        found = [inner for one in fields if one.encode_name == key for inner in _structs(one.type)]
    return tuple(one.encode_name for struct in found for one in msgspec.structs.fields(struct))


def _structs(kind: object) -> Iterator[type[msgspec.Struct]]:
    """The structs that a value of this type may be, also as entries of a list."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    elif typing.get_origin(kind) is typing.Annotated or isinstance(
        kind, (types.UnionType, types.GenericAlias)
    ):
        for one in typing.get_args(kind):
            yield from _structs(one)
