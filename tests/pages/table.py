"""The table of docs/first-minute.md: what each way costs to begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-minute.md"
_BEGIN, _END = "<!-- table: make first -->", "<!-- end of the table -->"
_HEAD = "| Way | Steps | of them by hand | Typed | Copied | Seconds |"


@dataclass(frozen=True, slots=True)
class Cost:
    """`typed` and `copied` in characters; `seconds` is None where it was not measured."""

    way: str
    steps: int
    by_hand: int
    typed: int
    copied: int
    seconds: float | None

    def row(self) -> str:
        took = "" if self.seconds is None else f"{self.seconds:.1f}"
        copied = f"{self.copied}" if self.copied else "–"
        return (
            f"| {self.way} | {self.steps} | {self.by_hand or '–'} | {self.typed} | {copied} |"
            f" {took} |"
        )


def table(costs: Sequence[Cost]) -> str:
    return "\n".join([_HEAD, "|---" * 6 + "|", *(cost.row() for cost in costs)])


def written(page: str, costs: Sequence[Cost]) -> str:
    """The page with this table in the place of its own."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{table(costs)}\n\n{_END}{after}"


def rows(page: str) -> dict[str, tuple[int, int]]:
    """Way → steps and typed characters, as the page has them."""
    inside = page.partition(_BEGIN)[2].partition(_END)[0]
    found = re.findall(r"^\| (.+?) \| (\d+) \| \S+ \| (\d+) \|", inside, re.MULTILINE)
    return {way: (int(steps), int(typed)) for way, steps, typed in found}
