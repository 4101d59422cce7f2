"""What means harm at a meeting point, two seconds each: a good pair goes on, and who comes after is
let in. `python -m tests.hostile.visitors` does it with a thousand and prints figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hostile.visitors import attacked

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
    pytest.mark.timeout(60),
]
# Of half a gigabyte.
GREW_MIB = 64.0


@pytest.mark.parametrize("kind", ["share flood", "false hubs"])
async def test_whatever_a_visitor_does_a_good_pair_goes_on(kind: str, tmp_path: Path) -> None:
    figures = await attacked(tmp_path, kind, peers=300, rate_hz=10, seconds=1.5)
    assert figures.acts_s > 0
    assert figures.lost == 0
    assert figures.grew_mib < GREW_MIB
    assert "Traceback" not in figures.said
