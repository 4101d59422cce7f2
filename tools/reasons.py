"""`python -m tools.reasons`: how much of the code is why, in percent of its lines.

Lines are those that are not empty. A docstring counts with all of its lines; a comment counts when
it has a line of its own, and when it stands behind code. What is said twice, or says what the next
line does, raises the figure and not the worth: this is for a look before and after, not a floor.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("forwarder", "relay")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Count:
    """In lines."""

    lines: int = 0
    comments: int = 0
    docstrings: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.lines + other.lines,
            self.comments + other.comments,
            self.docstrings + other.docstrings,
        )

    def __str__(self) -> str:
        of = max(1, self.lines) / 100
        return (
            f"{self.lines:7,} lines  comments {self.comments / of:4.1f} %"
            f"  docstrings {self.docstrings / of:4.1f} %"
        )


def count(source: str) -> Count:
    """Of one module. Raises SyntaxError."""
    lines = sum(bool(line.strip()) for line in source.splitlines())
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    docstrings = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            text = node.body[0]
            rows = source.splitlines()[text.lineno - 1 : text.end_lineno]
            docstrings += sum(bool(row.strip()) for row in rows)
    return Count(lines, len(comments), docstrings)


def total(paths: Iterable[Path]) -> Count:
    return sum((count(path.read_text(encoding="utf-8")) for path in paths), Count())


def main(arguments: list[str]) -> int:
    """Folders, or both packages with each of their rooms."""
    roots = [Path(word) for word in arguments or PACKAGES]
    for root in roots:
        print(f"{total(root.rglob('*.py'))}  {root}")
        for room in sorted(path for path in root.iterdir() if path.is_dir()):
            if found := sorted(room.rglob("*.py")):
                print(f"{total(found)}    {room.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
