from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import MemoryChannel, channel_pair
from relay.link.errors import LinkError
from relay.link.messages import (
    Advertisements,
    Connected,
    Done,
    Packet,
    Scan,
    Wearer,
)
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop, run_virtual
from tests.doubles.linkhub import LinkHub

log = logging.getLogger(__name__)


@dataclass
class Bed:
    """An agent with simulated toys, and a hub that a test plays, linked in memory."""

    agent: Agent
    radio: SimulatedRadio
    hub: LinkHub
    channel: MemoryChannel
    links: asyncio.TaskGroup

    def toy(self) -> Toy:
        return self.radio.toys[0]

    async def relink(self) -> LinkHub:
        here, there = channel_pair()
        self.hub, self.channel = LinkHub(there), there
        self.links.create_task(serve(self.agent, here))
        self.links.create_task(self.hub.run())
        await self.hub.hear(Wearer)
        return self.hub


async def serve(agent: Agent, channel: MemoryChannel) -> None:
    try:
        await agent.serve_link(channel)
    except LinkError as error:
        log.info("the link ended: %s", error)


@asynccontextmanager
async def bed(names: str = "Aneros Vivi", config: AgentConfig | None = None) -> AsyncIterator[Bed]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    radio = SimulatedRadio(toys_by_name(names), clock=loop.time_ns)
    agent = Agent(radio, config or AgentConfig(name="attic"))
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        here, there = channel_pair()
        it = Bed(agent, radio, LinkHub(there), there, group)
        group.create_task(serve(agent, here))
        group.create_task(it.hub.run())
        await it.hub.hear(Wearer)
        yield it
        agent.close()
        await it.channel.close()


def handle(toy: Toy, role: str = "tx") -> int:
    return next(h for h, each in toy.handles.items() if each == role)


def test_scan_connect_arm_output_stop() -> None:
    async def main() -> None:
        async with bed() as it:
            hub, toy = it.hub, it.toy()
            hub.tell(Scan(True))
            found = await hub.hear(Advertisements)
            assert [item.address for item in found.items] == [toy.address]
            hub.tell(Scan(False))
            assert isinstance(await hub.connect(1, toy.address), Connected)
            tx = handle(toy)
            await hub.arm(1, Packet(tx, b"\xf1\x00", k=(1,), rest=True))
            assert await hub.output(1, Packet(tx, b"\xf1\x40", k=(1,))) == Done(3)
            assert toy.record[-1].data == b"\xf1\x40"
            assert await hub.stop(1, Packet(tx, b"\xf1\x00", k=(1,), rest=True)) == Done(4)
            assert toy.record[-1].data == b"\xf1\x00"

    run_virtual(main())
