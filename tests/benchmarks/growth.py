"""How the cost of each thing grows with the house: `python -m tests.benchmarks.growth`.

Counted, not timed: the lines of `forwarder` that run, of a loop those of each round, in virtual
time, so that it is the same on every machine. What the interpreter's own functions go through
inside (sorting, joining, encoding) is not counted. A house has so many relays, each with one toy
that all drive; what concerns one device is to cost the same in any house, what concerns all may
grow as they do.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from forwarder.app import App
from forwarder.clients.driver import ClientOptions, serve
from forwarder.metrics.exposition import Figures, told
from forwarder.sources.relays.status import RelayStatus
from relay.link.channel import channel_pair
from relay.link.errors import LinkError
from relay.link.messages import Debt, Debts, Wearer, Welcome
from relay.radio.simulated.catalogue import catalogue, find
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import run_virtual
from tests.doubles.running_hub import config_for
from tests.doubles.scripted_relay import ScriptedRelay
from tests.soak.client import SoakClient

_OWN = f"{Path(__file__).parents[2] / 'forwarder'}/"
SETTLE_S = 5.0
PAUSE_S = 0.3
GRACE_S = 61.0
# Of one device, and of all.
EACH = ("OutputCmd", "ScalarCmd, v3", "VibrateCmd, v1", "stop of one")
ALL = ("come", "status", "relay status", "metrics", "stop of all", "leave", "go")


class Lines:
    """Counts those that run inside `counted`."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.count = 0
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._in if frame.f_code.co_filename.startswith(_OWN) else None

    def _in(self, frame: FrameType, event: str, _: Any) -> Any:
        self.count += event == "line"
        return self._in


class House:
    def __init__(self, app: App, tasks: asyncio.TaskGroup) -> None:
        self.app = app
        self._tasks = tasks
        self._running: list[asyncio.Task[None]] = []
        self._lines = Lines()
        self.costs: dict[str, int] = {}

    async def costs_of(self, what: str, work: Callable[[], Awaitable[object]]) -> None:
        with self._lines.counted():
            await work()
        self.costs[what] = self._lines.count

    async def least_of(self, what: str, works: Sequence[Callable[[], Awaitable[object]]]) -> None:
        """Beats and other things that come by the clock are in some of the tries."""
        tries = []
        for work in works:
            await self.costs_of(what, work)
            tries.append(self.costs[what])
            await asyncio.sleep(PAUSE_S)
        self.costs[what] = min(tries)

    def run(self, work: Any) -> None:
        async def quiet() -> None:
            with suppress(LinkError):
                await work

        self._running.append(self._tasks.create_task(quiet()))

    async def client(self, version: int) -> SoakClient:
        here, there = channel_pair(bound=10_000)
        client = SoakClient(here, version, version)
        self.run(serve(there, self.app.hub, ClientOptions()))
        self.run(client.run())
        await client.greet()
        await client.list()
        return client

    def end(self) -> None:
        for task in self._running:
            task.cancel()


async def _appear(relay: ScriptedRelay) -> None:
    await relay.hears(Welcome)
    await relay.say(Wearer())
    await relay.say(Debts((Debt("D0:00:00:00:00:01", "lost"),)))
    await relay.sees()


async def _house(count: int, folder: Path) -> dict[str, int]:
    app = App(config_for(folder, ()))
    hub, relays = app.hub, app.relays
    model, _ = find("Lovense Hush", catalogue())
    links = []
    async with asyncio.TaskGroup() as tasks:
        it = House(app, tasks)
        it.run(relays.run())
        v4, v3, v1 = [await it.client(version) for version in (4, 3, 1)]
        await v4.ask("Ok", "StartScanning")

        async def come() -> None:
            for number in range(count):
                here, there = channel_pair()
                toy = Toy(model, f"C0:00:00:00:{number // 256:02X}:{number % 256:02X}")
                relay = ScriptedRelay(here, toy)
                links.append(here)
                it.run(relay.run(name=f"relay {number}"))
                it.run(relays.drive(there, f"{number:064x}", f"relay {number}"))
                it.run(_appear(relay))
            await asyncio.sleep(SETTLE_S)

        async def drive(client: SoakClient, device: int, level: float) -> None:
            name, fields = client.vibrate(device, 0, level, 20)
            await client.ask("Ok", name, **fields)

        async def stop(device: int | None) -> None:
            name, fields = v4.stop(device)
            await v4.ask("Ok", name, **fields)

        async def drive_all() -> None:
            for index in hub.devices:
                await drive(v4, index, 0.5)
            await asyncio.sleep(SETTLE_S)

        async def at_once(work: Callable[[], object]) -> None:
            work()

        await it.costs_of("come", come)
        assert len(hub.devices) == count
        await v4.ask("Ok", "StopScanning")
        for client in (v4, v3, v1):
            await client.list()
        await drive_all()
        levels = (0.25, 0.5, 0.75)
        await it.least_of("OutputCmd", [partial(drive, v4, 0, level) for level in levels])
        await it.least_of("ScalarCmd, v3", [partial(drive, v3, 0, level) for level in levels])
        await it.least_of("VibrateCmd, v1", [partial(drive, v1, 0, level) for level in levels])
        await it.least_of("stop of one", [partial(stop, 0)] * 3)
        await drive_all()
        status = RelayStatus(hub, relays, app.api.battery)
        figures = Figures(hub, relays, app.stalls, app.meter, "", 0.0)
        await it.costs_of("status", app.api.view.status)
        await it.costs_of("relay status", lambda: at_once(status.tell))
        await it.costs_of("metrics", lambda: at_once(lambda: told(figures)))
        await it.costs_of("stop of all", lambda: stop(None))
        await drive_all()

        async def leave() -> None:
            await v4.leave()
            await asyncio.sleep(SETTLE_S)

        await it.costs_of("leave", leave)
        assert not any(device.running for device in hub.devices.values())

        async def go() -> None:
            for link in links:
                await link.close()
            await asyncio.sleep(GRACE_S)  # as long as relays say that they keep connections

        await it.costs_of("go", go)
        it.end()
    return it.costs


def measure(count: int) -> dict[str, int]:
    """Lines that run, by what is done, in a house of so many relays."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        return run_virtual(_house(count, Path(folder)))


def main() -> int:
    small, large = int(sys.argv[1]) if len(sys.argv) > 1 else 25, 4
    logging.disable(logging.CRITICAL)
    few, many = measure(small), measure(small * large)
    print(f"{'':20} {small:>10} {small * large:>10}")
    for what, lines in few.items():
        print(f"{what:20} {lines:10,} {many[what]:10,}   {many[what] / lines:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
