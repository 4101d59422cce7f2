"""Toys at two relays move at once, through links that take 5 to 40 ms and never twice the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue, StopCmd
from forwarder.hub.device import Device
from forwarder.sources.virtual.source import GroupRule, VirtualSource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.radio.simulated.catalogue import toy_at
from relay.radio.simulated.faults import WRITES
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop, run_virtual
from tests.doubles.delayed import delayed_pair
from tests.forwarder.sources.relays.test_source import World, _quietly

# What is promised: at the radio, two toys are never further apart.
SKEW_S = 0.005
# Beats that measure the relay's clock take so long (s).
MEASURED_S = 2.0


class TwoRooms:
    """A hub, a relay with a toy in each of two rooms, and a group of both."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.least_s, self.most_s = 0.005, 0.040
        self.toys = [toy_at("Lovense Hush", f"C4:4F:33:00:00:0{n}") for n in range(2)]
        self.agents: list[Agent] = []
        for n, toy in enumerate(self.toys):
            self._relay(f"room {n}", toy)
        groups = VirtualSource(world.hub, world.hub, [GroupRule("Both")], [])
        world.hub.sources.append(groups)
        world.hub.join(groups)

    def _relay(self, name: str, toy: Toy) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        agent = Agent(SimulatedRadio([toy], clock=loop.time_ns), AgentConfig(name=name))
        here, there = delayed_pair(
            lambda: self.random.uniform(self.least_s, self.most_s), (name, "hub")
        )
        tasks = self.world.tasks
        self.world._running += [
            tasks.create_task(agent.run()),
            tasks.create_task(_quietly(agent.serve_link(there))),
            tasks.create_task(_quietly(self.world._drive(here, name))),
        ]
        self.agents.append(agent)

    async def here(self) -> Device:
        self.world.hub.start_scanning(self.world.client)
        async with asyncio.timeout(60):
            while len(self.world.hub.devices) < 3:  # noqa: ASYNC110  # virtual time is cheap
                await asyncio.sleep(0.05)
        self.world.hub.stop_scanning(self.world.client)
        return next(d for d in self.world.hub.devices.values() if d.name == "Both")

    async def say(self, group: Device, value: int) -> None:
        command = OutputCmd(
            id=1,
            device_index=group.index,
            feature_index=0,
            command={OutputType.VIBRATE: OutputValue(value=value)},
        )
        outcome = self.world.hub.output(self.world.client, command)
        if outcome is not None:
            await outcome

    def orders(self, toy: int) -> list[tuple[float, bytes]]:
        """What reached the radio, and when (s)."""
        return [
            (op.t_ns / 1e9, op.data)
            for op in self.toys[toy].record
            if op.op in WRITES and op.data.startswith(b"Vibrate")
        ]

    def forget(self) -> None:
        for toy in self.toys:
            toy.record.clear()

    def skews(self) -> list[float]:
        """How far apart both radios were for each value that both got in the same order."""
        first, second = self.orders(0), self.orders(1)
        assert [data for _, data in first] == [data for _, data in second]
        return [abs(a - b) for (a, _), (b, _) in zip(first, second, strict=True)]


def live(scene: Callable[[TwoRooms], Awaitable[None]], seed: int = 1) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            world = World(tasks)
            await scene(TwoRooms(world, Random(seed)))
            world.end()

    run_virtual(run())


async def played(rooms: TwoRooms, group: Device, seconds: float, every_s: float = 0.1) -> None:
    """A value every so often, never twice the same."""
    for n in range(round(seconds / every_s)):
        told = asyncio.ensure_future(rooms.say(group, 10 + 90 * (n % 2) - n % 7))
        await asyncio.sleep(every_s)
        await told


@pytest.mark.parametrize("seed", range(4))
def test_two_toys_at_two_relays_are_never_five_milliseconds_apart(seed: int) -> None:
    async def scene(rooms: TwoRooms) -> None:
        group = await rooms.here()
        await played(rooms, group, MEASURED_S)
        rooms.forget()
        await played(rooms, group, 20)
        skews = rooms.skews()
        assert len(skews) == 200
        assert max(skews) <= SKEW_S

    live(scene, seed)


def test_without_times_they_are_as_far_apart_as_their_links() -> None:
    """What the one above would be worth if times did nothing."""

    async def scene(rooms: TwoRooms) -> None:
        group = await rooms.here()
        for device in rooms.world.hub.devices.values():
            device.lead = lambda: None  # type: ignore[method-assign]
        await played(rooms, group, 20)
        assert max(rooms.skews()) > 3 * SKEW_S

    live(scene)


def test_a_stop_overtakes_what_waits_for_its_time() -> None:
    async def scene(rooms: TwoRooms) -> None:
        group = await rooms.here()
        await played(rooms, group, MEASURED_S)
        rooms.forget()
        told = asyncio.ensure_future(rooms.say(group, 77))
        await asyncio.sleep(0.001)
        hub = rooms.world.hub
        await asyncio.gather(
            *hub.stop(rooms.world.client, StopCmd(id=2, device_index=group.index)),
            told,
            return_exceptions=True,
        )
        await asyncio.sleep(1)
        assert all(toy.at_rest for toy in rooms.toys)
        assert b"Vibrate:16;" not in {data for n in range(2) for _, data in rooms.orders(n)}

    live(scene)


def test_a_member_whose_link_is_slow_for_once_gets_its_value_all_the_same() -> None:
    async def scene(rooms: TwoRooms) -> None:
        group = await rooms.here()
        await played(rooms, group, MEASURED_S)
        rooms.forget()
        rooms.least_s = rooms.most_s = 0.3  # both, and longer than any value waits
        await rooms.say(group, 50)
        assert [data for _, data in rooms.orders(0)] == [b"Vibrate:10;"]
        assert [data for _, data in rooms.orders(1)] == [b"Vibrate:10;"]

    live(scene)


def test_what_waits_when_a_link_is_cut_is_not_carried_out() -> None:
    async def scene(rooms: TwoRooms) -> None:
        group = await rooms.here()
        await played(rooms, group, MEASURED_S)
        told = asyncio.ensure_future(rooms.say(group, 77))
        await asyncio.sleep(0.041)  # it is at both relays
        rooms.forget()
        rooms.world.end()
        await asyncio.gather(told, return_exceptions=True)
        await asyncio.sleep(2)
        assert all(toy.at_rest for toy in rooms.toys)
        assert b"Vibrate:16;" not in {data for n in range(2) for _, data in rooms.orders(n)}

    live(scene)
