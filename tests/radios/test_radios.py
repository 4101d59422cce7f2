"""Four relays of three radios each, twelve toys, noise of 8 dB: the short form of `make radios`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.radios.house import live, random_deaths, random_losses


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Each of these lives says a thousand lines."""
    loud = logging.root.manager.disable
    logging.disable(logging.WARNING)
    yield
    logging.disable(loud)


def test_toys_that_are_lost_come_back_by_the_radio_that_had_them_and_no_place_leaks() -> None:
    report = live(random_losses(200, hours=0.05), seed=1)
    assert report.losses == 200
    assert report.moved == []
    assert report.share(1.0) < 10


def test_attempts_that_fail_leak_no_place_and_cost_no_toy() -> None:
    report = live(random_losses(200, hours=0.05), seed=2, fails=0.2)
    assert report.moved == []
    assert report.excused > 0


def test_toys_of_a_dead_radio_or_relay_come_back_elsewhere_with_their_index() -> None:
    report = live(random_deaths(12), seed=3)
    assert len(report.back_s) == report.losses > 10
    assert report.share(0.95) <= 3
