"""Every model of the catalogue through hub, link, agent and a simulated toy: what stops, stops.

At rest by the toy's own record after a value of 0, a stop of each feature, of the device, of
everything, a lapse of the lease, a pause of the wearer, and after the client has left; and it
stays at rest. Behind each of them the hub knows that it rests.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import Channel, Frame, channel_pair
from relay.link.errors import LinkError
from relay.radio.simulated.catalogue import catalogue
from relay.radio.simulated.faults import WRITES
from relay.radio.simulated.models import ToyModel
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.device_cases.client import Message
from tests.device_cases.exam.play import Client
from tests.doubles.clock import VirtualLoop

CATALOGUE = Catalogue.load()
MODELS = catalogue()
PROTOCOLS = sorted({model.protocol for model in MODELS})
POSITIONS = ("Position", "HwPositionWithDuration")
# A thruster of this kind gets faster and slower one press each 200 ms.
SLOW = {"fmachine": 7.0}
LET_GO = {"fmachine"}
# Those whose simulated motors go on for a second of silence, so that a stop shows later.
LINGER = {"hgod", "libo-vibes"}
# A toy that only silence stops turns itself off after a second.
REST_S = 1.2


class Calm(Client):
    """Does not mind news that the wearer has paused."""

    def _heard(self, frame: str | bytes) -> None:
        messages = [one for one in json.loads(frame) if one.get("Error", {}).get("Id") != 0]
        if messages:
            super()._heard(json.dumps(messages))


class Faltering:
    """A channel that carries nothing from here while it `falters`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.peer = channel.peer
        self.steady = asyncio.Event()
        self.steady.set()

    @property
    def ready(self) -> bool:
        return False

    def send_now(self, frame: Frame) -> bool:
        return False

    async def send(self, frame: str | bytes) -> None:
        await self.steady.wait()
        await self._channel.send(frame)

    async def receive(self) -> str | bytes:
        return await self._channel.receive()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._channel.close(code, reason)


class Stage:
    """One toy, a hub that has it, and a client that drives it."""

    def __init__(self, model: ToyModel) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.model = model
        # Where letting go is the only stop, the end of the connection has to be one.
        ends = model.protocol in LET_GO
        self.toy = Toy(model, "C0:00:00:00:00:07", stops_when_disconnected=ends)
        self.agent = Agent(SimulatedRadio([self.toy], clock=loop.time_ns), AgentConfig(name="x"))
        self.hub = Hub(Store(None))
        self.relays = RelaySource("x", CATALOGUE, UserConfig(), self.hub)
        self.hub.sources.append(self.relays)
        self.here, self.there = channel_pair()
        self.client = Calm(self.here)
        self.outputs: list[tuple[int, str, int]] = []
        self.wrong: list[str] = []
        self.link: Faltering | None = None

    async def run(self) -> None:
        relay_end, far = channel_pair()
        hub_end = self.link = Faltering(far)

        async def drive() -> None:
            with suppress(LinkError):
                await self.relays.drive(hub_end, "x")

        works = (
            self.relays.run(),
            self.agent.run(),
            self.agent.serve_link(relay_end),
            drive(),
            clients.serve(self.there, self.hub, ClientOptions()),
            self.client.run(),
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work) for work in works]
            try:
                await self.script()
            finally:
                for task in running:
                    task.cancel()

    async def script(self) -> None:
        await self.client.greet()
        await self.client.ask("StartScanning")
        async with asyncio.timeout(60):
            while not self.client.devices:
                self.client.changed.clear()
                await self.client.changed.wait()
        (entry,) = self.client.devices.values()
        if entry["DeviceName"] != self.model.name:
            self.wrong.append(f"is taken for {entry['DeviceName']}")
        self.outputs = [
            (int(feature), kind, spec["Value"][1])
            for feature, told in entry["DeviceFeatures"].items()
            for kind, spec in told.get("Output", {}).items()
        ]
        # What follows positions may end a run of its own.
        self.outputs.sort(key=lambda one: one[1] not in POSITIONS)
        for how in (
            self.zero, self.features, self.device, self.everything, self.lapse, self.pause,
            self.leave,
        ):  # fmt: skip
            await self.stopped(how)

    async def stopped(self, how: Callable[[], Awaitable[None]]) -> None:
        slow = SLOW.get(self.model.protocol, 0.0)
        for feature, kind, top in self.outputs:
            command: Message = {"Value": top}
            if kind == "HwPositionWithDuration":
                command["Duration"] = 200
            await self.say("OutputCmd", FeatureIndex=feature, Command={kind: command})
        await asyncio.sleep(1.5 + slow)
        lasting = any(kind not in (*POSITIONS, "Spray") for _, kind, _ in self.outputs)
        if lasting and self.toy.at_rest:
            self.wrong.append(f"never ran before {how.__name__}")
        await how()
        for seconds in (REST_S + slow, 3.0):
            await asyncio.sleep(seconds)
            if not self.toy.at_rest:
                self.wrong.append(f"runs after {how.__name__}: {self.toy.words}")
        for device in self.hub.devices.values():
            if device.running or device.may_run:
                self.wrong.append(f"counts as running after {how.__name__}: {device.truth}")

    async def say(self, name: str, **fields: object) -> None:
        answer = await self.client.get(name, {"DeviceIndex": 0, **fields})
        if answer != "Ok":
            self.wrong.append(f"{name} {fields}: {answer}")

    # --- what stops ----------------------------------------------------------------------------

    async def zero(self) -> None:
        for feature, kind, _ in self.outputs:
            if kind not in POSITIONS:
                await self.say("OutputCmd", FeatureIndex=feature, Command={kind: {"Value": 0}})

    async def features(self) -> None:
        for feature in sorted({feature for feature, _, _ in self.outputs}):
            await self.say("StopCmd", FeatureIndex=feature, Inputs=True, Outputs=True)

    async def device(self) -> None:
        await self.say("StopCmd", Inputs=True, Outputs=True)

    async def everything(self) -> None:
        answer = await self.client.get("StopCmd", {"Inputs": True, "Outputs": True})
        assert answer == "Ok"

    async def lapse(self) -> None:
        """The hub is not heard for longer than a lease, and the link holds all the same."""
        assert self.link is not None
        self.link.steady.clear()
        await asyncio.sleep(1.5)
        if not self.toy.at_rest and self.model.protocol not in {*SLOW, *LINGER}:
            self.wrong.append(f"runs without a lease: {self.toy.words}")
        self.link.steady.set()

    async def pause(self) -> None:
        self.agent.pause()
        await asyncio.sleep(0.5)
        self.agent.resume()

    async def leave(self) -> None:
        await self.here.close(1000, "bye")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whatever_stops_a_model_leaves_it_at_rest(protocol: str) -> None:
    wrong = {}
    for model in MODELS:
        if model.protocol == protocol:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:

                async def play(model: ToyModel = model) -> list[str]:
                    stage = Stage(model)
                    await stage.run()
                    return stage.wrong

                if found := runner.run(play()):
                    wrong[model.name] = found
    assert wrong == {}


class Haste(Stage):
    """A thruster whose on and off is one button, over a radio that is slow and fails at times."""

    def __init__(self, model: ToyModel, rng: random.Random) -> None:
        super().__init__(model)
        self.rng = rng

    async def stopped(self, how: Callable[[], Awaitable[None]]) -> None:
        rng, faults = self.rng, self.toy.faults
        if how != self.device:
            return
        for op in WRITES:
            faults.latency_of[op] = rng.choice([0.0, 0.05, 0.12, 0.3])
        if rng.random() < 0.5:
            faults.fail(rng.randint(1, 3), rate=rng.choice([0.2, 0.6]), seed=rng.randint(0, 99))
        for value in rng.choices([0, 1, 3, 9], k=rng.randint(1, 4)):
            command = {"Oscillate": {"Value": value}}
            await self.client.get(
                "OutputCmd", {"DeviceIndex": 0, "FeatureIndex": 0, "Command": command}
            )
            await asyncio.sleep(rng.uniform(0, 1.5))
        await how()
        await asyncio.sleep(20)
        # It may have been let go before, so that there was no such device.
        self.wrong = [] if self.toy.at_rest else ["runs"]


@pytest.mark.parametrize("seed", range(40))
def test_a_toggle_is_off_after_a_stop_however_slow_and_faulty_its_radio(seed: int) -> None:
    model = next(one for one in MODELS if one.protocol == "fmachine")

    async def play() -> list[str]:
        stage = Haste(model, random.Random(seed))
        await stage.run()
        return stage.wrong

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(play()) == []
