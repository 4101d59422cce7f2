"""Many relays as one: dying, full, hanging, stopped; real agents, simulated toys, virtual time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from forwarder.sources.relays.bounds import LATE_S
from forwarder.sources.relays.choosing.choice import Obstacle
from forwarder.sources.relays.choosing.pins import How
from relay.agent import Agent
from relay.config import AgentConfig
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop
from tests.forwarder.sources.relays.test_source import Post, World, play


@dataclass
class House:
    """Relays that hear the same toys."""

    world: World
    toys: list[Toy]
    radios: dict[str, SimulatedRadio] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def relay(self, name: str, slots: int | None = None, **config: object) -> Post:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        radio = self.radios[name] = SimulatedRadio(self.toys, slots=slots, clock=loop.time_ns)
        agent = Agent(radio, AgentConfig(name=name, **config))  # type: ignore[arg-type]
        post = self.posts[name] = Post(name, self.toys, agent)
        self.tasks[name] = self.world.tasks.create_task(agent.run())
        self.world._running.append(self.tasks[name])
        self.world.link(post, name)
        return post

    async def dies(self, name: str) -> None:
        """As if its machine had burnt: nothing is said, its connections are lost."""
        post = self.posts[name]
        assert post.here is not None
        await post.here.close()
        self.radios[name].switch(False)

    def where(self) -> dict[int, str]:
        return {index: device.source for index, device in self.world.hub.devices.items()}


def house(world: World, toys: str = "Lovense Hush") -> House:
    return House(world, toys_by_name(toys))


async def until(done: object, within_s: float) -> float:
    """Wait for `done()`; returns how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within_s):
        while not done():  # type: ignore[operator]  # noqa: ASYNC110  # virtual time is cheap
            await asyncio.sleep(0.01)
    return loop.time() - began


def test_a_toy_whose_relay_dies_comes_back_at_another_with_the_same_index() -> None:
    async def scene(world: World) -> None:
        home = house(world, "Lovense Hush,Lovense Edge")
        for name in ("attic", "bath"):
            home.relay(name)
        await world.device(2)
        before = home.where()
        dead = before[0]
        (other,) = {"attic", "bath"} - {dead}
        world.hub.stop_scanning(world.client)
        await world.vibrates(5)
        await asyncio.sleep(LATE_S)
        await home.dies(dead)
        await until(lambda: set(home.where().values()) == {other} and len(home.where()) == 2, 3)
        assert set(home.where()) == set(before)
        await world.vibrates(7)
        assert home.toys[0].writes[-1] == b"Vibrate:7;"
        # The dead one is no relay any more once nothing of it is left.
        assert set(world.source.relays) == {other}

    play(scene)


def test_a_link_that_breaks_for_a_moment_moves_nothing() -> None:
    async def scene(world: World) -> None:
        home = house(world)
        for name in ("attic", "bath"):
            home.relay(name)
        device = await world.device()
        had = device.source
        await world.cut(home.posts[had])
        await asyncio.sleep(10)  # a connected toy does not advertise: nobody hears it
        world.link(home.posts[had], had)
        await asyncio.sleep(2)
        assert world.hub.devices[0] is device
        assert not world.source._finder.scanning or world.hub.scanning

    play(scene)


def test_a_full_relay_says_so_once_and_a_place_that_becomes_free_is_used_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(world: World) -> None:
        home = house(world, "Lovense Hush,Lovense Edge")
        home.relay("attic", max_peripherals=1)
        await world.device()
        await asyncio.sleep(5)
        assert caplog.text.count("waits: attic has no free place, 1 taken") == 1
        (here,) = world.hub.devices.values()
        here_toy = next(toy for toy in home.toys if toy.name == here.name)
        here_toy.in_range = False
        assert here_toy.on_link_lost is not None
        here_toy.on_link_lost("out of range")
        took = await until(lambda: _names(world) == {_other(home, here.name)}, 3)
        assert took < 0.5
        assert not any(tries for tries in _failures(world)), "the toy was not to blame"

    caplog.set_level(logging.WARNING)
    play(scene)


def test_a_radio_that_knows_its_places_is_asked_for_no_more_than_those(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(world: World) -> None:
        home = house(world, "Lovense Hush,Lovense Edge,Lovense Max,Lovense Nora")
        home.relay("attic", slots=2)
        await world.device(2)
        await asyncio.sleep(60)
        assert len(world.hub.devices) == 2
        assert "could not be opened" not in caplog.text
        # Of those that wait each gets its turn when one leaves.
        for _ in range(3):
            index = min(world.hub.devices)
            name = world.hub.devices[index].name
            toy = next(toy for toy in home.toys if toy.name == name)
            toy.in_range = False
            assert toy.on_link_lost is not None
            toy.on_link_lost("out of range")
            await until(lambda n=name: len(_names(world)) == 2 and n not in _names(world), 3)
            toy.in_range = True

    caplog.set_level(logging.WARNING)
    play(scene)


def test_a_toy_that_hangs_while_connecting_delays_no_other_and_gives_its_place_up() -> None:
    async def scene(world: World) -> None:
        home = house(world, "Lovense Hush,Lovense Edge")
        hangs, good = home.toys
        hangs.faults.stall({FaultPoint.CONNECT})
        good.in_range = False
        home.relay("attic", max_peripherals=1)
        world.hub.start_scanning(world.client)
        await until(lambda: any(relay.opening for relay in world.source.relays.values()), 3)
        good.in_range = True
        took = await until(lambda: _names(world) == {good.name}, 20)
        assert took < 6

    play(scene)


def test_one_place_that_is_free_has_one_toy_opened_of_all_that_wait_for_one() -> None:
    async def scene(world: World) -> None:
        home = house(world, "Lovense Hush,Lovense Edge,Lovense Nora,Lovense Max")
        home.relay("attic", max_peripherals=1)
        world.hub.start_scanning(world.client)
        await until(lambda: len(_names(world)) == 1, 3)
        attic, finder = world.source.relays["attic"], world.source._finder
        await until(lambda: len(finder._waiting) == 3, 5)
        attic.hello = replace(attic.hello, max_peripherals=2)
        finder.place_free(attic)
        assert len(finder._busy) == 2

    play(scene)


def test_a_place_stays_taken_until_the_relay_has_let_the_toy_go() -> None:
    async def scene(world: World) -> None:
        home = house(world)
        home.relay("attic", max_peripherals=1)
        device = await world.device()
        attic = world.source.relays["attic"]
        home.toys[0].faults.latency_of[FaultPoint.DISCONNECT] = 1.0
        world.source.let_go(device, "a test")
        assert (attic.free_slots, list(attic.leaving.values())) == (0, [home.toys[0].address])
        await until(lambda: not attic.leaving, 3)

    play(scene)


def test_no_other_relay_takes_a_toy_whose_wearer_has_stopped_it() -> None:
    async def scene(world: World) -> None:
        home = house(world)
        for name in ("attic", "bath"):
            home.relay(name)
        device = await world.device()
        had = device.source
        home.posts[had].agent.emergency_stop()
        await asyncio.sleep(1)
        home.radios[had].switch(False)
        await asyncio.sleep(30)
        assert not world.hub.devices
        (other,) = {"attic", "bath"} - {had}
        sighting = world.source._finder.sightings.get(home.toys[0].address)
        assert sighting is not None
        told = world.source._finder.verdicts(home.toys[0].address, sighting)
        assert {one.post.key: one.obstacle for one in told}[other] is Obstacle.WEARER

    play(scene)


@pytest.mark.parametrize("how", list(How))
def test_a_pin_is_obeyed(how: How) -> None:
    async def scene(world: World) -> None:
        home = house(world)
        world.source.pins.adopt({home.toys[0].address: {"bath": how}})
        for name in ("attic", "bath"):
            home.relay(name)
        device = await world.device()
        assert device.source == ("attic" if how is How.NEVER else "bath")
        await asyncio.sleep(LATE_S)
        await home.dies(device.source)
        await asyncio.sleep(5)
        moved = {How.NEVER: {"attic"}, How.ONLY: {"bath"}, How.PREFER: {"attic"}}[how]
        assert set(home.where().values()) == moved

    play(scene)


def test_the_choice_is_logged_and_kept_with_its_parts(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(world: World) -> None:
        home = house(world)
        for name in ("attic", "bath"):
            home.relay(name)
        device = await world.device()
        chosen = world.source.chosen(device.identity.address)
        assert chosen[0].post.name == device.source
        assert {one.post.name for one in chosen} == {"attic", "bath"}
        assert f"{device.source}: -55 = signal -55" in caplog.text

    caplog.set_level(logging.INFO)
    play(scene)


def _names(world: World) -> set[str]:
    return {device.name for device in world.hub.devices.values()}


def _other(home: House, name: str) -> str:
    return next(toy.name for toy in home.toys if toy.name != name)


def _failures(world: World) -> list[int]:
    return [sighting.failures for _, sighting in world.source._finder.sightings]
