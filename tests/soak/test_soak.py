from __future__ import annotations

import pytest

from tests.doubles.clock import run_virtual
from tests.soak.memory import EVERY_S, HOUR_S, MemoryTrend
from tests.soak.soak import CLIENTS, soak


@pytest.mark.parametrize("seed", [1, 2])
def test_many_clients_at_once_get_right_answers_and_leave_nothing_on(seed: int) -> None:
    counts = run_virtual(soak(40, seed))
    assert counts["killed"] >= CLIENTS
    assert counts["outputs"] > 500
    assert counts["looks"] >= 6


def test_a_trend_is_what_grows_once_all_is_warm() -> None:
    trend = MemoryTrend()
    assert trend.kib_per_hour() is None
    for number in range(48):
        now = number * EVERY_S
        assert trend.due(now)
        hours = now / HOUR_S
        trend.note(now, 50_000 + (10_000 * hours if hours < 2 else 20_000 + 100 * hours))
        assert not trend.due(now + EVERY_S / 2)
    assert trend.kib_per_hour() == pytest.approx(100)
