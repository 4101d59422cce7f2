"""Intiface's files as trees of plain values, and what is wrong with them in a person's words.

Every error is one line: the file, the place in it, what is wrong there, what to do.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from forwarder.errors import ConfigError
from relay.link.misfit import near

JsonTree = dict[str, object]
T = TypeVar("T")

# Version 5 (2026) is version 4 with other ways to be connected; both are read alike.
MAJORS: Final = (4, 5)
# The official file has 600 kB; what is a hundred times larger is something else.
MAX_FILE: Final = 64 * 1024 * 1024

# Of a number: more than any has that means something, fewer than Python reads.
DIGITS = 400
# Of a value or word in an error: enough to find it by.
WORD_CHARACTERS = 40

# In this order: one of UTF-32 begins as one of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "null",
}


class _Twice(ValueError):
    """A table has a key two times: one of them would be lost."""


def read_tree(path: Path) -> JsonTree:
    """The file's table. Raises ConfigError."""
    text = _text(path)
    try:
        tree = json.loads(text, object_pairs_hook=_table, parse_constant=_constant,
                          parse_int=_integer)  # fmt: skip
        # Half a character in a \\u escape is JSON, but could never be written back.
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise ConfigError(f"{path} holds half a character, {half}. Take it out.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path} is not JSON at {where}: {error.msg}. Mend it there.") from error
    except _Twice as error:
        key = word(str(error))
        raise ConfigError(f"{path}: {key} stands twice in one table. Keep one of them.") from error
    except RecursionError as error:
        raise ConfigError(f"{path} nests too deeply to be a configuration.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Correct it.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} is not a device configuration: it holds {shown(tree)}.")
    return tree


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(f"{path} is too large for a device configuration.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist. Correct its name where it is named.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder. Name the file in it.") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Make it readable for this user."
        ) from error
    if not data.strip():
        raise ConfigError(f"{path} is empty. Put a copy of it in its place, or take it away.")
    for mark, coding in _MARKS.items():
        if data.startswith(mark):
            raise ConfigError(f"{path} is in {coding}. Save it as UTF-8.")
    if b"\0" in data:
        raise ConfigError(f"{path} is damaged: it holds zero bytes. Put a copy in its place.")
    try:
        # Editors on Windows put a mark in front that is no part of the text.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{at} is not UTF-8. Save the file as UTF-8.") from error


def _table(pairs: list[tuple[str, object]]) -> JsonTree:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return found


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"{digits[:8]}… is a number of {len(digits)} digits")
    return int(digits)


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


def version_of(tree: JsonTree, name: str) -> tuple[int, int]:
    """Raises ConfigError for a version that we do not read, saying what to do about it."""
    version = tree.get("version")
    if not isinstance(version, dict):
        raise ConfigError(
            f"{name} is not a device configuration of Intiface: version, a table, is missing."
        )
    major, minor = version.get("major"), version.get("minor") or 0
    for key, value in (("major", major), ("minor", minor)):
        if type(value) is not int:
            raise ConfigError(f"{name}: version.{key} must be a whole number, not {shown(value)}.")
    assert type(major) is int
    assert type(minor) is int
    if major < MAJORS[0]:
        raise ConfigError(
            f"{name} is of version {major}, this hub reads {MAJORS[0]} and {MAJORS[1]}. "
            "Open it with the newest Intiface Central, which converts it, and name what it wrote."
        )
    if major > MAJORS[1]:
        raise ConfigError(
            f"{name} is of version {major}, this hub reads {MAJORS[0]} and {MAJORS[1]}. "
            "Update the hub."
        )
    return major, minor


def table(value: object, where: str, known: Iterable[str]) -> JsonTree:
    """`value` as a table that has no other keys than `known`; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table, not {shown(value)}.")
    names = tuple(known)
    for key in value:
        if key not in names:
            raise ConfigError(f"{where}.{word(key)} is unknown{hint(key, names)}")
    return value


def hint(word: str, known: Iterable[str]) -> str:
    """` (known: …). Did you mean …?`: the end of an error about a word that is not known."""
    names = tuple(known)
    plain = {_plain(name): name for name in names}
    close = near(_plain(word), plain)
    end = f" Did you mean {plain[close[0]]}?" if close else " Correct it or take it out."
    return f" (known: {', '.join(names)}).{end}"


def misspelt(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is meant to be, if it is no other word."""
    plain = {_plain(name): name for name in known}
    close = near(_plain(word), plain, cutoff=0.8)
    return plain[close[0]] if close else None


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.casefold())


def array(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(f"{where} must be a list, not {shown(value)}.")
    return value


def text(value: object, where: str) -> str:
    if value is None:
        raise ConfigError(f"{where} is missing. Add it.")
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be text, not {shown(value)}.")
    return value


def flag(value: object, where: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ConfigError(f"{where} must be true or false, not {shown(value)}.")


def number(value: object, where: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(
            f"{where} must be a whole number from {low} to {high}, not {shown(value)}."
        )
    return value


def pair(value: object, where: str, low: int, high: int) -> tuple[int, int] | None:
    """Two numbers, the smaller one first."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"{where} must be two numbers, [lowest, highest], not {shown(value)}.")
    first, second = (number(one, f"{where}[{at}]", low, high) for at, one in enumerate(value))
    if first > second:
        raise ConfigError(f"{where} must begin with the lower number, not [{first}, {second}].")
    return first, second


def shown(value: object) -> str:
    """A value as an error shows it: short, and as it stands in the file."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)}"
    said = json.dumps(value, ensure_ascii=False)
    said = "".join(one if one.isprintable() else "?" for one in said)
    return said if len(said) <= WORD_CHARACTERS else f"{said[: WORD_CHARACTERS - 4]}…"


def word(text: str) -> str:
    """A word of the file within a sentence: one line of it, and not too much."""
    return shown(text)[1:-1] if len(text) <= WORD_CHARACTERS else f"{shown(text)[1:36]}…"


def convert(value: object, kind: type[T], where: str) -> T:
    """msgspec's conversion, with errors in words."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_said(str(error), where)) from error


def _said(message: str, where: str) -> str:
    reason, _, path = message.partition(" - at `$")
    place = where + path.rstrip("`").replace("[...]", ".*")
    if missing := re.search(r"missing required field `([^`]+)`", reason):
        return f"{place}.{missing[1]} is missing."
    if wrong := re.match(r"Expected `(.+?)`(?: ([<>]=) (\S+))?(?:, got `(.+)`)?$", reason):
        wanted = " or ".join(_KINDS.get(one, one) for one in wrong[1].split(" | ") if one != "null")
        bound = {">=": " of at least ", "<=": " of at most ", None: ""}[wrong[2]] + (wrong[3] or "")
        got = f", not {_KINDS.get(wrong[4], wrong[4])}" if wrong[4] else ""
        return f"{place} must be {wanted}{bound}{got}."
    return f"{place}: {reason[:1].lower()}{reason[1:]}."
