"""What a person can get wrong: one line with the cause and the next step, and an exit code that
tells whose fault it is; `doctor` finds it, where it can see it.

Of the rows one in twenty may fall short; today none does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.bad_input import LEAST, ROWS, Case, Row, judged


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.chdir(tmp_path)
    with Case(tmp_path).stack as stack:
        yield Case(tmp_path, stack)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_it_is_one_line_with_cause_and_next_step(
    row: Row, case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    def heard() -> tuple[str, str]:
        out, err = capfd.readouterr()
        return out, err

    verdict = judged(row, case, heard)
    assert verdict.wrong is None, f"{verdict.wrong}: {verdict.said}"


def test_there_are_rows_enough_to_speak_of_a_share() -> None:
    assert len(ROWS) >= 150
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert LEAST >= 0.95
