"""How long patterns run in the hub, and how many: rows of the table in `play`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from forwarder.clients.bounds import LEASE_S
from forwarder.errors import (
    UnknownPlay,
)
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.play.outputs import OutputChoice
from forwarder.play.play import TICK_S, Renewal
from forwarder.play.plays import Plays
from tests.doubles.clock import VirtualLoop
from tests.forwarder.play.house import RAMP, STEADY, PlayHouse, live, renewed

# --- how long -------------------------------------------------------------------------------------


def test_a_play_whose_page_says_nothing_any_more_is_stopped_within_a_second() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start().id
        await renewed(house, id, 3)
        assert house.stops(0) == 0
        assert "Steady (pattern)" in house.names
        await asyncio.sleep(LEASE_S + 0.001)
        assert house.stops(0) == house.stops(1) == 1
        assert (
            house.names == ["app", "Groups and stand-ins"] or "Steady (pattern)" not in house.names
        )
        for act in (house.plays.renew, house.plays.end, house.plays.state):
            with pytest.raises(UnknownPlay):
                act(id)

    live(scene)


def test_a_play_is_stopped_though_words_of_a_closed_page_keep_arriving() -> None:
    """They are sent each 0.25 s, and are on their way for longer and longer, up to 3 s."""

    async def scene(house: PlayHouse) -> None:
        now = asyncio.get_running_loop().time
        id = house.start(begun_ms=0.0).id
        began, heard = now(), 0.0
        for number in range(1, 20):
            sent = number * 0.25
            await asyncio.sleep(began + sent + min(3.0, sent / 3) - now())
            if number == 6:  # closed: 1.5 s after the beginning
                assert house.stops(0) == 0
            try:
                house.plays.renew(id, Renewal(at=sent * 1000, heard=heard))
            except UnknownPlay:
                break
            heard = sent * 1000
            assert now() - began < sent + LEASE_S + TICK_S
        assert house.stops(0) == house.stops(1) == 1

    live(scene)


def test_one_that_stays_goes_on_by_itself_for_its_time() -> None:
    async def scene(house: PlayHouse) -> None:
        house.start(STEADY, for_s=5, stays=True)
        await asyncio.sleep(4.9)
        assert house.stops(0) == 0
        await asyncio.sleep(0.11)
        assert house.stops(0) == 1
        assert house.plays.states == ()

    live(scene)


def test_a_timer_ends_it_while_its_page_is_there() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(STEADY, for_s=1).id
        with pytest.raises(UnknownPlay):
            await renewed(house, id, 3)
        assert house.stops(0) == 1

    live(scene)


def test_a_loop_that_stood_still_ends_what_was_not_renewed_before_it_tells_anything() -> None:
    async def scene(house: PlayHouse) -> None:
        house.start(RAMP)
        house.calls(0)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stand_still(2)
        await asyncio.sleep(0.2)
        assert [call[0] for call in house.calls(0)] == ["stop"]

    live(scene)


def test_plays_are_made_before_there_is_a_loop() -> None:
    """As the program makes all its parts."""
    assert Plays(Hub(Store(None)))._players == {}


def test_a_change_holds_from_the_next_beat_on_and_says_that_its_page_is_there() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(STEADY, OutputChoice(0, 0)).id
        for strength in (0.6, 0.7, 0.8):
            await asyncio.sleep(0.5)
            house.plays.change(id, replace(STEADY, strength=strength))
        await asyncio.sleep(TICK_S)
        assert house.values(0) == [10, 12, 14, 16]
        assert house.plays.state(id).setting.strength == 0.8
        with pytest.raises(UnknownPlay):
            house.plays.change("another", STEADY)

    live(scene)


def test_another_time_ends_it_then_to_the_millisecond() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(STEADY, for_s=60, stays=True).id
        await asyncio.sleep(1)
        house.plays.give(id, for_s=0.15, stays=True)
        await asyncio.sleep(0.149)
        assert house.stops(0) == 0
        await asyncio.sleep(0.002)
        assert house.stops(0) == 1

    live(scene)


def test_all_play_in_one_beat() -> None:
    async def scene(house: PlayHouse) -> None:
        await asyncio.sleep(0.033)
        times: list[float] = []
        house.start(RAMP, OutputChoice(0, 0), for_s=9, stays=True)
        await asyncio.sleep(0.051)
        house.start(RAMP, OutputChoice(1, 0), for_s=9, stays=True)
        for driver in house.drivers[:2]:
            driver.calls.clear()
        now = asyncio.get_running_loop().time
        for _ in range(400):
            before = len(house.drivers[0].calls) + len(house.drivers[1].calls)
            await asyncio.sleep(0.001)
            if len(house.drivers[0].calls) + len(house.drivers[1].calls) > before:
                times.append(round(now() / TICK_S, 1) % 1)
        assert len(times) >= 3
        assert {min(beat, 1 - beat) for beat in times} <= {0.0, 0.1}

    live(scene)


def test_nothing_ticks_when_nothing_plays() -> None:
    async def scene(house: PlayHouse) -> None:
        house.plays.end(house.start(STEADY).id)
        await asyncio.sleep(0.2)
        assert house.plays._timer is None
        house.start(STEADY)
        house.plays.close()
        assert house.plays._timer is None
        assert house.stops(0) == 2

    live(scene)
