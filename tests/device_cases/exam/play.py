"""One scenario through the whole stack, in virtual time: hub, link, agent, a toy, one client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.packet_driver import PacketDriver
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import Channel, channel_pair
from relay.link.errors import LinkError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.device_cases.client import CaseClient, Message
from tests.device_cases.exam.scenario import Scenario, Step
from tests.doubles.clock import VirtualLoop

# Virtual seconds. A handshake presses 55 buttons or waits for the button of a person.
OPENING_S = 60.0
# Long enough to be found, if anybody wanted it.
UNKNOWN_S = 3.0
REPLY_S = 60.0
_LETTERS = {
    FaultPoint.WRITE: "w",
    FaultPoint.WRITE_NO_RESPONSE: "W",
    FaultPoint.SUBSCRIBE: "s",
    FaultPoint.UNSUBSCRIBE: "u",
}


@dataclass(slots=True)
class Done:
    """What came of one step: replies, operations at the toy, readings that nobody asked for."""

    reply: tuple[object, ...]
    ops: tuple[str, ...]
    readings: tuple[object, ...]


@dataclass(slots=True)
class Played:
    """`device`: the entry that clients see; None if none was announced. `known`: recognised.

    `rest`: what the relay holds to stop the toy by itself, as patterns of operations.
    """

    known: bool
    device: Message | None = None
    connect: tuple[str, ...] = ()
    steps: list[Done] = field(default_factory=list)
    rest: frozenset[str] = frozenset()


class Client(CaseClient):
    """Keeps replies as they are spoken of in scenarios, and what comes without being asked for."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel, 4)
        self.readings: list[object] = []

    def _heard(self, frame: str | bytes) -> None:
        for message in json.loads(frame):
            ((name, fields),) = message.items()
            if name == "InputReading" and fields["Id"] not in self._waiting:
                self.readings.append(spoken(name, fields))
        super()._heard(frame)

    async def get(self, name: str, fields: Message) -> object:
        waiter = self.send(name, **fields)
        await self.flush()
        async with asyncio.timeout(REPLY_S):
            return spoken(*await waiter)

    def taken(self) -> tuple[object, ...]:
        found, self.readings = tuple(self.readings), []
        return found


class Ear:
    """What reached the toy since it was asked last."""

    def __init__(self, toy: Toy) -> None:
        self._toy = toy
        self._seen = 0

    def take(self) -> tuple[str, ...]:
        record = list(self._toy.record)
        fresh, self._seen = record[self._seen :], len(record)
        found = []
        for one in fresh:
            if letter := _LETTERS.get(one.op):
                data = (
                    f" {one.data.hex()}"
                    if one.op in (FaultPoint.WRITE, FaultPoint.WRITE_NO_RESPONSE)
                    else ""
                )
                found.append(f"{letter} {one.role}{data}")
        return tuple(found)


class Player:
    """`official`: a device configuration of Intiface to load besides our own files."""

    def __init__(self, official: Path | None = None) -> None:
        self._official = official
        self._plain = Catalogue.load(official=official, user=UserConfig())

    def play(self, scenario: Scenario) -> Played:
        """Raises ConfigError if the toy cannot be described to the hub; what the stack raises."""
        catalogue, user = self._plain, UserConfig()
        if scenario.extra is not None:
            protocols = {scenario.protocol: {"communication": list(scenario.extra)}}
            version = {"major": 5, "minor": 0}
            user = UserConfig.from_tree(
                {"version": version, "user_configs": {"protocols": protocols}}
            )
            catalogue = Catalogue.load(official=self._official, user=user)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(_play(scenario, catalogue, user))


async def _play(scenario: Scenario, catalogue: Catalogue, user: UserConfig) -> Played:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    toy = scenario.toy.toy()
    agent = Agent(SimulatedRadio([toy], clock=loop.time_ns), AgentConfig(name="exam"))
    hub = Hub(Store(None))
    relays = RelaySource("exam", catalogue, user, hub)
    hub.sources.append(relays)
    here, there = channel_pair()
    relay_end, hub_end = channel_pair()
    client = Client(here)
    played = Played(known=bool(catalogue.match(toy.advertisement)))

    async def drive() -> None:
        with suppress(LinkError):
            await relays.drive(hub_end, "exam")

    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(work)
            for work in (
                relays.run(),
                agent.run(),
                agent.serve_link(relay_end),
                drive(),
                clients.serve(there, hub, ClientOptions()),
                client.run(),
            )
        ]
        try:
            await _script(scenario, client, toy, played, lambda index: _rest(hub, index, toy))
        finally:
            for task in running:
                task.cancel()
    return played


async def _script(
    scenario: Scenario,
    client: Client,
    toy: Toy,
    played: Played,
    rest_of: Callable[[int], frozenset[str]],
) -> None:
    ear = Ear(toy)
    settle = scenario.settle_ms / 1000
    await client.greet()
    await client.ask("StartScanning")
    with suppress(TimeoutError):
        async with asyncio.timeout(OPENING_S if played.known else UNKNOWN_S):
            while not client.devices:
                client.changed.clear()
                await client.changed.wait()
    if client.devices:
        await asyncio.sleep(settle)
    played.connect = ear.take()
    if not client.devices:
        return
    (played.device,) = client.devices.values()
    played.rest = rest_of(played.device["DeviceIndex"])
    for step in scenario.steps:
        reply = [
            await client.get(name, {"DeviceIndex": played.device["DeviceIndex"], **fields})
            for name, fields in requests(step)
        ]
        if step.notify is not None:
            toy.notify(step.notify[0], bytes.fromhex(step.notify[1]))
        await asyncio.sleep(settle if step.wait is None else step.wait / 1000)
        played.steps.append(Done(tuple(reply), ear.take(), client.taken()))


def _rest(hub: Hub, index: int, toy: Toy) -> frozenset[str]:
    driver = hub.devices[index]._driver
    assert isinstance(driver, PacketDriver)
    hardware = driver._hardware
    assert isinstance(hardware, RelayHardware)
    found = set()
    for packet in driver.protocol.armed() or ():
        data = [f"{byte:02x}" for byte in packet.data]
        if packet.counter is not None:
            data[packet.counter.at] = "??"
        role = toy.handles[packet.handle]
        found |= {f"{letter} {role} {''.join(data)}" for letter in "wW"}
    return frozenset(found)


def requests(step: Step) -> Iterator[tuple[str, Message]]:
    for out in step.out:
        command = {"Value": out.value}
        if out.duration is not None:
            command["Duration"] = out.duration
        yield "OutputCmd", {"FeatureIndex": out.feature, "Command": {out.kind: command}}
    if step.stop is not None:
        fields: Message = {"Inputs": True, "Outputs": True}
        if step.stop is not True:
            fields["FeatureIndex"] = step.stop
        yield "StopCmd", fields
    if step.read is not None:
        feature, kind = step.read
        yield "InputCmd", {"FeatureIndex": feature, "Type": kind, "Command": "Read"}
    if step.input is not None:
        feature, kind, word = step.input
        yield "InputCmd", {"FeatureIndex": feature, "Type": kind, "Command": word}


def spoken(name: str, fields: Message) -> object:
    """A reply as scenarios write it: `Ok`, `Error 4`, or the reading itself."""
    if name == "Error":
        return f"Error {fields['ErrorCode']}"
    if name == "InputReading":
        return {
            kind: value["Value"] if isinstance(value, dict) else value
            for kind, value in fields["Reading"].items()
        }
    return name
