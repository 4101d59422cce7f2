"""Devices by cable and network under the faults of the matrix, in short. `make faults` runs and
measures all of it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from relay.link.messages import Stopped
from tests.faults import radios

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="needs terminals and signals"),
]

# How long a toy is watched here (s) once it is off.
QUIET_S = 0.5
# Each radio's own part in it; what is between hub and relay is the same for all of them.
OWN = ("kill -9", "pulled")
ALL = ("kill -9", "SIGSTOP", "pulled", "hung", "failing")
SHORT = [row for row in radios.ROWS if row.fault in (ALL if row.radio == "serial" else OWN)]


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row.name)
async def test_whatever_breaks_stops_the_toy_and_nothing_starts_it_again(
    row: radios.Row, tmp_path: Path
) -> None:
    outcome = await radios.play(row, tmp_path, QUIET_S)
    print(f"\n{row.name}: {outcome.off_ms} ms")
    assert not radios.verdict(row, outcome)


async def test_the_wearers_pause_is_told(tmp_path: Path) -> None:
    async with radios.world("serial", tmp_path) as it:
        os.kill(it.relay.pid, signal.SIGUSR1)
        assert (await it.hub.hear(Stopped)).ok
