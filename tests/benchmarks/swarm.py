"""Many relays with simulated toys in one process, as the hub of `tests.benchmarks.scale` sees them.

`python -m tests.benchmarks.swarm PORT HUB_KEY FIRST COUNT TOYS`: relays FIRST to FIRST + COUNT - 1,
paired, each with TOYS toys, dial 127.0.0.1:PORT until this is ended. A line of JSON a second on
standard output says how many are linked, and how many toys are connected.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
import time

import uvloop

from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.hubs import HubTarget, dial_place
from relay.hub_link.paired import PairedHub
from relay.hub_link.uplink import Uplink
from relay.link.channel import Channel
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub
from relay.radio.simulated.catalogue import catalogue, find
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy

TOY = "Lovense Hush"
# Real ones advertise ten times as often; a relay tells the same once a second all the same, and
# what it costs here is not what is measured.
ADVERTISE_EVERY_S = 1.0
TELL_S = 0.2


def key_of(number: int) -> KeyPair:
    """The key of relay `number`, the same in every process."""
    return KeyPair(hashlib.sha256(f"swarm {number}".encode()).digest())


def name_of(number: int) -> str:
    return f"relay {number:04}"


class SwarmRelay:
    """One relay; `linked` while it has a link."""

    def __init__(self, number: int, toys: int, url: str, hub_key: bytes) -> None:
        model, _ = find(TOY, catalogue())
        octets = number.to_bytes(2, "big").hex(":").upper()
        self.radio = SimulatedRadio(
            [Toy(model, f"C0:00:00:{octets}:{toy:02X}") for toy in range(toys)],
            advertise_every_s=ADVERTISE_EVERY_S,
        )
        self.linked = False
        self._agent = Agent(self.radio, AgentConfig(name=name_of(number)))
        hub = KnownHub(hub_key, "hub", (url,))
        self._paired = PairedHub(hub, key_of(number), None, dial_place, _looks_nowhere)
        self._uplink = Uplink(self._agent, HubTarget("hub", self._connect))

    async def _connect(self) -> Channel:
        self.linked = False
        return _Watched(await self._paired.connect(), self)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agent.run())
            tasks.create_task(self._uplink.run())

    @property
    def connected(self) -> int:
        return sum(toy.connected for toy in self.radio.toys)


class _Watched:
    """A link; the relay is linked once the hub has said something over it, until it is closed."""

    def __init__(self, channel: Channel, relay: SwarmRelay) -> None:
        self._channel = channel
        self._relay = relay
        self.peer = channel.peer

    async def send(self, frame: str | bytes) -> None:
        await self._channel.send(frame)

    @property
    def ready(self) -> bool:
        return self._channel.ready

    def send_now(self, frame: str | bytes) -> bool:
        return self._channel.send_now(frame)

    async def receive(self) -> str | bytes:
        try:
            frame = await self._channel.receive()
        except BaseException:
            self._relay.linked = False
            raise
        self._relay.linked = True
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._relay.linked = False
        await self._channel.close(code, reason)


async def _looks_nowhere(key: bytes) -> tuple[str, ...]:
    return ()


async def swarm(port: int, hub_key: bytes, first: int, count: int, toys: int) -> None:
    url = f"ws://127.0.0.1:{port}/link"
    relays = [SwarmRelay(first + number, toys, url, hub_key) for number in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for relay in relays:
            tasks.create_task(relay.run())
        while True:
            state = {
                "t": time.monotonic(),
                "linked": sum(relay.linked for relay in relays),
                "toys": sum(relay.connected for relay in relays),
            }
            print(json.dumps(state), flush=True)
            await asyncio.sleep(TELL_S)


def main() -> None:
    port, key, first, count, toys = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(swarm(int(port), bytes.fromhex(key), int(first), int(count), int(toys)))


if __name__ == "__main__":
    main()
