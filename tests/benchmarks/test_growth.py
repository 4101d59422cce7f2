"""What concerns one device costs the same in any house, and what concerns all grows as they do."""

from __future__ import annotations

import pytest

from tests.benchmarks import growth

FEW, TIMES = 25, 4


@pytest.fixture(scope="module")
def costs() -> tuple[dict[str, int], dict[str, int]]:
    return growth.measure(FEW), growth.measure(FEW * TIMES)


@pytest.mark.parametrize("what", growth.EACH)
def test_one_device_costs_the_same_among_many(
    costs: tuple[dict[str, int], dict[str, int]], what: str
) -> None:
    few, many = costs
    assert 0 < many[what] <= 1.1 * few[what]


@pytest.mark.parametrize("what", growth.ALL)
def test_all_devices_cost_as_much_as_there_are(
    costs: tuple[dict[str, int], dict[str, int]], what: str
) -> None:
    few, many = costs
    assert 0 < many[what] <= 1.1 * TIMES * few[what]


def test_everything_that_is_counted_is_held(costs: tuple[dict[str, int], dict[str, int]]) -> None:
    assert set(costs[0]) == {*growth.EACH, *growth.ALL}
