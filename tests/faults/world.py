"""A hub, a relay with one toy and a client in virtual time, with wires that can be broken.

The link is the real one: dialed again by the relay's uplink, encrypted and authenticated.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.driver import LinkDriver
from relay.hub_link.hubs import HubTarget
from relay.hub_link.uplink import Uplink
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError
from relay.link.messages import Arm, FromHub
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_hub, secure_as_relay
from relay.peripheral.gate import GateState
from relay.radio.base import Radio
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import WRITES, FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import ToyOperation
from relay.radio.trace import Trace, TracedRadio
from tests.device_cases.client import CaseClient
from tests.doubles.clock import VirtualLoop
from tests.faults.wire import Wire
from tests.relay.link.security.test_handshake import Hub as TrustDouble

log = logging.getLogger(__name__)

# What the hub demands of clients here: Buttplug's own means against a client that stands still.
MAX_PING_MS = 600
PING_S = 0.2
# How often the client moves the toy, before, during and after the fault.
FLOOD_S = 0.05
# Outputs have been on for this long when the fault comes, so that leases were renewed.
WARM_S = 1.0
# A handshake that sets a toy going has it at rest with its next write: the gap of a We-Vibe is
# 50 ms, and a slow radio may double it.
HANDSHAKE_PULSE_S = 0.1

_CATALOGUE: list[Catalogue] = []


@dataclass(frozen=True, slots=True)
class Moment:
    """The toy after something reached it. `armed`: how many Arms had been accepted by then."""

    t: float
    op: FaultPoint
    data: bytes
    at_rest: bool
    armed: int


@dataclass(slots=True)
class World:
    """`moments` is the toy's own record. `join` starts one more relay, which hears the same toy and
    has the same key if it has the same name."""

    loop: VirtualLoop
    radio: SimulatedRadio
    agent: Agent
    hub: Hub
    relays: RelaySource
    client: Client
    client_wire: Wire
    wires: list[Wire] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    arms: int = 0
    driving: bool = True
    join: Callable[[str, AgentConfig], Agent] | None = None

    @property
    def toy(self) -> Any:
        return self.radio.toys[0]

    @property
    def wire(self) -> Wire:
        """The wire of the newest link."""
        return self.wires[-1]

    def task(self, name: str) -> asyncio.Task[object]:
        """The running task whose name begins with `name`, or whose coroutine is called so."""
        for task in asyncio.all_tasks():
            coroutine = task.get_coro()
            called = getattr(coroutine, "__qualname__", "")
            if task.get_name().startswith(name) or called == name:
                return task
        names = sorted(
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '')})"
            for task in asyncio.all_tasks()
        )
        raise LookupError(f"no task {name}; there are {names}")

    def jump(self, seconds: float) -> None:
        """The clock of everything goes on by so much at once."""
        self.loop._jumping.now += seconds

    async def value_by_client(self) -> None:
        """Set every output going, once."""
        _move(self, Random(7))
        await self.client.flush()

    async def stop_by_client(self) -> None:
        self.driving = False
        self.client.send("StopCmd", Inputs=True, Outputs=True)
        await self.client.flush()


class Client(CaseClient):
    """Keeps what the hub says unasked in `news`, and takes errors for answers."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel, 4)
        self.news: list[str] = []

    def _heard(self, frame: str | bytes) -> None:
        expected = []
        for message in json.loads(frame):
            if message.get("Error", {}).get("Id") == 0:
                self.news.append(message["Error"]["ErrorMessage"])
            else:
                expected.append(message)
        super()._heard(json.dumps(expected))


@asynccontextmanager
async def world(
    toy: str,
    *,
    trace: Path | None = None,
    state: Path | None = None,
    audit: Path | None = None,
    records: Path | None = None,
) -> AsyncIterator[World]:
    """The toy is connected and off; nobody drives it yet."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    if not _CATALOGUE:
        _CATALOGUE.append(Catalogue.load(user=UserConfig()))
    radio = SimulatedRadio(toys_by_name(toy), clock=loop.time_ns)
    used: Radio = radio if trace is None else TracedRadio(radio, Trace(trace))
    agent = Agent(used, AgentConfig(name="attic", state=state, audit=audit, records=records))
    store = Store(None)
    hub = Hub(store)
    relays = RelaySource("desk", _CATALOGUE[0], UserConfig(), hub, known=store.at)
    hub.sources.append(relays)
    trust = TrustDouble()
    client_wire = Wire()
    it = World(loop, radio, agent, hub, relays, Client(client_wire.ends[0]), client_wire)
    it.toy.watch(_noting(it))

    async def hub_end(channel: Channel) -> None:
        try:
            secure, identity = await secure_as_hub(channel, trust)
            await relays.drive(secure, identity.key.hex(), identity.name)
        except LinkError as error:
            log.info("the hub's end of the link: %s", error)

    async with asyncio.TaskGroup() as group:

        def start(each: Agent) -> list[asyncio.Task[None]]:
            """Run a relay that dials the hub until it ends."""
            name = each.config.name
            key = KeyPair((name * 32).encode()[:32])
            trust.relays[key.public] = name

            async def dial() -> Channel:
                wire = Wire()
                it.wires.append(wire)
                group.create_task(wire.run(), name="wire")
                group.create_task(hub_end(wire.ends[1]), name="hub end of the link")
                secured, _ = await secure_as_relay(wire.ends[0], key, hub_key=trust.key.public)
                return secured

            uplink = Uplink(each, HubTarget("the hub", dial), chance=lambda _, most: most)
            _count_arms(it, each)
            return [
                group.create_task(each.run(), name="agent"),
                group.create_task(uplink.run(), name="uplink"),
            ]

        def join(name: str, config: AgentConfig) -> Agent:
            other = SimulatedRadio(radio.toys, clock=loop.time_ns)
            another = Agent(other, replace(config, name=name))
            running.extend(start(another))
            return another

        it.join = join
        served = clients.serve(client_wire.ends[1], hub, ClientOptions(max_ping_ms=MAX_PING_MS))
        running = [
            group.create_task(relays.run(), name="relays"),
            *start(agent),
            group.create_task(client_wire.run(), name="client wire"),
            group.create_task(served, name="client served"),
            group.create_task(it.client.run(), name="client reads"),
        ]
        await it.client.greet()
        keeping = group.create_task(_ping(it), name="pings")
        await it.client.ask("StartScanning")
        async with asyncio.timeout(30):
            while not it.client.devices:
                it.client.changed.clear()
                await it.client.changed.wait()
        try:
            yield it
        finally:
            for task in (*running, keeping):
                task.cancel()
            for wire in it.wires:
                await wire.cut()


def _count_arms(it: World, agent: Agent) -> None:
    """Each Arm that opened a way to the toy: nothing but such a one may set it going again."""
    before = agent.heard

    def heard(line: LinkDriver, message: FromHub) -> None:
        before(line, message)
        if isinstance(message, Arm):
            armed = agent._table.find(message.peripheral)
            it.arms += armed is not None and armed.gate.state in (GateState.ARMED, GateState.OPEN)

    agent.heard = heard  # type: ignore[method-assign]


def _noting(it: World) -> Callable[[ToyOperation], None]:
    def note(operation: ToyOperation) -> None:
        if operation.op in WRITES or operation.op is FaultPoint.DISCONNECT:
            rest = it.toy.at_rest
            it.moments.append(Moment(it.loop.time(), operation.op, operation.data, rest, it.arms))

    return note


async def _ping(it: World) -> None:
    while True:
        it.client.send("Ping")
        try:
            await it.client.flush()
        except ChannelClosed:
            return
        await asyncio.sleep(PING_S)


async def drive(it: World) -> None:
    """Move every output about, never to rest, until cancelled."""
    random = Random(7)
    while True:
        if it.driving:
            _move(it, random)
            try:
                await it.client.flush()
            except ChannelClosed:
                return
        await asyncio.sleep(FLOOD_S)


def _move(it: World, random: Random) -> None:
    for index, entry in list(it.client.devices.items()):
        for feature, each in entry["DeviceFeatures"].items():
            for kind, output in each.get("Output", {}).items():
                low, high = output["Value"]
                value = random.randint(max(low, 1), high)
                it.client.send(
                    "OutputCmd",
                    DeviceIndex=index,
                    FeatureIndex=int(feature),
                    Command={kind: {"Value": value}},
                )


@dataclass(frozen=True, slots=True)
class Outcome:
    """`off_ms`: from the fault to the toy at rest, None if it was not. `violations`: writes that
    set the toy going again although nothing had been armed since."""

    off_ms: float | None
    violations: tuple[Moment, ...]


Inflict = Callable[[World], Any]


async def observe(it: World, inflict: Inflict, watch_s: float) -> Outcome:
    """Drive the toy, inflict the fault, and watch what reaches the toy."""
    opening = {moment.data for moment in it.moments}
    driving = asyncio.create_task(drive(it), name="driving")
    try:
        await asyncio.sleep(WARM_S)
        assert not it.toy.at_rest, "the toy does not run"
        begun = it.loop.time()
        since = len(it.moments)
        then = inflict(it)
        if asyncio.iscoroutine(then):
            begun = await then or begun
        await asyncio.sleep(watch_s)
    finally:
        driving.cancel()
    # A jump of the clock is part of the fault, not of the time that the stop took.
    after = [moment for moment in it.moments[since:] if moment.t >= begun]
    before = [moment for moment in it.moments if moment.t < begun][-1:]
    if before and before[0].at_rest:
        # It was off before anybody asked: a lease had ended.
        after = [replace(before[0], t=begun), *after]
    off = next((moment for moment in after if moment.at_rest), None)
    if off is None:
        return Outcome(None, ())
    later = after[after.index(off) + 1 :]
    violations = tuple(
        moment
        for moment in later
        if moment.op in WRITES
        and not moment.at_rest
        and moment.armed == off.armed
        and not (moment.data in opening and _ends_at_once(moment, later))
    )
    return Outcome((off.t - begun) * 1000, violations)


def _ends_at_once(moment: Moment, later: Sequence[Moment]) -> bool:
    """Whether the write behind it has the toy at rest, as the handshake of a We-Vibe does."""
    behind = later[later.index(moment) + 1 :][:1]
    return any(each.at_rest and each.t - moment.t <= HANDSHAKE_PULSE_S for each in behind)
