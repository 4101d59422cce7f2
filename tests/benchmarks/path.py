"""What one command costs on its way, counted rather than timed: the same on every machine.

`python -m tests.benchmarks.path` prints these alone, and with `--calls` every function.

Client session, hub, link, agent and machine in one process and in virtual time; the sockets,
the encryption of the link and the toy are not part of it. Counted from the client's frame to its
Ok: calls of functions of this project (a coroutine that goes on counts as a call), its files that
take part, and hand-offs: how often something was put in the event loop's queue.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from forwarder.clients.driver import ClientOptions, serve
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import Channel, channel_pair
from relay.link.errors import LinkError
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.benchmarks.row import Row
from tests.doubles.clock import VirtualLoop

TOY = "Lovense Hush"
# Beats and other things that come by the clock are in some of the tries; the least has none.
TRIES = 20
PAUSE_S = 0.1
# Commit 828efe9, before the machine of the peripheral and the bounds of the doors: the figures
# that these stand beside, counted by this file on that code.
BEFORE = {"OutputCmd": "227, 29, 14", "StopCmd": "209, 28, 15"}

_ROOT = Path(__file__).parents[2]
_OWN = (f"{_ROOT / 'forwarder'}/", f"{_ROOT / 'relay'}/")
_NOT_COUNTED = (f"{_ROOT / 'relay/radio/simulated'}/", f"{_ROOT / 'relay/link/channel.py'}")


@dataclass(frozen=True, slots=True)
class Cost:
    """`functions`: calls by file and name."""

    functions: Counter[tuple[str, str]]
    hand_offs: int

    @property
    def calls(self) -> int:
        return self.functions.total()

    @property
    def files(self) -> int:
        return len({file for file, _ in self.functions})

    def __str__(self) -> str:
        return f"{self.calls}, {self.files}, {self.hand_offs}"


class _Counting(VirtualLoop):
    """Counts calls and hand-offs while it is `counting`."""

    def __init__(self) -> None:
        super().__init__()
        self.counting = False
        self._functions: Counter[tuple[str, str]] = Counter()
        self._hand_offs = 0

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        self._hand_offs += self.counting
        return super().call_soon(callback, *args, context=context)

    def begin(self) -> None:
        self._functions, self._hand_offs = Counter(), 0
        self.counting = True
        sys.setprofile(self._called)

    def end(self) -> Cost:
        sys.setprofile(None)
        self.counting = False
        return Cost(self._functions, self._hand_offs)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(_OWN) and not file.startswith(_NOT_COUNTED):
            self._functions[file.removeprefix(f"{_ROOT}/"), frame.f_code.co_qualname] += 1


class _Client:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._id = 0

    async def ask(self, name: str, **fields: object) -> None:
        self._id += 1
        await self._channel.send(json.dumps([{name: {"Id": self._id, **fields}}]))
        while True:
            ((kind, answer),) = json.loads(await self._channel.receive())[0].items()
            if answer["Id"] == self._id:
                assert kind != "Error", answer
                return

    async def vibrate(self) -> None:
        command = {"Vibrate": {"Value": 1 + self._id % 20}}
        await self.ask("OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)

    async def stop(self) -> None:
        await self.ask("StopCmd", DeviceIndex=0, Inputs=True, Outputs=True)


async def _measure(loop: _Counting) -> dict[str, Cost]:
    agent = Agent(SimulatedRadio(toys_by_name(TOY), clock=loop.time_ns), AgentConfig(name="x"))
    hub = Hub(Store(None))
    source = RelaySource("x", Catalogue.load(), UserConfig(), hub)
    hub.sources.append(source)
    relay_end, hub_end = channel_pair()
    here, there = channel_pair()
    client = _Client(here)

    async def drive() -> None:
        with suppress(LinkError):
            await source.drive(hub_end, "x")

    async with asyncio.TaskGroup() as tasks:
        works = (
            source.run(), agent.run(), agent.serve_link(relay_end), drive(),
            serve(there, hub, ClientOptions()),
        )  # fmt: skip
        running = [tasks.create_task(work) for work in works]
        version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        await client.ask("RequestServerInfo", ClientName="bench", **version)
        await client.ask("StartScanning")
        while not hub.devices:  # noqa: ASYNC110  # virtual time, and nobody tells
            await asyncio.sleep(PAUSE_S)
        await client.ask("StopScanning")
        costs = {}
        for name, command in (("OutputCmd", client.vibrate), ("StopCmd", client.stop)):
            tries = []
            for _ in range(TRIES):
                await client.vibrate()
                await asyncio.sleep(PAUSE_S)
                loop.begin()
                await command()
                tries.append(loop.end())
            costs[name] = min(tries, key=lambda cost: (cost.calls, cost.hand_offs))
        for task in running:
            task.cancel()
    return costs


def measure() -> dict[str, Cost]:
    """What an OutputCmd and a StopCmd cost, by name."""

    async def main() -> dict[str, Cost]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Counting)
        return await _measure(loop)

    with asyncio.Runner(loop_factory=_Counting) as runner:
        return runner.run(main())


def rows() -> list[Row]:
    return [
        Row(f"own calls, files, hand-offs of one {name}", str(cost), f"({BEFORE[name]} before)")
        for name, cost in measure().items()
    ]


def main() -> int:
    for name, cost in measure().items():
        print(f"{name}: own calls, files, hand-offs: {cost} (before: {BEFORE[name]})")
        if "--calls" in sys.argv:
            for (file, function), count in sorted(cost.functions.items()):
                print(f"  {count:3} {file} {function}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
