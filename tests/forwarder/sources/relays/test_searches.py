"""Toys that are looked for although no client asks; virtual time."""

from __future__ import annotations

import asyncio

from forwarder.sources.relays.bounds import MISSING_S, MOST_TOLD
from forwarder.sources.relays.searches import Searches
from tests.doubles.clock import run_virtual


class News:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def searches(news: News) -> Searches:
    return Searches(frozenset(), lambda address, for_s: None, news)


def test_a_toy_is_looked_for_for_its_time_and_no_longer_once_it_is_here() -> None:
    async def run() -> None:
        news = News()
        looked = searches(news)
        looked.add("T", MISSING_S)
        looked.add("U", MISSING_S)
        looked.end("U")
        assert "T" in looked
        assert "U" not in looked
        await asyncio.sleep(MISSING_S - 1)
        assert len(looked) == 1
        await asyncio.sleep(2)
        assert len(looked) == 0
        assert news.count == 4

    run_virtual(run())


def test_what_relays_make_up_is_bounded_and_ends_no_search_for_a_toy_that_was_here() -> None:
    async def run() -> None:
        looked = searches(News())
        looked.add("lost", MISSING_S)
        looked.add("lost", MISSING_S, told=True)
        for number in range(20 * MOST_TOLD):
            looked.add(f"{number}", MISSING_S, told=True)
        assert "lost" in looked
        assert len(looked) == MOST_TOLD + 1
        assert f"{20 * MOST_TOLD - 1}" in looked
        await asyncio.sleep(MISSING_S + 1)
        assert len(looked) == 0

    run_virtual(run())
