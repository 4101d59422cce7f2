"""Where in a TOML text a value stands, for error messages. The text is known to be valid TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]\}\n#]+")
_STRINGS = ('"""', "'''", '"', "'")


def locate(text: str, path: Path) -> int:
    """The line (from 1) of what `path` leads to, or of the nearest thing around it."""
    lines = _Scanner(text).scan()
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


@dataclass
class _Scanner:
    text: str
    at: int = 0
    lines: dict[Path, int] = field(default_factory=dict)
    counts: dict[Path, int] = field(default_factory=dict)

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _skip(self) -> bool:
        """Over blanks and comments; false at the end."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at].isspace():
                self.at += 1
            else:
                return True
        return False

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self._line())

    def _header(self) -> Path:
        listed = self.text.startswith("[[", self.at)
        line = self._line()
        self.at += 2 if listed else 1
        keys = self._key()
        self.at = self.text.index("]", self.at) + (2 if listed else 1)
        path: Path = ()
        for depth, key in enumerate(keys):
            path = (*path, key)
            if depth == len(keys) - 1 and listed:
                self.counts[path] = self.counts.get(path, -1) + 1
                self.lines.setdefault(path, line)
            if path in self.counts:
                path = (*path, self.counts[path])
            self.lines.setdefault(path, line)
        self.lines.setdefault(path, line)
        return path

    def _key(self) -> tuple[str, ...]:
        keys = []
        while True:
            self._skip()
            if self.text[self.at] in "\"'":
                keys.append(self._string()[1:-1])
            else:
                found = _BARE.match(self.text, self.at)
                if found is None:
                    break
                keys.append(found[0])
                self.at = found.end()
            self._skip()
            if self.text[self.at] != ".":
                break
            self.at += 1
        return tuple(keys)

    def _pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self._key())
        self._note(path)
        self.at = self.text.find("=", self.at) + 1
        if self.at <= start:
            self.at = len(self.text)
            return
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        self._note(path)
        character = self.text[self.at]
        if character == "[":
            self.at += 1
            number = 0
            while self._skip() and self.text[self.at] != "]":
                self._value((*path, number))
                number += 1
                self._comma()
            self.at += 1
        elif character == "{":
            self.at += 1
            while self._skip() and self.text[self.at] != "}":
                self._pair(path)
                self._comma()
            self.at += 1
        elif character in "\"'":
            self._string()
        else:
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else self.at + 1

    def _comma(self) -> None:
        if self._skip() and self.text[self.at] == ",":
            self.at += 1

    def _string(self) -> str:
        start = self.at
        mark = next(mark for mark in _STRINGS if self.text.startswith(mark, self.at))
        self.at += len(mark)
        while self.at < len(self.text) and not self.text.startswith(mark, self.at):
            escaped = mark[0] == '"' and self.text[self.at] == "\\"
            self.at += 2 if escaped else 1
        self.at += len(mark)
        return self.text[start : self.at]
