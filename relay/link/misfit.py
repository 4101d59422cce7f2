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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import msgspec

from relay.link.bounds import MOST_WORD

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
# As tomllib shows what it does not allow.
_STRANGE_CHARACTER = re.compile(r"illegal character '.*'")
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
    if found := re.fullmatch(r"Invalid (?:enum )?value '?(.*?)'?", reason, re.DOTALL):
        return Misfit(_place(path), _strange(found[1], tuple(_words(kind, path))))
    return Misfit(_place(path), _wanted(reason, table))


def toml_fault(error: Exception) -> str:
    """Where a TOML file is wrong, in words; `error`: of tomllib."""
    reason, found, where = str(error).partition(" (at ")
    said = _STRANGE_CHARACTER.sub("a character that no text has", reason[:1].lower() + reason[1:])
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
    if reason.startswith("Expected `str` matching regex"):
        return "this text has another form than is wanted here"
    if found := re.fullmatch(r"Expected `array` of length (\d+), got (\d+)", reason):
        return f"a list of {found[1]} entries is wanted, not of {found[2]}"
    if _LIBRARY.match(reason):
        return "this is not what is wanted here"
    return reason  # of a type of ours, which has its own words


def _kind(name: str, table: str) -> str:
    return table if name == "object" else _KINDS.get(name, "something else")


def near(word: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known words that `word` may be meant to be, nearest first; none for what is too long to
    be a word, with which the comparison would take minutes."""
    if len(word) > MOST_WORD:
        return []
    return difflib.get_close_matches(word, list(known), most, cutoff)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if found := near(name, known):
        return f"this is unknown here; did you mean {found[0]}?"
    if 0 < len(known) <= _MOST_KNOWN:
        return f"this is unknown here; known are {', '.join(known)}"
    return "this is unknown here"


def _strange(word: str, known: tuple[str, ...]) -> str:
    if found := near(word, known):
        return f"{_shown(word)} is unknown here; did you mean {found[0]}?"
    if 0 < len(known) <= _MOST_KNOWN:
        return f"{_shown(word)} is unknown here; known are {', '.join(known)}"
    return f"{_shown(word)} is not among the words that are known here"


def _shown(text: str) -> str:
    text = "".join(one if one.isprintable() and one != "`" else "?" for one in text)
    return text if len(text) <= _NAME_CHARS else f"{text[: _NAME_CHARS - 1]}…"


def _place(path: str) -> str:
    counted = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", path)
    return counted.replace("[...]", "").lstrip(".")


def _names(kind: object, path: str) -> tuple[str, ...]:
    """The fields of the struct at `path` of `kind`; none if that cannot be said."""
    found = [struct for inner in _at(kind, path) for struct in _structs(inner)]
    return tuple(one.encode_name for struct in found for one in msgspec.structs.fields(struct))


def _at(kind: object, path: str) -> list[object]:
    """The types that the value at `path` of `kind` may have."""
    found: list[object] = [kind]
    for key in re.findall(r"\.([^.\[\]]+)", path):
        structs = (struct for inner in found for struct in _structs(inner))
        fields = (one for struct in structs for one in msgspec.structs.fields(struct))
        found = [one.type for one in fields if one.encode_name == key]
    return found


def _words(kind: object, path: str) -> Iterator[str]:
    """The words that may stand at `path` of `kind`."""
    waiting = _at(kind, path)
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, type) and issubclass(one, Enum):
            yield from (str(member.value) for member in one)
        elif typing.get_origin(one) is typing.Literal:
            yield from map(str, typing.get_args(one))
        else:
            waiting += typing.get_args(one)


def _structs(kind: object) -> Iterator[type[msgspec.Struct]]:
    """The structs that a value of this type may be, also as entries of a list."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    elif typing.get_origin(kind) is typing.Annotated or isinstance(
        kind, (types.UnionType, types.GenericAlias)
    ):
        for one in typing.get_args(kind):
            yield from _structs(one)
