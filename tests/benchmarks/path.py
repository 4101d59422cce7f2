"""What one command costs on its way, counted rather than timed: the same on every machine.

`python -m tests.benchmarks.path` prints these alone, and with `--calls` every function and form.

Client session, hub, link, agent and machine in one process and in virtual time; the sockets,
the encryption of the link and the toy are not part of it. Counted from the client's frame to its
Ok: calls of functions of this project (a coroutine that goes on counts as a call), its files that
take part, and hand-offs: how often something was put in the event loop's queue. Forms are the kinds
of object that carried the value on its way, as far as functions were given them or gave them back:
texts and bytes, and what the program makes of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import msgspec

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
# One that the tries do not say, nor anything else: the value by which its forms are known.
VALUE = 17
WRITTEN = f"Vibrate:{VALUE};".encode()
_DEEP = 6
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
    forms: frozenset[str] = frozenset()

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


class _Forms:
    """Notes each kind of object that carries VALUE: what functions are given, and give back."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        if not frame.f_code.co_filename.startswith(_OWN):
            return
        if event == "call":
            code = frame.f_code
            for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
                if name != "self":
                    self._look(frame.f_locals.get(name))
        elif event == "return":
            self._look(result)

    def _look(self, what: object, depth: int = 0) -> bool:
        """Whether `what` carries the value; what does, down to there, is noted."""
        match what:
            case str():
                return self._note("text", f'"Value":{VALUE}' in what)
            case bytes() | msgspec.Raw():
                data = bytes(what)
                form = "bytes of the packet" if data == WRITTEN else "bytes of the link"
                if f'"Value":{VALUE}'.encode() in data:
                    form = "text"
                return self._note(form, form == "text" or WRITTEN in data)
            case int():
                return what == VALUE and not isinstance(what, bool)
            case _ if depth > _DEEP:
                return False
            case tuple() | list() | deque():
                return any(self._each(what, depth))
            case dict():
                return any(self._each(what.values(), depth))
            case msgspec.Struct():
                fields = [getattr(what, name) for name in what.__struct_fields__]
                return self._note(type(what).__name__, any(self._each(fields, depth)))
        return False

    def _each(self, fields: Iterable[object], depth: int) -> list[bool]:
        return [self._look(field, depth + 1) for field in fields]

    def _note(self, form: str, carries: bool) -> bool:
        if carries:
            self.found.add(form)
        return carries


class _Client:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._id = 0

    async def ask(self, name: str, **fields: object) -> None:
        self._id += 1
        message = {name: {"Id": self._id, **fields}}
        await self._channel.send(json.dumps([message], separators=(",", ":")))
        while True:
            ((kind, answer),) = json.loads(await self._channel.receive())[0].items()
            if answer["Id"] == self._id:
                assert kind != "Error", answer
                return

    async def vibrate(self, value: int | None = None) -> None:
        command = {"Vibrate": {"Value": 1 + self._id % 15 if value is None else value}}
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
        sys.setprofile(forms := _Forms())
        await client.vibrate(VALUE)
        sys.setprofile(None)
        costs["OutputCmd"] = replace(costs["OutputCmd"], forms=frozenset(forms.found))
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
        if cost.forms:
            print(f"  {len(cost.forms)} forms: {', '.join(sorted(cost.forms))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
