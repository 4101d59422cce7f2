"""What a bench keeps, and beside what it is shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.row import BUSY_LOAD, Row, busy, keep, lines, released, table

FAST = Row("stop", "1 ms", "5 ms", clock=True)
SMALL = Row("memory", "60 MiB", "50 MiB")


def test_figures_are_kept_with_the_commit_and_the_load(tmp_path: Path) -> None:
    keep(tmp_path / "new" / "bench.json", [FAST, SMALL], 1.5)
    kept = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert {"commit", "at", "load", "processors", "rows"} == set(kept)
    assert kept["commit"]
    assert kept["load"][0] == 1.5
    assert kept["rows"][1] == {
        "figure": "memory", "value": "60 MiB", "budget": "50 MiB", "clock": False,
    }  # fmt: skip


def test_beside_each_stands_what_the_release_had_if_it_had_it() -> None:
    before = {"memory": "70 MiB"}
    assert lines([FAST, SMALL], before)[1].endswith("70 MiB")
    assert table([FAST, SMALL], before, "0.1.0") == [
        "| figure | 0.1.0 | now | wanted |",
        "|---|---|---|---|",
        "| memory | 70 MiB | 60 MiB | 50 MiB |",
    ]


def test_a_busy_machine_is_said_to_give_no_times() -> None:
    assert busy([FAST, SMALL], 0.0, BUSY_LOAD) == ""
    assert busy([SMALL], BUSY_LOAD + 1) == ""
    assert busy([FAST, SMALL], 0.0, BUSY_LOAD + 1).endswith(": stop.")


def test_the_last_release_has_figures_that_are_measured_today() -> None:
    release, before = released()
    assert release == "0.1.0"
    page = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    for figure, value in before.items():
        assert f"| {figure.strip()} | {value} |" in page, figure
