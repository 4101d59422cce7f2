from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.radio.turns import Turns
from tests.doubles.clock import run_virtual


class Bench:
    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self.crowded: list[str] = []
        self._tasks = tasks

    def start(self, name: str, for_s: float = 1.0) -> asyncio.Task[None]:
        return self._tasks.create_task(self._take(name, for_s))

    async def _take(self, name: str, for_s: float) -> None:
        async with self.turns.mine(name, lambda: self.crowded.append(name)):
            self.order.append(name)
            await asyncio.sleep(for_s)


def play(scene: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def main() -> Bench:
        async with asyncio.TaskGroup() as tasks:
            bench = Bench(tasks)
            await scene(bench)
        return bench

    return run_virtual(main())


def test_one_at_a_time_in_the_order_in_which_they_came() -> None:
    async def scene(bench: Bench) -> None:
        for name in "abc":
            bench.start(name)
        await asyncio.sleep(1.5)
        assert bench.order == ["a", "b"]

    assert play(scene).order == ["a", "b", "c"]


def test_who_failed_comes_behind_who_did_not_until_it_worked() -> None:
    async def scene(bench: Bench) -> None:
        bench.turns.failed("edge")
        for name in ("first", "edge", "table"):
            bench.start(name)
        await asyncio.sleep(10)
        bench.turns.worked("edge")
        for name in ("first", "edge", "table"):
            bench.start(name)

    assert play(scene).order == ["first", "table", "edge", "first", "edge", "table"]


def test_whoever_has_the_turn_is_told_that_others_wait() -> None:
    async def scene(bench: Bench) -> None:
        bench.start("alone")
        await asyncio.sleep(5)
        assert bench.crowded == []
        for name in "abc":
            bench.start(name)

    # At first by each that comes; the next one while it begins; the last has nobody behind it.
    assert play(scene).crowded == ["a", "a", "b"]


@pytest.mark.parametrize("when", [0.5, 1.0])
def test_whoever_gives_up_waiting_keeps_nobody_else(when: float) -> None:
    async def scene(bench: Bench) -> None:
        bench.start("a")
        await asyncio.sleep(0)
        waiting = bench.start("b")
        bench.start("c")
        await asyncio.sleep(when)
        waiting.cancel()

    order = play(scene).order
    assert order[0] == "a"
    assert order[-1] == "c"


def test_what_is_remembered_of_failures_is_bounded() -> None:
    async def scene(bench: Bench) -> None:
        for number in range(10_000):
            bench.turns.failed(str(number))
        assert len(bench.turns._failures) <= 256

    play(scene)
