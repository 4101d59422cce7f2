"""The table of docs/first-minute.md: what each way costs to begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.pages.run import Told

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-minute.md"
_BEGIN, _END = "<!-- table: make first -->", "<!-- end of the table -->"
_HEAD = "| Way | Commands | Answers | By hand | Typed | Copied | Seconds |"


@dataclass(frozen=True, slots=True)
class Cost:
    """`typed` and `copied` in characters; `seconds` is None where it was not measured."""

    way: str
    commands: int
    answers: int
    by_hand: int
    typed: int
    copied: int
    seconds: float | None
    processor_s: float | None = None

    def row(self) -> str:
        took = "" if self.seconds is None else f"{self.seconds:.1f}"
        if self.processor_s is not None:
            took += f" (processor: {self.processor_s:.1f})"
        counts = (self.commands, self.answers, self.by_hand, self.typed, self.copied)
        return f"| {self.way} | {' | '.join(str(each or '–') for each in counts)} | {took} |"


def cost(way: str, told: Told) -> Cost:
    return Cost(
        way, told.commands, told.answers, told.by_hand, told.typed, told.carried, told.seconds
    )


def table(costs: Sequence[Cost]) -> str:
    return "\n".join([_HEAD, "|---" * 7 + "|", *(cost.row() for cost in costs)])


def written(page: str, costs: Sequence[Cost]) -> str:
    """The page with this table in the place of its own."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{table(costs)}\n\n{_END}{after}"


def rows(page: str) -> dict[str, tuple[int, ...]]:
    """Way → commands, answers, steps by hand and typed characters, as the page has them."""
    inside = page.partition(_BEGIN)[2].partition(_END)[0]
    found = re.findall(r"^\| (.+?) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|", inside, re.MULTILINE)
    numbers = [(way, *(0 if each == "–" else each for each in counts)) for way, *counts in found]
    return {
        str(way): tuple(map(int, counts)) for way, *counts in numbers if str(counts[0]).isdecimal()
    }
