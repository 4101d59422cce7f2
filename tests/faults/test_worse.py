"""Each fault of the matrix once more, in the moments and with the toys that make it worse.

A stop of one motor of two is under way: what it writes sets the other one again (a packet holds
both). A write has just failed: nobody knows what the toy does. The toy is fed many times a second:
what keeps it connected is what ran.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.clock import run_virtual
from tests.faults import matrix
from tests.faults.matrix import Row
from tests.faults.world import World

TWO_MOTORS = "WeVibe Sync"  # both in one packet
TWO_KINDS = "Lovense Nora"  # vibrates and rotates, a packet each
FED = "MysteryVibe Crescendo"  # six motors in one packet, again every 93 ms
# Those of the matrix that need no stop behind them, and are not about disks.
ROWS = [row for row in matrix.ROWS if not row.then and not row.disk]

Before = Callable[[World], Awaitable[None]]


async def one_motor_is_being_stopped(it: World) -> None:
    it.client.send("StopCmd", DeviceIndex=0, FeatureIndex=0, Inputs=False, Outputs=True)
    await it.client.flush()


async def a_write_fails(it: World) -> None:
    it.toy.faults.fail(1)


async def nothing(it: World) -> None:
    pass


def worse(row: Row, before: Before) -> Row:
    async def inflict(it: World) -> float | None:
        await before(it)
        return await row.inflict(it)

    return replace(row, inflict=inflict)


@pytest.mark.parametrize(
    ("toy", "before"),
    [
        pytest.param(TWO_MOTORS, one_motor_is_being_stopped, id="one motor is being stopped"),
        pytest.param(TWO_KINDS, a_write_fails, id="a write fails"),
        pytest.param(FED, nothing, id="it is fed"),
    ],
)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_the_toy_is_stopped_and_nothing_starts_it_again(
    row: Row, toy: str, before: Before, tmp_path: Path
) -> None:
    outcome = run_virtual(matrix.play(worse(row, before), toy, tmp_path))
    assert not matrix.verdict(row, outcome)
