"""The meeting point under the faults of the matrix, in short. `make faults` runs all of them; with
whole programs in network namespaces it is killed, frozen and cut in tests/system/test_away.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults import away

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals"),
]

QUIET_S = 0.5
SHORT = [row for row in away.ROWS if row.fault in ("half-open", "duplicates")]


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row.name)
async def test_whatever_breaks_on_the_way_stops_the_toy(row: away.AwayRow, tmp_path: Path) -> None:
    outcome = await away.play(row, tmp_path, QUIET_S)
    print(f"\n{row.name}: {outcome.off_ms} ms")
    assert not away.verdict(row, outcome)
