"""Who is read when: one flood in a pass of the loop, and no wait for who says little."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from forwarder.clients.budget import Budget
from forwarder.clients.turns import ReadTurn, TurnQueue
from forwarder.connectors.bounds import STEP_S, TURN_MESSAGES, TURN_S
from tests.doubles.clock import VirtualLoop, run_virtual


def new_turn(turns: TurnQueue, budget: Budget | None = None) -> ReadTurn:
    return ReadTurn(turns, budget, asyncio.get_running_loop().time)


async def flood(turn: ReadTurn, read: list[int], number: int) -> None:
    while True:
        turn.left -= TURN_MESSAGES
        await turn.others()
        read.append(number)


async def passes_of(turn: ReadTurn) -> int:
    """For how many passes of the loop `turn` waits for the others."""
    count = 0

    async def tick() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    ticking = asyncio.create_task(tick())
    turn.left -= TURN_MESSAGES
    await turn.others()
    ticking.cancel()
    return count


def test_of_all_that_flood_one_is_read_in_a_pass_and_each_in_its_turn() -> None:
    async def run() -> None:
        turns, read = TurnQueue(), list[int]()
        floods = [asyncio.create_task(flood(new_turn(turns), read, n)) for n in range(50)]
        most = 0
        for _ in range(500):
            before = len(read)
            await asyncio.sleep(0)
            most = max(most, len(read) - before)
        for task in floods:
            task.cancel()
        assert most == 1
        assert len(read) > 200
        assert max(read.count(n) for n in range(50)) - min(read.count(n) for n in range(50)) <= 1

    run_virtual(run())


def test_who_says_less_than_a_turn_in_its_time_waits_for_no_flood() -> None:
    async def run() -> None:
        turns = TurnQueue()
        calm, fast = new_turn(turns), new_turn(turns)
        floods = [asyncio.create_task(flood(new_turn(turns), [], n)) for n in range(50)]
        await asyncio.sleep(0)
        assert await passes_of(fast) > 40
        for task in floods:
            task.cancel()
        await asyncio.sleep(2 * TURN_S)
        floods = [asyncio.create_task(flood(new_turn(turns), [], n)) for n in range(50)]
        await asyncio.sleep(0)
        assert await passes_of(calm) <= 2
        for task in floods:
            task.cancel()

    run_virtual(run())


def test_above_its_budget_a_peer_waits_by_the_clock() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        turn = new_turn(TurnQueue(), Budget(rate=100, burst=10, now=loop.time()))
        began = loop.time()
        turn.left -= 110
        await turn.others()
        assert 0.99 < loop.time() - began < 1.01
        assert turn.left == TURN_MESSAGES
        began = loop.time()
        await turn.others(cost=50)  # what it was asked for is not counted
        assert 0.49 < loop.time() - began < 0.51

    run_virtual(run())


def test_who_floods_has_a_turn_of_so_much_time_of_the_processor_whatever_it_says_in_it() -> None:
    async def run() -> None:
        spent = [0.0]
        turns = TurnQueue(cpu=lambda: spent[0], clock=lambda: spent[0])
        turn = new_turn(turns)
        spent[0] += 10 * STEP_S
        assert not turn.over, "who says little is not looked at"
        turn.left -= TURN_MESSAGES
        assert turn.over
        await turn.others()
        turn.left -= 1
        assert not turn.over
        spent[0] += 1.1 * STEP_S
        assert turn.over
        await asyncio.sleep(TURN_S)
        await turn.others()  # one message in that time: it floods no more
        spent[0] += 10 * STEP_S
        assert not turn.over

    run_virtual(run())


def test_the_system_is_asked_for_the_processors_time_only_when_a_step_may_be_over() -> None:
    async def run() -> None:
        at, asked = [0.0], [0]

        def cpu() -> float:
            asked[0] += 1
            return at[0] / 2  # it had half of a processor

        turns = TurnQueue(cpu=cpu, clock=lambda: at[0])
        await turns.next()
        asked[0] = 0
        at[0] += STEP_S
        assert not turns.over
        assert not asked[0]
        at[0] += STEP_S / 2
        assert not turns.over
        at[0] += STEP_S
        assert turns.over
        assert asked[0] == 2

    run_virtual(run())


def test_after_a_step_that_was_long_those_that_flood_rest_for_four_times_as_long() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        turns, began = TurnQueue(), loop.time()
        resting = asyncio.create_task(turns.rest(0.01))
        await asyncio.sleep(0)
        await turns.next()
        assert 0.0399 < loop.time() - began < 0.05
        await resting

    run_virtual(run())


def test_between_two_turns_of_a_paced_queue_there_is_a_pause() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        turns, began = TurnQueue(0.01), loop.time()
        await asyncio.gather(*(turns.next() for _ in range(5)))
        assert loop.time() - began >= 0.0499

    run_virtual(run())


def test_what_takes_long_begins_as_much_later_as_a_pass_of_the_loop_took() -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        turns, began = TurnQueue(), list[float]()

        async def begin() -> None:
            await turns.spare()
            began.append(loop.time())
            loop.call_soon(loop.stand_still, 0.1)  # what it brings, in the next pass

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(begin())
        return began

    first, *others = run_virtual(run())
    assert first < 0.01
    gaps = [b - a for a, b in pairwise([first, *others])]
    assert all(0.19 < gap < 0.31 for gap in gaps), gaps


def test_a_loop_that_has_nothing_else_to_do_keeps_nobody_waiting() -> None:
    async def run() -> float:
        turns = TurnQueue()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(1000):
                tasks.create_task(turns.spare())
        return asyncio.get_running_loop().time()

    assert run_virtual(run()) < 0.01
