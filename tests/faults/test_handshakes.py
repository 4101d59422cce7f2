"""Handshakes that move the toy, and end in the middle: it is stopped all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from relay.radio.simulated.faults import WRITES
from relay.radio.simulated.toy import ToyOperation
from tests.doubles.clock import run_virtual
from tests.faults import wire
from tests.faults.world import World, world

# Its first step sets both motors going, its second one stops them.
TOY = "WeVibe Sync"

End = Callable[[World], Coroutine[Any, Any, None]]


async def radio_fails(it: World) -> None:
    it.toy.faults.fail(1)


async def radio_hangs(it: World) -> None:
    it.toy.faults.stall(WRITES)
    it.loop.call_later(20, it.toy.faults.heal)


async def out_of_range(it: World) -> None:
    it.toy.vanish()
    it.loop.call_later(20, it.toy.appear)


async def link_breaks(it: World) -> None:
    await it.wire.cut()


async def hub_is_silent(it: World) -> None:
    it.wire.there = it.wire.back = wire.lost


async def wearer_pauses(it: World) -> None:
    it.agent.pause()


async def wearer_stops(it: World) -> None:
    it.agent.emergency_stop()


async def radio_fails_while_the_wearer_stops(it: World) -> None:
    it.toy.faults.fail(None)
    it.loop.call_later(8, it.toy.faults.heal)
    it.agent.emergency_stop()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "end",
    [
        radio_fails,
        radio_hangs,
        out_of_range,
        link_breaks,
        hub_is_silent,
        wearer_pauses,
        wearer_stops,
        radio_fails_while_the_wearer_stops,
    ],
)
def test_a_handshake_that_ends_in_the_middle_leaves_nothing_running(end: End, known: bool) -> None:
    async def run() -> None:
        async with world(TOY) as it:
            if not known:
                # After a failure the hub tries once without what it knows.
                it.toy.faults.refuse_connections(1)
            moved = it.loop.create_future()

            def look(operation: ToyOperation) -> None:
                if operation.op in WRITES and not it.toy.at_rest and not moved.done():
                    moved.set_result(None)
                    ends.append(asyncio.ensure_future(end(it)))

            ends: list[asyncio.Future[None]] = []
            it.toy.watch(look)
            it.toy.drop()
            await asyncio.wait_for(moved, 30)
            await asyncio.sleep(40)
            assert it.toy.at_rest
            await ends[0]

    run_virtual(run())
