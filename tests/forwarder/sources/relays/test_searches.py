"""Toys that are looked for although no client asks; virtual time."""

from __future__ import annotations

import asyncio
from typing import cast

from forwarder.sources.relays.bounds import MISSING_S, MOST_TOLD
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.searches import Debtors, Searches
from relay.link.messages import VERSION, Forget, Hello
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


class Linked:
    """What relays are told to forget, by their key."""

    def __init__(self, *keys: str) -> None:
        self.forgotten: list[tuple[str, str]] = []
        self.relays = {key: self._relay(key) for key in keys}
        self.debtors = Debtors(self.relays)

    def _relay(self, key: str) -> Relay:
        relay = Relay(key, key, Hello(VERSION, key))
        relay.link = self._link(key)
        return relay

    def _link(self, key: str) -> RelayLink:
        told = self.forgotten

        class Link:
            def next_id(self) -> int:
                return 1

            def request(self, forget: Forget) -> None:
                told.append((key, forget.address))

        return cast("RelayLink", Link())


def test_what_another_relay_has_need_not_be_looked_for() -> None:
    it = Linked("attic", "cellar", "desk")
    it.debtors.told("attic", {"T": "Hush", "U": ""})
    it.debtors.told("cellar", {"T": "Hush"})
    it.debtors.here("T", "desk")
    assert it.forgotten == [("attic", "T"), ("cellar", "T")]
    it.debtors.here("U", "attic")
    assert len(it.forgotten) == 2, "its own it need not be told of"
    it.debtors.told("cellar", {"T": "Hush", "V": ""})
    assert it.forgotten[2:] == [("cellar", "T")]
    it.debtors.gone("T")
    it.debtors.told("desk", {"T": "Hush"})
    assert len(it.forgotten) == 3


def test_who_looks_for_nothing_any_more_is_told_nothing() -> None:
    it = Linked("attic", "cellar")
    it.debtors.told("attic", {"T": "Hush"})
    it.debtors.told("cellar", {"T": "Hush"})
    it.debtors.told("attic", {})
    it.debtors.stopped("T")
    assert it.forgotten == [("cellar", "T")]
    it.relays["cellar"].link = None
    it.debtors.stopped("T")
    assert len(it.forgotten) == 1
