"""A real relay with one simulated toy, paired: `python -m tests.benchmarks.relay PORT HUB_KEY`.

As `relay run` is, but for the files in which a pairing is kept: the hub of that key at
127.0.0.1:PORT knows it as relay 0 of `tests.benchmarks.scale`.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.hubs import HubTarget, dial_place
from relay.hub_link.paired import PairedHub
from relay.hub_link.uplink import Uplink
from relay.link.security.pairing import KnownHub
from relay.link.tasks.event_loop import new_event_loop
from relay.radio.simulated.catalogue import catalogue, find
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.benchmarks.swarm import key_of, name_of

TOY = "Lovense Hush"
ADDRESS = "C0:00:00:00:00:00"


async def _looks_nowhere(key: bytes) -> tuple[str, ...]:
    return ()


async def relay(port: int, hub_key: bytes) -> None:
    model, _ = find(TOY, catalogue())
    agent = Agent(SimulatedRadio([Toy(model, ADDRESS)]), AgentConfig(name=name_of(0)))
    hub = KnownHub(hub_key, "hub", (f"ws://127.0.0.1:{port}/link",))
    paired = PairedHub(hub, key_of(0), None, dial_place, _looks_nowhere)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run())
        tasks.create_task(Uplink(agent, HubTarget("hub", paired.connect)).run())


def main() -> None:
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(relay(int(sys.argv[1]), bytes.fromhex(sys.argv[2])))


if __name__ == "__main__":
    main()
