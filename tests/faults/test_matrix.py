"""The fault matrix in short: each combination with one toy. `make faults` runs and measures all."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.clock import run_virtual
from tests.doubles.fake_bluez_process import require_dbus_daemon
from tests.faults import houses, matrix

TOYS = matrix.TOYS
# How long after a stop the toy is watched here (s); it is three times that with `make faults`.
QUIET_S = 1.0

VIRTUAL = [
    pytest.param(row, TOYS[number % len(TOYS)], id=row.name)
    for number, row in enumerate(matrix.ROWS)
]
PROCESSES = [
    pytest.param(row, TOYS[number % len(TOYS)], id=row.name)
    for number, row in enumerate(houses.ROWS)
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="full disks are made of /dev/full")
@pytest.mark.parametrize(("row", "toy"), VIRTUAL)
def test_whatever_breaks_stops_the_toy_and_nothing_starts_it_again(
    row: matrix.Row, toy: str, tmp_path: Path
) -> None:
    outcome = run_virtual(matrix.play(row, toy, tmp_path))
    assert not matrix.verdict(row, outcome)


@pytest.mark.skipif(sys.platform != "linux", reason="needs BlueZ's stand-in, D-Bus and signals")
@pytest.mark.parametrize(("row", "toy"), PROCESSES)
async def test_whatever_process_breaks_the_toy_is_stopped(
    row: houses.Row, toy: str, tmp_path: Path
) -> None:
    require_dbus_daemon()
    short = replace(row, quiet_s=min(row.quiet_s, QUIET_S))
    outcome = await houses.play(short, toy, tmp_path)
    print(f"\n{row.name}: {outcome.off_ms} ms")
    assert not houses.verdict(row, outcome)


def test_there_are_enough_combinations() -> None:
    names = [row.name for row in matrix.ROWS] + [row.name for row in houses.ROWS]
    assert len(set(names)) == len(names) >= 60
    assert {row.place for row in matrix.ROWS} >= {"client", "hub", "relay", "link", "radio"}
