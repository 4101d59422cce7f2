"""What a page tells its reader to type, and what it says will be seen. Pure.

A comment that no reader sees says where the next block of code is typed:

    <!-- at desk -->
        $ forwarder status
        Hub …

Lines after a `$` are what is seen, in this order, among others; `…` stands for anything. After the
place may stand:

    stays         the last command goes on running
    runs before   it was somebody's work to have it there
    to look       it shows something, and nothing depends on it
    installed     it counts, and is not carried out, for what it would bring is there

More comments count as steps of a person: `<!-- by hand: scan the code -->`, and
`<!-- carry door.ini from desk to win7 -->` and `<!-- file a/b.toml at desk -->`, which writes the
block that follows, are done. `<!-- answer y at desk -->` is typed
into what runs there, once it asks; `, and it ends` if it does, `, then` if a block says what is
seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

_COMMENT = re.compile(r"\s*<!-- (?P<what>at|by hand:|carry|answer|file) (?P<rest>.+?) -->\s*$")
_ANYTHING = "…"
# What one command prints and a later one is given: the reader copies it.
CARRIED = {"LINK": re.compile(r"bpforward://\S+")}


@dataclass(frozen=True, slots=True)
class Command:
    """`line`: of the page, from 1. `stays`: it goes on running. `before`: the page counts on it.
    `looks`: nothing depends on it. `installed`: it was done."""

    line: int
    place: str
    text: str
    seen: tuple[str, ...] = ()
    stays: bool = False
    before: bool = False
    installed: bool = False
    looks: bool = False

    @property
    def typed(self) -> int:
        """Characters, without what is copied."""
        return len(re.sub("|".join(CARRIED), "", self.text))


@dataclass(frozen=True, slots=True)
class ByHand:
    """What no program does: `text` in words."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Carry:
    """Files go from one machine to another."""

    line: int
    files: tuple[str, ...]
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is typed into the program at `place`, and `seen` then. `ends`: it ends well."""

    line: int
    text: str
    place: str
    ends: bool = False
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """`text` is typed into a file below the home of who sits at `place`."""

    line: int
    path: str
    place: str
    text: str


Step = Command | ByHand | Carry | Answer | File


class BadPage(Exception):
    """A comment or block that cannot be carried out."""


def steps(text: str) -> list[Step]:
    """The steps of a page, in the order in which they are taken. Raises BadPage."""
    lines = text.splitlines()
    found: list[Step] = []
    for number, line in enumerate(lines):
        comment = _COMMENT.match(line)
        if comment is None:
            continue
        rest = comment["rest"]
        if comment["what"] == "by hand:":
            found.append(ByHand(number + 1, rest))
        elif comment["what"] == "answer":
            found.append(_answer(lines, number + 1, rest))
        elif comment["what"] == "file":
            found.append(_file(lines, number + 1, rest))
        elif comment["what"] == "carry":
            words = rest.split()
            if len(words) < 5 or words[-4] != "from" or words[-2] != "to":
                raise BadPage(f"line {number + 1}: carry FILES from PLACE to PLACE")
            found.append(Carry(number + 1, tuple(words[:-4]), words[-3], words[-1]))
        else:
            place, *how = rest.split(", ")
            if not {*how} <= {"stays", "runs before", "installed", "to look"}:
                raise BadPage(f"line {number + 1}: {how}")
            block = _block(lines, number + 1, place, "stays" in how)
            before, installed = "runs before" in how, "installed" in how
            looks = "to look" in how
            found += [
                replace(step, before=before, installed=installed, looks=looks) for step in block
            ]
    return sorted(found, key=lambda step: not (isinstance(step, Command) and step.before))


def _answer(lines: Sequence[str], number: int, rest: str) -> Answer:
    said = re.fullmatch(r"(\S+) at (\w+)(, and it ends|, then)?", rest)
    if said is None:
        raise BadPage(f"line {number}: answer TEXT at PLACE")
    seen = tuple(text for _, text in _code(lines, number) if text) if said[3] == ", then" else ()
    if any(text.startswith("$ ") for text in seen) or (said[3] == ", then" and not seen):
        raise BadPage(f"line {number}: no block of what is seen then follows")
    return Answer(number, said[1], said[2], said[3] == ", and it ends", seen)


def _file(lines: Sequence[str], number: int, rest: str) -> File:
    path, _, place = rest.rpartition(" at ")
    text = "\n".join(text for _, text in _code(lines, number)).strip()
    if not path or not place or not text:
        raise BadPage(f"line {number}: file PATH at PLACE, and a block with what is in it")
    return File(number, path, place, text + "\n")


def _block(lines: Sequence[str], start: int, place: str, stays: bool) -> list[Command]:
    block = list(_code(lines, start))
    at = [index for index, (_, text) in enumerate(block) if text.startswith("$ ")]
    if not at or at[0] != 0:
        raise BadPage(f"line {start}: no block of commands follows, each after a $")
    found: list[Command] = []
    for index, end in zip(at, [*at[1:], len(block)], strict=True):
        number, text = block[index]
        seen = tuple(line for _, line in block[index + 1 : end] if line)
        last = end == len(block)
        found.append(Command(number, place, text[2:].strip(), seen, stays and last))
    return found


def _code(lines: Sequence[str], start: int) -> Iterator[tuple[int, str]]:
    """The indented block after line `start`: number and text of each line."""
    index = start
    while index < len(lines) and not lines[index].strip():
        index += 1
    indent = re.match(" *", lines[index])[0] if index < len(lines) else ""  # type: ignore[index]
    if len(indent) < 4:
        return
    while index < len(lines):
        line = lines[index]
        if line.strip() and not line.startswith(indent):
            return
        yield index + 1, line.removeprefix(indent).rstrip()
        index += 1


def missing(seen: Sequence[str], output: str) -> str | None:
    """The first of the lines of a page that does not come in the output, in their order."""
    rest = iter(" ".join(line.split()) for line in output.splitlines())
    for wanted in seen:
        if wanted.strip() == _ANYTHING:
            continue
        pattern = _pattern(wanted)
        if not any(pattern.fullmatch(line) for line in rest):
            return wanted
    return None


def _pattern(wanted: str) -> re.Pattern[str]:
    parts = " ".join(wanted.split()).split(_ANYTHING)
    return re.compile(".*".join(re.escape(part) for part in parts))
