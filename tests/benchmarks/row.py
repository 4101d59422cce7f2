"""The table of figures: as lines, as JSON with the commit, and beside those of a release."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# What the last release had, by its own bench: written once with each release.
RELEASED = Path(__file__).with_name("released.json")
# More runnable programs than processors: then what is told by the clock is the others' doing.
BUSY_LOAD = float(os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Row:
    """`clock`: it is worth something on an idle machine alone: seconds, latencies, a rate."""

    figure: str
    value: str
    budget: str = ""
    clock: bool = False


def commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def keep(path: Path, rows: Sequence[Row], load: float) -> None:
    """Write them with the commit, the time and the load of the machine before."""
    kept = {
        "commit": commit(),
        "at": time.time(),
        "load": [load, os.getloadavg()[0]],
        "processors": os.cpu_count(),
        "rows": [asdict(row) for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def released(path: Path = RELEASED) -> tuple[str, dict[str, str]]:
    """The last release, and its value of each figure."""
    kept = json.loads(path.read_text())
    return kept["commit"], {row["figure"]: row["value"] for row in kept["rows"]}


def lines(rows: Sequence[Row], before: Mapping[str, str]) -> list[str]:
    """For people; `before`: what each figure was at the release."""
    width = max(len(row.figure) for row in rows)
    said = [f"{row.figure:{width}}   {row.value:28}   {row.budget:20}" for row in rows]
    return [
        f"{line}   {before.get(row.figure, '')}".rstrip()
        for line, row in zip(said, rows, strict=True)
    ]


def table(rows: Sequence[Row], before: Mapping[str, str], release: str) -> list[str]:
    """For docs/performance.md: the figures that the release has, too."""
    made = [f"| figure | {release} | now | wanted |", "|---|---|---|---|"]
    made += [
        f"| {row.figure.strip()} | {before[row.figure]} | {row.value} | {row.budget or '–'} |"
        for row in rows
        if row.figure in before
    ]
    return made


def busy(rows: Sequence[Row], *loads: float) -> str:
    """Which of these figures a machine with these loads could not give; empty if it could."""
    lost = [row.figure.strip() for row in rows if row.clock]
    if max(loads) <= BUSY_LOAD or not lost:
        return ""
    said = f"This machine was busy (load {max(loads):.1f}, {os.cpu_count()} processors)"
    return f"{said}: these say more about others than about these programs: {'; '.join(lost)}."
