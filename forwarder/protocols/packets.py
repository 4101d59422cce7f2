"""Packet templates, BYTES and TEXT, compiled once into Python functions.

`55 03 {v>0} {v} ({v})* {sum(0)}`: hex pairs, `{expression:format}`, and groups in parentheses
that are repeated a number of times (`x7`), once per output feature (`*`, `*vibrate`), or if an
expression is true (`?{…}`).

A template becomes the source of one small function, which Python compiles, so that a value costs no
walk through the template. The source is made of our own words and of expressions that
`expressions.check` has taken apart and put together again, never of the file's text as it stands:
a file can say no more than the language of expressions can.

Each byte is cut to 8 bits where it is written (`& 255`), as devices do: a checksum may run over.
What must not run over is found by trying every model at its ends (definitions/check.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from forwarder.definitions.model import TYPES
from forwarder.protocols.expressions import (
    MAX_BYTES,
    Expression,
    ExpressionError,
    Scope,
    check,
    define,
)

MAX_REPEAT = 64
MAX_DEPTH = 3
MAX_WIDTH = 32

_HEX = re.compile(r"[0-9a-fA-F]{2}")
_REPEAT = re.compile(r"x(\d{1,3})")
_EACH = re.compile(r"\*([a-z_]*)")
_BYTE_FORMAT = re.compile(r"^(.*):(u8|u16be|u16le|u32be|bytes)$", re.DOTALL)
_TEXT_FORMAT = re.compile(r"^(.*):(0?)(\d{1,2})$", re.DOTALL)
_WIDTHS = {"u16be": (2, "big"), "u16le": (2, "little"), "u32be": (4, "big")}


class Hex(NamedTuple):
    value: int


class Hole(NamedTuple):
    text: str
    format: str


class Repeat(NamedTuple):
    body: tuple[Item, ...]
    times: int


class Each(NamedTuple):
    body: tuple[Item, ...]
    type: str | None


class When(NamedTuple):
    body: tuple[Item, ...]
    condition: str


Item = Hex | Hole | Repeat | Each | When


@dataclass(frozen=True, slots=True)
class Encoder:
    """`encode` takes the memory and the names of a command and returns the packet's bytes.

    `shared`: the packet carries other features' values too. `counts`: it holds the running number.
    """

    encode: Callable[..., bytes]
    shared: bool
    counts: bool
    uses: frozenset[str]


def compile_bytes(text: str, scope: Scope) -> Encoder:
    """Raises ExpressionError with the reason."""
    items, end = _parse(text, 0, 0)
    if end != len(text):
        raise ExpressionError(f"')' without '(' in {text!r}")
    writer = _Writer(Scope(scope.variables, scope.constants, scope.calls, checksums=True))
    writer.write(items, writer.scope, 0, 0)
    function = define(writer.finish(), writer.scope)
    return _encoder(function, writer.uses)


def compile_text(text: str, scope: Scope) -> Encoder:
    """Raises ExpressionError with the reason."""
    # For Python's own %: the text stays as it is but for its percent signs.
    template, uses = "", set[str]()
    arguments: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith(("{{", "}}"), at):
            template += text[at]
            at += 2
        elif text[at] == "{":
            hole, at = _hole(text, at)
            template += _text_hole(hole, scope, arguments, uses)
        elif text[at] == "}":
            raise ExpressionError(f"'}}' without '{{' in {text!r}")
        else:
            template += "%%" if text[at] == "%" else text[at]
            at += 1
    if not arguments:
        constant = (template % ()).encode()
        return Encoder(lambda *_args, **_names: constant, False, False, frozenset())
    body = f"return ({template!r} % ({', '.join(arguments)},)).encode()"
    return _encoder(define(body, scope), uses)


def _text_hole(text: str, scope: Scope, arguments: list[str], uses: set[str]) -> str:
    zero, width = "", ""
    if found := _TEXT_FORMAT.match(text):
        text, zero, width = found.groups()
        if int(width) > MAX_WIDTH:
            raise ExpressionError(f"a width of {width} is more than {MAX_WIDTH}")
    expression = check(text, scope)
    uses |= expression.uses
    arguments.append(expression.source)
    return f"%{zero}{width}{'d' if expression.is_int or zero else 's'}"


def _encoder(function: Callable[..., object], uses: set[str]) -> Encoder:
    shared = bool(uses & {"s", "*"})
    return Encoder(function, shared, "seq" in uses, frozenset(uses))  # type: ignore[arg-type]  # the generated functions return bytes


def _hole(text: str, at: int) -> tuple[str, int]:
    """The text between the braces that open at `at`, and where it goes on."""
    quote = ""
    for end in range(at + 1, len(text)):
        character = text[end]
        if quote:
            quote = "" if character == quote and text[end - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "{":
            break
        elif character == "}":
            return text[at + 1 : end], end + 1
    raise ExpressionError(f"'{{' without '}}' in {text!r}")


def _parse(text: str, at: int, depth: int) -> tuple[tuple[Item, ...], int]:
    """Items from `at` to the end or to a `)` that closes this group."""
    if depth > MAX_DEPTH:
        raise ExpressionError(f"groups nest deeper than {MAX_DEPTH} in {text!r}")
    items: list[Item] = []
    while at < len(text) and text[at] != ")":
        if text[at].isspace():
            at += 1
        elif found := _HEX.match(text, at):
            items.append(Hex(int(found[0], 16)))
            at = found.end()
        elif text[at] == "{":
            hole, at = _hole(text, at)
            split = _BYTE_FORMAT.match(hole)
            items.append(Hole(split[1], split[2]) if split else Hole(hole, "u8"))
        elif text[at] == "(":
            item, at = _group(text, at, depth)
            items.append(item)
        else:
            raise ExpressionError(f"{text[at : at + 8]!r} is neither hex nor a hole in {text!r}")
    return tuple(items), at


def _group(text: str, at: int, depth: int) -> tuple[Item, int]:
    body, end = _parse(text, at + 1, depth + 1)
    if end >= len(text):
        raise ExpressionError(f"'(' without ')' in {text!r}")
    end += 1
    if found := _REPEAT.match(text, end):
        if int(found[1]) > MAX_REPEAT:
            raise ExpressionError(f"x{found[1]} is more than {MAX_REPEAT} times")
        return Repeat(body, int(found[1])), found.end()
    if text.startswith("?{", end):
        condition, end = _hole(text, end + 1)
        return When(body, condition), end
    if found := _EACH.match(text, end):
        if found[1] and found[1] not in TYPES:
            raise ExpressionError(f"*{found[1]} is not an output type")
        return Each(body, found[1] or None), found.end()
    raise ExpressionError(f"a group needs x…, * or ?{{…}} behind it in {text!r}")


@dataclass
class _Writer:
    """Writes the Python source of one packet; runs of single bytes become one statement."""

    scope: Scope
    uses: set[str] = field(default_factory=set)
    _lines: list[str] = field(default_factory=list)
    _run: list[str] = field(default_factory=list)
    _count: int = 0

    def write(self, items: tuple[Item, ...], scope: Scope, indent: int, depth: int) -> None:
        for item in items:
            match item:
                case Hex(value):
                    self._add(str(value))
                case Hole(text, "u8"):
                    self._byte(check(text, scope), indent)
                case Hole(text, form):
                    self._wide(check(text, scope), form, indent)
                case Repeat(body, times):
                    for _ in range(times):
                        self.write(body, scope, indent, depth)
                case Each(body, type_):
                    self._each(body, type_, scope, indent, depth)
                case When(body, condition):
                    self._when(body, condition, scope, indent, depth)

    def _add(self, source: str) -> None:
        self._count += 1
        if self._count > MAX_BYTES:
            raise ExpressionError(f"a packet may have {MAX_BYTES} bytes at most")
        self._run.append(source)

    def _byte(self, expression: Expression, indent: int) -> None:
        self.uses |= expression.uses
        # A checksum looks at what is there so far, and a running number has to be found again in
        # what was written: both need the bytes before them to be in `out`.
        marks = expression.source == "m.seq"
        if "out" in expression.uses or marks:
            self._flush(indent)
        if marks:
            self._line("m.counter_at = len(out)", indent)
        elif "out" in expression.uses and "seq" in self.uses and "_xor(" in expression.source:
            self._line("m.counter_xor_at = len(out)", indent)
        self._add(f"({expression.source}) & 255")

    def _wide(self, expression: Expression, form: str, indent: int) -> None:
        self.uses |= expression.uses
        self._flush(indent)
        if form == "bytes":
            self._line(f"out += _take({expression.source})", indent)
            return
        size, order = _WIDTHS[form]
        mask = (1 << 8 * size) - 1
        self._line(f"out += (({expression.source}) & {mask}).to_bytes({size}, {order!r})", indent)

    def _each(
        self, body: tuple[Item, ...], type_: str | None, scope: Scope, indent: int, depth: int
    ) -> None:
        self.uses.add("*")
        self._flush(indent)
        group = f"m.groups.get({type_!r}, ())"
        number = depth + 1
        self._line(f"for k_{number}, (j_{number}, t_{number}) in _enumerate({group}):", indent)
        self._line(f"v_{number} = m.s[j_{number}]", indent + 1)
        self.write(body, scope.inside(number), indent + 1, number)
        self._flush(indent + 1)

    def _when(
        self, body: tuple[Item, ...], condition: str, scope: Scope, indent: int, depth: int
    ) -> None:
        expression = check(condition, scope)
        self.uses |= expression.uses
        self._flush(indent)
        self._line(f"if {expression.source}:", indent)
        self.write(body, scope, indent + 1, depth)
        self._flush(indent + 1)
        self._line("pass", indent + 1)  # the group may be empty, a block may not

    def _line(self, source: str, indent: int) -> None:
        self._lines.append("    " * indent + source)

    def _flush(self, indent: int) -> None:
        if not self._lines:
            # The first statement makes `out`, whatever comes.
            self._line(f"out = _bytearray({self._tuple()})", indent)
        elif self._run:
            self._line(f"out += _bytes({self._tuple()})", indent)
        self._run.clear()

    def _tuple(self) -> str:
        if all(one.isdigit() for one in self._run):
            return repr(bytes(int(one) for one in self._run))
        return f"({', '.join(self._run)},)"

    def finish(self) -> str:
        if not self._lines:
            return f"return _bytes({self._tuple()})"
        self._flush(0)
        self._line("return _bytes(out)", 0)
        return "\n".join(self._lines)
