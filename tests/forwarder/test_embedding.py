"""A relay in the hub's own process that goes on whatever happens; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.embedding import AGAIN_S, keep_linked, keep_running
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkRefused
from relay.radio.base import OnAdvertisement
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.doubles.clock import VirtualLoop, run_virtual

CATALOGUE = Catalogue.load(user=UserConfig())


class House:
    """A hub with a simulated radio of its own."""

    def __init__(self, radio: SimulatedRadio | None = None) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.toy = toys_by_name("Lovense Hush")[0]
        self.agent = Agent(radio or SimulatedRadio([self.toy]), AgentConfig(name="here"))
        self.hub = Hub(Store(None))
        self.relays = RelaySource("hub", CATALOGUE, UserConfig(), self.hub)
        self.hub.sources.append(self.relays)
        # Links begin while it is open.
        self.door = asyncio.Event()
        self.door.set()

    async def drive(self, channel: Channel) -> None:
        await self.door.wait()
        await self.relays.drive(channel, key="e")

    def linked(self) -> bool:
        return any(relay.link is not None for relay in self.relays.relays.values())

    async def until(self, true: Callable[[], bool], seconds: float) -> None:
        end = self.loop.time() + seconds
        while not true():
            assert self.loop.time() < end
            await asyncio.sleep(0.1)


def live(scene: Callable[[House], Awaitable[None]], radio: SimulatedRadio | None = None) -> None:
    async def main() -> None:
        house = House(radio)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(house.relays.run()),
                tasks.create_task(keep_running(house.agent)),
                tasks.create_task(keep_linked(house.agent, house.drive)),
            ]
            house.relays.scan(True)
            await scene(house)
            for task in running:
                task.cancel()

    run_virtual(main())


def test_after_the_process_stood_still_for_half_a_minute_everything_is_there_again() -> None:
    async def scene(house: House) -> None:
        await house.until(lambda: bool(house.hub.devices), 20)
        device = house.hub.devices[0]
        outcome = device.output(0, OutputType.VIBRATE, 20)
        assert outcome is not None
        await outcome
        assert any(house.toy.levels.values())
        house.loop.stand_still(30)
        await house.until(lambda: not any(house.toy.levels.values()), 1)
        await house.until(house.linked, 20)
        await house.until(lambda: 0 in house.hub.devices, 20)
        await asyncio.sleep(1)
        again = house.hub.devices[0].output(0, OutputType.VIBRATE, 20)
        assert again is not None
        await again

    live(scene)


def test_a_bug_in_the_relay_ends_neither_the_hub_nor_the_relay_for_good(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Buggy(SimulatedRadio):
        scans = 0

        async def scan(self, on_advertisement: OnAdvertisement) -> None:
            self.scans += 1
            if self.scans == 1:
                raise ZeroDivisionError
            await super().scan(on_advertisement)

    async def scene(house: House) -> None:
        await house.until(lambda: "it starts again" in caplog.text, 5)
        await house.until(lambda: bool(house.hub.devices), AGAIN_S + 20)

    live(scene, Buggy(toys_by_name("Lovense Hush")))


def test_a_link_that_is_refused_is_tried_more_slowly_and_the_end_of_the_agent_ends_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tries: list[float] = []

        class Refused:
            closing = False

            async def run(self) -> None:
                raise AssertionError("nobody runs it here")

            async def serve_link(self, channel: Channel) -> None:
                tries.append(loop.time())
                self.closing = len(tries) == 5
                raise LinkRefused("go away")

        async def hub_end(channel: Channel) -> None:
            with pytest.raises(ChannelClosed):
                await channel.receive()
            raise ChannelClosed

        await keep_linked(Refused(), hub_end)
        assert len(tries) == 5

    run_virtual(main())
