"""Clients get another list at once, and what follows within a tenth of a second as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from forwarder.hub.bounds import AT_ONCE_BYTES, EVERY_S, SELDOM_S
from forwarder.hub.device_news import DeviceNews
from tests.doubles.clock import run_virtual


class Reader:
    def __init__(self) -> None:
        self.lists = 0

    def tell(self) -> None:
        self.lists += 1


class Room:
    def __init__(self, readers: int) -> None:
        self.readers = [Reader() for _ in range(readers)]
        self.bytes = 100
        self.news = DeviceNews(lambda: self.bytes)

    def changed(self) -> None:
        for reader in self.readers:
            self.news.want(reader.tell)

    @property
    def told(self) -> list[int]:
        return [reader.lists for reader in self.readers]


def play(readers: int, scene: Callable[[Room], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(Room(readers))

    run_virtual(main())


def test_a_burst_is_one_list_at_once_and_one_at_its_end() -> None:
    async def scene(it: Room) -> None:
        for _ in range(50):
            it.changed()
        await asyncio.sleep(0)
        assert it.told == [1, 1]
        await asyncio.sleep(EVERY_S / 2)
        for _ in range(50):
            it.changed()
        await asyncio.sleep(0)
        assert it.told == [1, 1]
        await asyncio.sleep(EVERY_S)
        assert it.told == [2, 2]
        await asyncio.sleep(10)
        assert it.told == [2, 2]

    play(2, scene)


def test_long_lists_go_to_one_client_in_a_pass_of_the_loop() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.changed()
        for told in ([1, 0, 0], [1, 1, 0], [1, 1, 1]):
            await asyncio.sleep(0)
            assert it.told == told

    play(3, scene)


def test_who_has_the_list_of_before_gets_the_one_that_changed_meanwhile() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.changed()
        await asyncio.sleep(0)
        it.changed()  # two of them have not been told of the first yet
        await asyncio.sleep(SELDOM_S + 1)
        assert it.told == [2, 1, 1]

    play(3, scene)


def test_many_long_lists_are_seldom_and_not_rarer_than_people_notice() -> None:
    async def scene(it: Room) -> None:
        it.bytes = 10 * AT_ONCE_BYTES
        it.changed()
        await asyncio.sleep(0.1)
        assert it.told == [1] * 100
        it.changed()
        await asyncio.sleep(SELDOM_S - 0.2)
        assert max(it.told) == 1
        await asyncio.sleep(0.2)
        assert min(it.told) == 2

    play(100, scene)


def test_who_left_and_a_hub_that_has_ended_tell_nobody() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.changed()
        await asyncio.sleep(0)
        it.news.forget(it.readers[1].tell)
        it.changed()
        it.news.close()
        await asyncio.sleep(SELDOM_S + 1)
        assert it.told == [1, 0, 0]

    play(3, scene)
