"""Clients hear of another list at once, and of what follows within a tenth of a second as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from forwarder.hub.device_news import AT_ONCE_BYTES, EVERY_S, SELDOM_S, DeviceNews
from tests.doubles.clock import run_virtual
from tests.forwarder.hub.test_hub import FakeClient


class Room:
    def __init__(self, clients: int) -> None:
        self.clients = [FakeClient(str(number)) for number in range(clients)]
        self.bytes = 100
        self.news = DeviceNews(lambda: self.clients, lambda: self.bytes)

    @property
    def told(self) -> list[int]:
        return [len(client.told) for client in self.clients]


def play(clients: int, scene: Callable[[Room], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(Room(clients))

    run_virtual(main())


def test_a_burst_is_one_list_at_once_and_one_at_its_end() -> None:
    async def scene(it: Room) -> None:
        for _ in range(50):
            it.news.changed()
        assert it.told == [1, 1]
        await asyncio.sleep(EVERY_S / 2)
        it.news.changed()
        assert it.told == [1, 1]
        await asyncio.sleep(EVERY_S)
        assert it.told == [2, 2]
        await asyncio.sleep(10)
        assert it.told == [2, 2]

    play(2, scene)


def test_long_lists_come_to_one_client_after_the_other() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.news.changed()
        assert it.told == [1, 0, 0]
        for _ in range(3):
            await asyncio.sleep(0)
        assert it.told == [1, 1, 1]

    play(3, scene)


def test_what_changes_while_clients_are_told_is_told_to_all() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.news.changed()
        it.news.changed()  # the first client has the list of before
        await asyncio.sleep(SELDOM_S + 1)
        assert it.told == [2, 2, 2]

    play(3, scene)


def test_many_long_lists_are_seldom_and_not_rarer_than_people_notice() -> None:
    async def scene(it: Room) -> None:
        it.bytes = 10 * AT_ONCE_BYTES
        it.news.changed()
        it.news.changed()
        await asyncio.sleep(SELDOM_S - 0.01)
        assert max(it.told) == 1
        await asyncio.sleep(0.1)
        assert min(it.told) == 2

    play(100, scene)


def test_who_left_and_a_hub_that_has_ended_tell_nobody() -> None:
    async def scene(it: Room) -> None:
        it.bytes = AT_ONCE_BYTES
        it.news.changed()
        it.news.forget(it.clients[1])
        it.news.changed()
        it.news.close()
        await asyncio.sleep(SELDOM_S + 1)
        assert it.told == [1, 0, 0]

    play(3, scene)
