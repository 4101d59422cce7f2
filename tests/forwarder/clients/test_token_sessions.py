"""Guests stay for as long as their token holds. Virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from forwarder.access.tokens import TokenGrant
from forwarder.clients.token_sessions import TokenSessions
from relay.link.channel import channel_pair
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual


class Door:
    """A book of tokens that the test revokes by hand; the wall clock is the loop's."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.guests = TokenSessions(self.holds, lambda: asyncio.get_running_loop().time())

    def holds(self, grant: TokenGrant) -> bool:
        now = asyncio.get_running_loop().time()
        in_time = grant.expires is None or now < grant.expires
        return grant.name not in self.revoked and in_time


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_session_ends_when_its_token_expires() -> None:
    async def main() -> float:
        here, there = channel_pair(names=("hub", "guest"))
        await Door().guests.serve(here, TokenGrant("g", expires=90), forever)
        with pytest.raises(ChannelClosed) as closed:
            await there.receive()
        assert closed.value.code == 1008
        return asyncio.get_running_loop().time()

    assert 90 <= run_virtual(main()) < 90.1


def test_a_token_that_ends_before_the_next_look_ends_the_session_in_time() -> None:
    async def main() -> float:
        here, _ = channel_pair(names=("hub", "guest"))
        await Door().guests.serve(here, TokenGrant("g", expires=10), forever)
        return asyncio.get_running_loop().time()

    assert 10 <= run_virtual(main()) < 10.1


def test_looking_costs_little() -> None:
    class Counting(Door):
        looks = 0

        def holds(self, grant: TokenGrant) -> bool:
            self.looks += 1
            return True  # its clock is behind ours

    async def main() -> Counting:
        door = Counting()
        here, _ = channel_pair(names=("hub", "guest"))

        async def two_hours() -> None:
            await asyncio.sleep(7200)

        await door.guests.serve(here, TokenGrant("g"), two_hours)
        assert door.looks <= 7200 / 60 + 1
        door.looks = 0
        await door.guests.serve(here, TokenGrant("g", expires=0), partial(asyncio.sleep, 1))
        return door

    assert 90 <= run_virtual(main()).looks <= 101, (
        "one that is over is looked at a hundred times a second"
    )


def test_a_session_ends_when_its_token_is_revoked_and_others_go_on() -> None:
    async def main() -> None:
        door = Door()
        ends = []

        async def visit(name: str) -> None:
            here, _ = channel_pair(names=("hub", name))
            await door.guests.serve(here, TokenGrant(name), forever)
            ends.append(name)

        async with asyncio.TaskGroup() as tasks:
            visits = [tasks.create_task(visit(name)) for name in ("a", "a", "b")]
            await asyncio.sleep(1)
            assert door.guests.end(TokenGrant("a")) == 2
            await asyncio.sleep(1)
            assert ends == ["a", "a"]
            visits[2].cancel()

    run_virtual(main())


def test_a_session_that_ends_by_itself_is_forgotten() -> None:
    async def main() -> None:
        door = Door()
        grant = TokenGrant("g")
        here, _ = channel_pair(names=("hub", "guest"))

        async def short() -> None:
            assert door.guests.count(grant) == 1

        await door.guests.serve(here, grant, short)
        assert door.guests.count(grant) == 0

    run_virtual(main())


def test_a_token_that_is_over_by_other_ways_is_noticed_within_a_minute() -> None:
    async def main() -> float:
        door = Door()
        here, _ = channel_pair(names=("hub", "guest"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(door.guests.serve(here, TokenGrant("g"), forever))
            await asyncio.sleep(1)
            door.revoked.add("g")
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) <= 61
