"""A toy that two relays hear: a wearer's pause or stop at one holds at the other as well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.config import GRACE_S
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.toy import Toy
from tests.forwarder.sources.relays.test_source import Post, World, play


class House:
    """The same toy as `near` and `far` radios hear it; the hub has it at `attic`, running."""

    def __init__(self, world: World) -> None:
        self.world = world
        (self.near,), (self.far,) = toys_by_name("Lovense Hush"), toys_by_name("Lovense Hush")
        self.near.rssi, self.far.rssi = -45, -80
        self.attic = world.post_with("attic", [self.near])
        self.cellar = world.post_with("cellar", [self.far])

    async def runs_at_the_attic(self) -> None:
        self.world.link(self.attic, "a")
        self.world.link(self.cellar, "b")
        device = await self.world.device()
        assert device.source == "attic"
        await self.world.vibrates(10)

    async def nobody_else_has_it(self, for_s: float = 60) -> None:
        """However long it takes, and although a client scans."""
        self.world.hub.start_scanning(self.world.client)
        await asyncio.sleep(for_s)
        assert not _connected(self.far)
        assert [device.source for device in self.world.hub.devices.values()] in ([], ["attic"])

    async def somebody_has_it(self) -> str:
        self.world.hub.start_scanning(self.world.client)
        async with asyncio.timeout(60):
            while not self.world.hub.devices:  # noqa: ASYNC110  # virtual time is cheap
                await asyncio.sleep(0.1)
        return self.world.hub.devices[0].source


def _connected(toy: Toy) -> bool:
    return toy.connected or any(one.op.value == "connect" for one in toy.record)


def pause(post: Post) -> None:
    post.agent.pause()


def emergency(post: Post) -> None:
    post.agent.emergency_stop()


HOLDS = pytest.mark.parametrize("hold", [pause, emergency])
Hold = Callable[[Post], None]


def house(scene: Callable[[House], Awaitable[None]]) -> None:
    async def inside(world: World) -> None:
        it = House(world)
        await it.runs_at_the_attic()
        await scene(it)

    play(inside)


@HOLDS
def test_a_toy_that_is_lost_while_it_is_held_is_taken_by_nobody_else(hold: Hold) -> None:
    async def scene(it: House) -> None:
        hold(it.attic)
        await asyncio.sleep(1)
        it.near.vanish()
        await it.nobody_else_has_it()
        (held,) = it.world.source.held
        assert "attic" in held.why
        assert held.toy == "Lovense Hush"
        it.attic.agent.resume()
        assert await it.somebody_has_it() == "cellar"
        assert it.world.source.held == ()

    house(scene)


@HOLDS
def test_a_toy_that_was_lost_before_the_wearer_pressed_is_held_as_well(hold: Hold) -> None:
    async def scene(it: House) -> None:
        it.far.vanish()
        it.near.vanish()
        await asyncio.sleep(5)
        hold(it.attic)
        await asyncio.sleep(1)
        it.far.appear()
        await it.nobody_else_has_it()

    house(scene)


@HOLDS
def test_a_toy_that_does_not_take_its_stop_and_is_let_go_is_taken_by_nobody_else(
    hold: Hold,
) -> None:
    async def scene(it: House) -> None:
        it.near.faults.fail(None)
        hold(it.attic)
        await it.nobody_else_has_it()

    house(scene)


@HOLDS
def test_a_relay_that_goes_away_while_it_is_held_keeps_its_toys(hold: Hold) -> None:
    async def scene(it: House) -> None:
        hold(it.attic)
        await asyncio.sleep(1)
        await it.world.cut(it.attic)
        await it.nobody_else_has_it(GRACE_S + 60)
        it.world.link(it.attic, "a")
        await it.nobody_else_has_it()
        it.attic.agent.resume()
        assert await it.somebody_has_it() in ("attic", "cellar")

    house(scene)


@HOLDS
def test_a_hub_that_is_restarted_meanwhile_still_knows(hold: Hold) -> None:
    async def scene(it: House) -> None:
        hold(it.attic)
        await asyncio.sleep(1)
        for post in (it.attic, it.cellar):
            await it.world.cut(post)
        it.near.vanish()
        it.world = World(it.world.tasks, store=it.world.store)
        it.world.link(it.cellar, "b")
        await it.nobody_else_has_it()
        (kept,) = it.world.source.held
        assert kept.toy == "Lovense Hush"
        it.world.link(it.attic, "a")
        await it.nobody_else_has_it()
        it.attic.agent.resume()
        assert await it.somebody_has_it() == "cellar"
        it.world.end()

    house(scene)


@HOLDS
def test_a_revoked_relay_keeps_nothing(hold: Hold) -> None:
    async def scene(it: House) -> None:
        hold(it.attic)
        await asyncio.sleep(1)
        it.world.source.revoke("a")
        await asyncio.sleep(1)
        assert await it.somebody_has_it() == "cellar"

    house(scene)


@HOLDS
def test_pressing_stop_without_a_link_ends_the_toy_at_the_relay_that_took_over(hold: Hold) -> None:
    async def scene(it: House) -> None:
        await it.world.cut(it.attic)
        it.near.vanish()
        await asyncio.sleep(GRACE_S + 10)
        assert await it.somebody_has_it() == "cellar"
        await it.world.vibrates(7)
        hold(it.attic)
        it.world.link(it.attic, "a")
        await asyncio.sleep(1)
        assert it.far.at_rest
        assert not it.far.connected
        assert not it.world.hub.devices

    house(scene)


@pytest.mark.parametrize("away", [False, True])
def test_a_running_toy_that_another_relay_took_is_looked_for_no_more(away: bool) -> None:
    """Also when the one that lost it had no link meanwhile."""

    async def scene(it: House) -> None:
        it.near.vanish()
        await asyncio.sleep(0.1)
        assert it.attic.agent.status().debts
        if away:
            await it.world.cut(it.attic)
            await asyncio.sleep(GRACE_S + 10)
        assert await it.somebody_has_it() == "cellar"
        assert it.far.at_rest
        if away:
            assert it.attic.agent.status().debts
            it.world.link(it.attic, "a")
        await asyncio.sleep(1)
        assert it.attic.agent.status().debts == ()
        assert not any(relay.debts for relay in it.world.source.relays.values())

    house(scene)
