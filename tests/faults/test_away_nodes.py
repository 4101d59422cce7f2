"""A toy that is driven from one node of a meeting point to another, when one of them dies; `make
faults` breaks what joins them, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults import away_nodes

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals"),
]

SHORT = [row for row in away_nodes.ROWS if row.place == "node of the hub"]


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row.name)
async def test_a_node_that_dies_stops_the_toy_and_another_one_carries_it_on(
    row: away_nodes.NodesRow, tmp_path: Path
) -> None:
    outcome = await away_nodes.play(row, tmp_path)
    print(f"\n{row.name}: {outcome}")
    assert not away_nodes.verdict(outcome)
