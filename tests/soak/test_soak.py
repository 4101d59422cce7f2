from __future__ import annotations

import pytest

from tests.doubles.clock import run_virtual
from tests.soak.soak import CLIENTS, soak


@pytest.mark.parametrize("seed", [1, 2])
def test_many_clients_at_once_get_right_answers_and_leave_nothing_on(seed: int) -> None:
    counts = run_virtual(soak(40, seed))
    assert counts["killed"] >= CLIENTS
    assert counts["outputs"] > 500
    assert counts["looks"] >= 6
