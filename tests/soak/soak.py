"""Sixteen clients of mixed versions and eight devices, in virtual time, against a model.

The model knows, for each motor, what it was told last and by whom. Clients act at times of their
own, one after the other, so that the order in which they act is the order in which the hub hears
them. Every few seconds all pause, and each toy has to be where the model says; a client that is
killed, at whatever point, leaves nothing on that it alone drove.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import MemoryChannel, channel_pair
from relay.link.errors import ChannelClosed, LinkError
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop
from tests.soak.client import Overtaken, SoakClient, Wrong

CLIENTS = 16
TOYS = (
    "Lovense Hush,Lovense Edge,Lovense Lush,Lovense Domi,Aneros Vivi,WeVibe Sync,"
    "Lovense Ambi,MagicMotion Flamingo"
)
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
# A toy may know fewer steps than a client: a quarter apart is told from the next by less than this.
TOLERANCE = 0.12
# Seconds between two looks at all toys, and what everything needs to come to rest before.
LOOK_S = 5.0
SETTLE_S = 1.0
# How many clients are killed at most at each look.
VICTIMS = 5
# A killed client's toys are off after this (s).
OFF_S = 1.0


@dataclass(slots=True)
class Told:
    """What one motor was told last. `owner`: the client that did, None after a stop."""

    level: float = 0.0
    owner: int | None = None


@dataclass(slots=True)
class Soak:
    """`counts`: what was done, for the report."""

    random: Random
    hub: Hub
    toys: dict[int, Toy]
    model: dict[tuple[int, int], Told]
    steps: dict[tuple[int, int], int]
    batteries: dict[int, int]
    counts: Counter[str] = field(default_factory=Counter)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    alive: dict[int, tuple[SoakClient, MemoryChannel]] = field(default_factory=dict)
    busy: int = 0
    born: int = 0

    def tell(self, device: int, motors: list[int], level: float, who: int) -> None:
        for motor in motors:
            self.model[device, motor] = Told(level, who)

    def stopped(self, device: int | None) -> None:
        for key in self.model:
            if device in (None, key[0]):
                self.model[key] = Told()

    def left(self, who: int) -> dict[tuple[int, int], Told]:
        """Client `who` is gone; returns what it drove alone, off now."""
        driven = [key for key, told in self.model.items() if told.owner == who]
        off = {key: Told() for key in driven}
        self.model.update(off)
        return off

    def compare(self) -> None:
        """Raises Wrong unless every motor is where the model says."""
        for (device, motor), told in self.model.items():
            toy = self.toys[device]
            level = list(toy.levels.values())[motor]
            if (level > 0) != (told.level > 0) or abs(level - told.level) > TOLERANCE:
                raise Wrong(f"{toy.name}, motor {motor} runs at {level:.2f}; it was told {told}")
        self.counts["looks"] += 1

    async def kill(self) -> None:
        """Kill some clients while the others pause, some of them with requests under way."""
        count = min(len(self.alive), self.random.randint(0, VICTIMS))
        for number in self.random.sample(sorted(self.alive), count):
            client, channel = self.alive.pop(number)
            if client.devices and self.random.random() < 0.5:
                await _blurt(self, client)
            await channel.close(1006)
            off = self.left(number)
            self.counts["killed"] += 1
            self.counts["motors that a death switched off"] += len(off)


async def soak(
    seconds: float, seed: int = 1, looked: Callable[[float], None] = lambda now: None
) -> Counter[str]:
    """Run for so many virtual seconds; returns what was done. `looked` gets the time at each look.
    Raises Wrong, in a group."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    toys = toys_by_name(TOYS)
    radio = SimulatedRadio(toys, clock=loop.time_ns)
    agent = Agent(radio, AgentConfig(name="attic"))
    hub = Hub(Store(None))
    relays = RelaySource("desk", Catalogue.load(user=UserConfig()), UserConfig(), hub)
    hub.sources.append(relays)
    async with asyncio.TaskGroup() as group:
        here, there = channel_pair(bound=10_000)
        running = [
            group.create_task(relays.run()),
            group.create_task(agent.run()),
            group.create_task(_quiet(agent.serve_link(here))),
            group.create_task(_quiet(relays.drive(there, "attic"))),
        ]
        it = await _prepare(group, hub, toys, Random(seed))
        for place in range(CLIENTS):
            running.append(group.create_task(_generations(it, place)))
        ends = loop.time() + seconds
        it.go.set()
        while loop.time() < ends:
            await asyncio.sleep(LOOK_S)
            it.go.clear()
            await asyncio.sleep(SETTLE_S)
            assert it.busy == 0, "a client still waits for an answer"
            it.compare()
            looked(loop.time())
            await it.kill()
            await asyncio.sleep(OFF_S)
            it.compare()
            it.go.set()
        for task in running:
            task.cancel()
    return it.counts


async def _quiet(work: object) -> None:
    try:
        await work  # type: ignore[misc]  # any awaitable
    except LinkError:
        return


async def _prepare(group: asyncio.TaskGroup, hub: Hub, toys: Sequence[Toy], random: Random) -> Soak:
    """Have the hub find all toys; returns the model with everything off."""
    mine, served = channel_pair(bound=10_000)
    group.create_task(clients.serve(served, hub, ClientOptions()))
    finder = SoakClient(mine, 4, 0)
    group.create_task(finder.run())
    await finder.greet()
    await finder.ask("Ok", "StartScanning")
    async with asyncio.timeout(60):
        while {entry["DeviceName"] for entry in finder.devices.values()} != {t.name for t in toys}:
            await asyncio.sleep(0.1)
            await finder.list()
    await mine.close()
    by_name = {toy.name: toy for toy in toys}
    it = Soak(random, hub, {}, {}, {}, {})
    for index, device in hub.devices.items():
        it.toys[index] = by_name[device.name]
        motors = [
            f.feature_index for f in device.features if OutputType.VIBRATE in (f.output or {})
        ]
        assert motors == list(range(len(it.toys[index].levels))), device.name
        for motor in motors:
            it.model[index, motor] = Told()
            it.steps[index, motor] = device.highest(motor, OutputType.VIBRATE)
        for feature in device.features:
            if feature.input and InputType.BATTERY in feature.input:
                it.batteries[index] = feature.feature_index
    return it


# --- one client after the other ------------------------------------------------------------------


async def _generations(it: Soak, place: int) -> None:
    """A client that lives for a while and dies, and then the next one, for ever."""
    while True:
        await asyncio.sleep(it.random.uniform(0, 2))
        await it.go.wait()
        it.born += 1
        number, version = it.born, (place + it.born) % 5
        mine, served = channel_pair(bound=10_000)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(clients.serve(served, it.hub, ClientOptions()))
            client = SoakClient(mine, version, number)
            group.create_task(client.run())
            it.alive[number] = client, mine
            await _life(it, client, mine)
            await asyncio.wait([serving])
        it.counts["answers"] += client.answers
        it.counts[f"clients v{version}"] += 1


async def _life(it: Soak, client: SoakClient, channel: MemoryChannel) -> None:
    """Greet, do things, and be killed: after any number of steps, also before the first."""
    steps = it.random.choice((0, 1, 2, 3, 10, 100, 300))
    try:
        for step in range(steps):
            await it.go.wait()
            if client.number not in it.alive:
                return
            it.busy += 1
            try:
                if step == 0:
                    await client.greet()
                elif step == 1:
                    await client.list()
                    if set(client.devices) != set(it.toys):
                        raise Wrong(f"client {client.number} sees {sorted(client.devices)}")
                else:
                    await _act(it, client)
            finally:
                it.busy -= 1
            await asyncio.sleep(it.random.expovariate(4))
        await it.go.wait()
        if it.alive.pop(client.number, None) is None:
            return
        if steps > 2 and it.random.random() < 0.5:
            await _blurt(it, client)
    except ChannelClosed as closed:
        raise Wrong(f"client {client.number} was thrown out: {closed}") from closed
    await channel.close(1006)
    it.left(client.number)
    it.counts["killed"] += 1


async def _blurt(it: Soak, client: SoakClient) -> None:
    """Die with requests under way: what was sent counts, and is undone by the death."""
    for _ in range(it.random.randint(1, 5)):
        name, fields = _vibration(it, client)
        await client.send(name, **fields)
    it.counts["killed with requests under way"] += 1


def _vibration(it: Soak, client: SoakClient) -> tuple[str, dict[str, object]]:
    device, motor = it.random.choice(list(it.model))
    level = it.random.choice(LEVELS)
    motors = [m for d, m in it.model if d == device] if client.version == 0 else [motor]
    it.tell(device, motors, level, client.number)
    it.counts["outputs"] += 1
    return client.vibrate(device, motor, level, it.steps[device, motor])


async def _act(it: Soak, client: SoakClient) -> None:
    match it.random.choices(
        ("output", "burst", "stop", "stop all", "battery", "list", "ping", "nonsense"),
        (60, 10, 8, 1, 8, 3, 5, 5),
    )[0]:
        case "output":
            name, fields = _vibration(it, client)
            await client.ask("Ok", name, **fields)
        case "burst":
            waiters = []
            for _ in range(10):
                name, fields = _vibration(it, client)
                waiters.append(await client.send(name, **fields))
            for waiter in waiters:
                got, answer = await waiter
                if got != "Ok":
                    raise Wrong(f"client {client.number}: {answer}")
        case "stop":
            device = it.random.choice(list(it.toys))
            name, fields = client.stop(device)
            it.stopped(device)
            await client.ask("Ok", name, **fields)
            it.counts["stops"] += 1
        case "stop all":
            name, fields = client.stop(None)
            it.stopped(None)
            await client.ask("Ok", name, **fields)
            it.counts["stops"] += 1
        case "battery":
            device = it.random.choice(list(it.batteries))
            try:
                level = await client.battery(device, it.batteries[device])
            except Overtaken:
                it.counts["readings that a stop overtook"] += 1
                return
            if level not in (None, it.toys[device].battery / 100):
                raise Wrong(f"{it.toys[device].name}: battery {level}")
            it.counts["readings"] += level is not None
        case "list":
            await client.list()
        case "ping":
            if client.version < 4:
                await client.ask("Ok", "Ping")
        case "nonsense":
            name, fields = client.vibrate(999, 0, 0.5, 20)
            await client.ask("Error", name, **fields)
            it.counts["refusals"] += 1
