"""A meeting point between hub and relay, broken on each side: processes and sockets, in real time.

    client, hub -- proxy -- meeting point -- proxy -- relay, toy

The meeting point and the proxies are processes; hub and relay are in this one, and go on. Every
fault stays, so that whatever sets the toy going afterwards had no right to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from forwarder.app import App
from forwarder.client.client import Client
from forwarder.config import Clients, Config, Link
from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.hubs import HubTarget, dial_place
from relay.hub_link.paired import PairedHub
from relay.hub_link.uplink import Uplink
from relay.link.reach import pair
from relay.link.security.meeting import hub_id, visit_url
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import PairingLink
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy, ToyOperation
from tests.system.processes import free_ports, until

TOY = "Lovense Hush"
LIMIT_MS = 1_000
# Outputs have been on for so long (s) when the fault comes, and are set so often.
WARM_S = 0.8
FLOOD_S = 0.1
OFF_S = 3.0
QUIET_S = 3.0

Inflict = Callable[["AwayWorld"], None]
Moments = list[tuple[float, bool]]


@dataclass
class AwayWorld:
    """`by_hub` and `by_relay`: the proxies on their ways. `moments`: when the toy was written to,
    by the loop's clock, and whether it was at rest then."""

    point: Process
    by_hub: Process
    by_relay: Process
    toy: Toy
    moments: Moments

    def off_at(self, since: float) -> float | None:
        return off_at(self.moments, since)


def off_at(moments: Moments, since: float) -> float | None:
    return next((at for at, rest in moments if at >= since and rest), None)


@dataclass(frozen=True, slots=True)
class AwayRow:
    fault: str
    place: str
    detail: str
    inflict: Inflict

    @property
    def name(self) -> str:
        return f"{self.fault} × {self.place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class AwayOutcome:
    """`off_ms` from the fault, None if it was never off; `again`: something set it going then."""

    off_ms: float | None
    again: bool


def _sent(number: signal.Signals) -> Inflict:
    return lambda it: os.kill(it.point.pid, number)


def _told(which: str, word: str) -> Inflict:
    def tell(it: AwayWorld) -> None:
        process = getattr(it, which)
        assert process.stdin is not None
        process.stdin.write(f"{word}\n".encode())

    return tell


def _ended(which: str) -> Inflict:
    return lambda it: getattr(it, which).kill()


PLACE = "meeting point"
ROWS = (
    AwayRow("kill -9", PLACE, "itself", _sent(signal.SIGKILL)),
    AwayRow("SIGSTOP", PLACE, "itself", _sent(signal.SIGSTOP)),
    *(
        AwayRow(fault, PLACE, detail, inflict)
        for side in ("hub", "relay")
        for fault, detail, inflict in (
            ("half-open", f"nothing passes on the {side}'s side", _told(f"by_{side}", "silent")),
            ("reset", f"cut on the {side}'s side", _ended(f"by_{side}")),
            ("duplicates", f"what is for the {side} comes twice", _told("point", f"twice {side}")),
            ("reordering", f"frames for the {side} are swapped", _told("point", f"swap {side}")),
        )
    ),
)


@asynccontextmanager
async def _process(*words: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def away_world(folder: Path) -> AsyncIterator[AwayWorld]:
    """The toy is driven when the block begins."""
    port, hubs, relays, link = free_ports(4)
    # What the hub proves is the address that it dials: its own proxy's.
    origin = f"http://localhost:{hubs}"
    async with AsyncExitStack() as stack:
        point, by_hub, by_relay = [
            await stack.enter_async_context(_process(*words))
            for words in (
                ("tests.faults.away_point", str(port), origin),
                ("tests.faults.proxy", str(hubs), str(port)),
                ("tests.faults.proxy", str(relays), str(port)),
            )
        ]
        assert point.stdout is not None
        await point.stdout.readline()
        driven = await stack.enter_async_context(
            driven_toy(folder, origin, f"http://localhost:{relays}", link)
        )
        yield AwayWorld(point, by_hub, by_relay, *driven)


@asynccontextmanager
async def driven_toy(
    folder: Path, origin: str, by: str, link: int
) -> AsyncIterator[tuple[Toy, Moments]]:
    """A hub that registers at `origin`, a relay that finds it there by `by`, an app that drives the
    toy. `link`: a free port for the hub."""
    (toy,) = toys_by_name(TOY)
    moments: Moments = []
    clock = asyncio.get_running_loop().time

    def note(operation: ToyOperation) -> None:
        moments.append((clock(), toy.at_rest))

    toy.watch(note)
    config = Config(
        name="desk", state=folder, clients=Clients(port=0),
        link=Link(port=link, https_port=0, meet=(origin,)),
    )  # fmt: skip
    app = App(config)
    agent = Agent(SimulatedRadio([toy]), AgentConfig(name="attic"))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(app.run()), tasks.create_task(agent.run())]
        try:
            async with asyncio.timeout(20):
                await until(lambda: app.meetings[0].registered, "a registration")
                key = KeyPair.generate()
                place = visit_url(by, hub_id(app.trust.key.public))
                secret = app.trust.desk.issue(clock())
                known = await pair(
                    PairingLink((), secret, meetings=(place,)), key, "attic", dial_place
                )
                target = HubTarget("the hub", PairedHub(known, key, None, dial_place).connect)
                running.append(tasks.create_task(Uplink(agent, target).run()))
                client = await stack.enter_async_context(Client.over(app.open_client()))
                running.append(tasks.create_task(_drive(client)))
                await until(lambda: bool(client.devices), "a device")
                await until(lambda: not toy.at_rest, "it runs")
            yield toy, moments
        finally:
            for task in running[1:]:
                task.cancel()
            app.stop()
            await asyncio.wait(running, timeout=5)


async def _drive(client: Client) -> None:
    """Never to rest."""
    await client.scan()
    while True:
        for device in client.devices:
            with contextlib.suppress(Exception):  # it is away: the next time
                await device.vibrate(0.8)
        await asyncio.sleep(FLOOD_S)


async def play(row: AwayRow, folder: Path, quiet_s: float = QUIET_S) -> AwayOutcome:
    async with away_world(folder) as it:
        await asyncio.sleep(WARM_S)
        assert not it.toy.at_rest
        since = asyncio.get_running_loop().time()
        row.inflict(it)
        with contextlib.suppress(AssertionError):
            await until(lambda: it.off_at(since) is not None, "the stop", OFF_S)
        off = it.off_at(since)
        await asyncio.sleep(quiet_s)
        again = off is not None and any(at > off and not rest for at, rest in it.moments)
        return AwayOutcome(None if off is None else (off - since) * 1000, again)


def verdict(row: AwayRow, outcome: AwayOutcome) -> str:
    """What is wrong with it; "" if nothing is."""
    if outcome.off_ms is None:
        return "never off"
    if outcome.again:
        return "set going again"
    return f"off after {outcome.off_ms:.0f} ms" if outcome.off_ms > LIMIT_MS else ""
