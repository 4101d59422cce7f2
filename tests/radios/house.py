"""A hub and relays of several radios each, all real but for the radios; lives, and their checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import Channel, channel_pair
from relay.radio.bounds import CONNECTING_DB, CONNECTS_COUNTED, KEPT_DB, LAST_SLOT_DB
from relay.radio.several import Radios
from relay.radio.simulated.catalogue import toy_at
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import run_virtual
from tests.forwarder.sources.relays.test_source import World, _quietly
from tests.radios.air import NOISE_DB, Air, AirRadio

RELAYS, RADIOS, TOYS = 4, 3, 12
SLOTS = 2
# A radio that is better by more than this may be moved to: what noise and load cannot pretend.
BETTER_DB = KEPT_DB - 2 * NOISE_DB - CONNECTING_DB * CONNECTS_COUNTED - LAST_SLOT_DB
# A room is so far from the next, in dB; radios of one relay lie on one table, or two.
ROOM_DB = 18


class Leak(AssertionError):
    """A place is taken that nobody has, or two have one."""


@dataclass
class RelayOf:
    """One relay machine: its radios, and the agent and link that it has while it lives."""

    name: str
    radios: list[AirRadio]
    agent: Agent | None = None
    here: Channel | None = None
    running: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass
class Report:
    """`back_s`: how long each toy was away. `moved`: unwanted changes of radio, in words."""

    losses: int = 0
    cut_short: int = 0
    back_s: list[float] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    excused: int = 0
    better: int = 0
    checks: int = 0
    deaths: int = 0

    def share(self, of: float) -> float:
        times = sorted(self.back_s)
        return times[min(len(times) - 1, int(len(times) * of))]

    def lines(self) -> list[str]:
        return [
            f"{self.losses} toys lost, {self.deaths} radios and relays died,"
            f" {len(self.back_s)} came back; {self.cut_short} lost again while they were opened",
            f"back after p50 {self.share(0.5):.2f} s, p95 {self.share(0.95):.2f} s,"
            f" most {self.share(1.0):.2f} s (virtual)",
            f"{len(self.moved)} unwanted changes of radio; {self.excused} after a failed attempt,"
            f" {self.better} to one that is better",
            f"{self.checks} checks of all places, none leaked",
        ]


class House:
    """`losses_s` and `deaths_s`: mean time between two; None: never."""

    def __init__(self, world: World, random: Random, *, fails: float) -> None:
        self.world = world
        self.random = random
        self.report = Report()
        self.air = Air(
            [toy_at("Lovense Hush", f"C4:4F:33:00:00:{n:02X}") for n in range(TOYS)], random
        )
        self.relays = [self._relay(n, fails) for n in range(RELAYS)]
        self.indexes: dict[str, int] = {}
        self._changed = asyncio.Event()
        world.source._on_change = self.check
        world._running.append(world.tasks.create_task(self.air.run()))
        for relay in self.relays:
            self.start(relay)

    def _relay(self, n: int, fails: float) -> RelayOf:
        radios = []
        for k in range(RADIOS):
            levels = {
                toy.address: -45.0 - ROOM_DB * abs(n - i % RELAYS) - 3 * k
                for i, toy in enumerate(self.air.toys)
            }
            radios.append(AirRadio(self.air, f"hci{n}{k}", levels, SLOTS, fails))
        return RelayOf(f"room {n}", radios)

    # --- lives ----------------------------------------------------------------------------------

    def start(self, relay: RelayOf) -> None:
        config = AgentConfig(name=relay.name)
        relay.agent = Agent(Radios(relay.radios), config)
        here, there = channel_pair(names=(relay.name, "hub"))
        relay.here = here
        tasks = self.world.tasks
        relay.running = [
            tasks.create_task(relay.agent.run()),
            tasks.create_task(_quietly(relay.agent.serve_link(there))),
            tasks.create_task(_quietly(self._drive(here, relay.name))),
        ]

    async def _drive(self, channel: Channel, key: str) -> None:
        try:
            await self.world.source.drive(channel, key)
        finally:
            await channel.close()

    async def kill(self, relay: RelayOf) -> None:
        """The machine is gone, with its radios: no word is said, no connection kept."""
        assert relay.here is not None
        await relay.here.close()
        relay.running[0].cancel()
        for radio in relay.radios:
            radio.switch(False)
        await asyncio.wait(relay.running)

    async def all_here(self, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while len(self.world.hub.devices) < TOYS:  # noqa: ASYNC110  # virtual time is cheap
                await asyncio.sleep(0.05)

    def index(self, toy: Toy) -> int | None:
        devices = self.world.hub.devices
        return next((i for i, d in devices.items() if d.identity.address == toy.address), None)

    async def back(self, toy: Toy, had: AirRadio, *, may_move: Callable[[], bool]) -> None:
        """Wait for a toy that was just lost, and note how that went."""
        loop = asyncio.get_running_loop()
        began, tried = loop.time(), had.failed.get(toy.address, 0)
        address, relays = toy.address, self.world.source.relays

        def here() -> bool:
            return toy.connected and any(
                opened.hardware.address == address and relay.link is not None
                for relay in relays.values()
                for opened in relay.devices.values()
            )

        async with asyncio.timeout(120):
            while not here():
                await self._changed.wait()
        self.report.back_s.append(loop.time() - began)
        assert self.index(toy) == self.indexes[address], "another index"
        now = self.air.holder(toy)
        if now is not None and now.levels[address] - had.levels[address] > BETTER_DB:
            self.report.better += 1
        elif now is not had and not may_move():
            # It failed there, or another toy that had failed elsewhere took its place.
            if had.failed.get(address, 0) > tried or len(had.connections) == SLOTS:
                self.report.excused += 1
            else:
                self.report.moved.append(f"{toy}: {had.name} -> {now and now.name}")

    # --- what must hold at each event -----------------------------------------------------------

    def check(self) -> None:
        """Raises Leak."""
        self.report.checks += 1
        self._changed.set()
        self._changed = asyncio.Event()
        finder = self.world.source._finder
        owners: dict[str, str] = {}
        for relay in self.world.source.relays.values():
            if relay.taken > relay.hello.max_peripherals:
                raise Leak(f"{relay.name} has more than it may")
            hardware = list(relay.all_hardware())
            if len(relay.devices) + len(relay.opening) != len(hardware):
                raise Leak(f"{relay.name}: a place is counted twice")
            for one in hardware:
                if one.address in owners:
                    raise Leak(f"{one.address} is at {relay.name} and {owners[one.address]}")
                owners[one.address] = relay.name
                if one.address not in finder._busy:
                    raise Leak(f"{one.address} is at {relay.name} and may be opened again")
        for radio in self.air.radios:
            if len(radio.connections) > SLOTS:
                raise Leak(f"{radio.name} has more than it may")

    def settled(self) -> None:
        """Nothing is under way: every place that is taken is a device's. Raises Leak."""
        finder, relays = self.world.source._finder, self.world.source.relays
        here = {o.hardware.address for relay in relays.values() for o in relay.devices.values()}
        connected = [a for radio in self.air.radios for a in radio.connections]
        if sorted(connected) != sorted(here) or finder._busy != here:
            raise Leak(f"connected {connected}, devices {here}, busy {finder._busy}")
        for relay in relays.values():
            if relay.opening or relay.leaving:
                raise Leak(f"{relay.name}: {relay.opening} {relay.leaving}")
        if finder._waiting or finder._gathering or finder._missing:
            raise Leak(f"{finder._waiting} {finder._gathering} {finder._missing} are left")


def live(life: Callable[[House], object], seed: int, *, fails: float = 0.0) -> Report:
    """Build the house, have all toys connected, and live; returns what happened."""

    async def run() -> Report:
        async with asyncio.TaskGroup() as tasks:
            world = World(tasks)
            house = House(world, Random(seed), fails=fails)
            world.hub.start_scanning(world.client)
            await house.all_here()
            world.hub.stop_scanning(world.client)
            for toy in house.air.toys:
                index = house.index(toy)
                assert index is not None
                house.indexes[toy.address] = index
            await life(house)  # type: ignore[misc]  # a coroutine function
            world.end()
            for relay in house.relays:
                for task in relay.running:
                    task.cancel()
        return house.report

    return run_virtual(run())


def random_losses(count: int, hours: float) -> Callable[[House], object]:
    """So many connections break, one toy's at a time, spread over these hours or a little more."""

    async def life(house: House) -> None:
        loop = asyncio.get_running_loop()
        began, mean_s = loop.time(), hours * 3600 / count
        async with asyncio.TaskGroup() as waiting:
            while house.report.losses < count:
                await asyncio.sleep(house.random.expovariate(1 / mean_s))
                toy = house.random.choice(house.air.toys)
                had = house.air.holder(toy)
                # One that is just being opened is lost as well: an attempt that failed.
                if had is None:
                    continue
                lost = house.index(toy) is not None
                if not lost:
                    had.failed[toy.address] = had.failed.get(toy.address, 0) + 1
                had.connections[toy.address].lose("the toy's battery slipped")
                house.report.losses += lost
                house.report.cut_short += not lost
                house.check()
                if lost:
                    waiting.create_task(house.back(toy, had, may_move=lambda: False))
        await asyncio.sleep(max(0.0, began + hours * 3600 - loop.time()))
        await house.all_here()
        await asyncio.sleep(125)  # the searches are over
        house.settled()

    return life


def random_deaths(count: int) -> Callable[[House], object]:
    """Now a radio dies, now a whole relay, and comes back later; each time its toys move."""

    async def life(house: House) -> None:
        random = house.random
        for _ in range(count):
            relay = random.choice(house.relays)
            whole = random.random() < 0.5
            dying = relay.radios if whole else [random.choice(relay.radios)]
            lost = [
                (toy, had)
                for toy in house.air.toys
                if (had := house.air.holder(toy)) is not None and had in dying
            ]
            house.report.deaths += 1
            house.report.losses += len(lost)
            async with asyncio.TaskGroup() as waiting:
                if whole:
                    await house.kill(relay)
                else:
                    dying[0].switch(False)
                for toy, had in lost:
                    waiting.create_task(house.back(toy, had, may_move=lambda: True))
            house.check()
            await asyncio.sleep(random.uniform(5, 90))
            for radio in dying:
                radio.switch(True)
            if whole:
                house.start(relay)
            await asyncio.sleep(random.uniform(1, 30))
            await house.all_here()
        await asyncio.sleep(200)
        house.settled()

    return life
