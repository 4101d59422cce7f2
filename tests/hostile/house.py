"""A hub in a process of its own, a good relay and a good client here, and one kind of attacker."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from forwarder.access.tokens import TokenBook
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.errors import LinkError
from relay.link.websocket import dial
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.hostile.hub import Report
from tests.hostile.peers import PEERS
from tests.system.processes import free_ports, until

# Attacking processes; each has its connections.
ATTACKERS = 2
STANDS_STILL_S = 10.0
# It promises two seconds; a machine with ten times too much to do takes longer.
END_S = 20.0
TOY = "Lovense Hush"


@dataclass(slots=True)
class Figures:
    report: Report
    p50_ms: float
    p99_ms: float
    errors: int
    stopped: int
    ended: bool
    may_stop: bool = False

    @property
    def fine(self) -> bool:
        return not self.ended and (self.may_stop or (self.stopped == 0 and self.errors == 0))


@dataclass(slots=True)
class Ports:
    clients: int
    link: int
    https: int


class HubProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def report(self) -> Report:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        async with asyncio.timeout(30):
            return msgspec.json.decode(await self.process.stdout.readline(), type=Report)

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None


@asynccontextmanager
async def hub(folder: Path, ports: Ports) -> AsyncIterator[HubProcess]:
    with (folder / "hub.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.hostile.hub", str(folder / "state"),
            str(ports.clients), str(ports.link), str(ports.https),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        running = HubProcess(process)
        try:
            await running.report()
            yield running
        finally:
            if process.returncode is None:
                assert process.stdin is not None
                process.stdin.close()
                try:
                    async with asyncio.timeout(END_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
                    raise AssertionError(f"the hub does not end within {END_S:g} s") from None


@dataclass(slots=True)
class Good:
    """A client that drives a toy, and what it lived to see."""

    took_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stopped: int = 0


async def drive(ws: aiohttp.ClientWebSocketResponse, good: Good) -> None:
    """Ten values a second, each waited for; never the same twice in a row, never off."""
    ids = itertools.count(1)

    async def ask(name: str, **fields: object) -> dict[str, object]:
        id = next(ids)
        await ws.send_str(json.dumps([{name: {"Id": id, **fields}}]))
        while True:
            ((answer, body),) = json.loads(await ws.receive_str())[0].items()
            if body["Id"] == 0 and answer == "Error":
                good.stopped += 1
            if body["Id"] == id:
                return {"name": answer, **body}

    await ask(
        "RequestServerInfo", ClientName="good", ProtocolVersionMajor=4, ProtocolVersionMinor=0
    )
    await ask("StartScanning")
    index = None
    while index is None:
        devices = (await ask("RequestDeviceList"))["Devices"]
        assert isinstance(devices, dict)
        found = [i for i, device in devices.items() if device["DeviceName"] == TOY]
        index = int(found[0]) if found else None
        await asyncio.sleep(0.1)
    for value in itertools.cycle(range(1, 20)):
        began = time.perf_counter()
        command = {"Vibrate": {"Value": value}}
        answer = await ask("OutputCmd", DeviceIndex=index, FeatureIndex=0, Command=command)
        good.took_ms.append((time.perf_counter() - began) * 1000)
        if answer["name"] != "Ok":
            good.errors.append(str(answer))
        await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - began)))


async def kept(ws: aiohttp.ClientWebSocketResponse, good: Good) -> None:
    """`drive`; a session that ends is an error of the hub's."""
    try:
        await drive(ws, good)
    except (aiohttp.ClientError, TypeError) as error:  # aiohttp: what came was no text, but an end
        good.errors.append(f"{ws.close_code} {error}")


async def relay(agent: Agent, port: int) -> None:
    """Link the good relay, again and again."""
    while True:
        with suppress(LinkError):
            await agent.serve_link(await dial(f"ws://127.0.0.1:{port}/link/plain"))
        await asyncio.sleep(0.2)


async def attacked(folder: Path, name: str, seconds: float) -> Figures:
    """Attack a new hub for so many seconds."""
    ports = Ports(*free_ports(3))
    (folder / "state").mkdir(mode=0o700)
    token = TokenBook(folder / "state" / "tokens.json").new("guest", time.time())
    good = Good()
    agent = Agent(SimulatedRadio(toys_by_name(TOY)), AgentConfig(name="good"))
    async with hub(folder, ports) as running, aiohttp.ClientSession() as session:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(agent.run()),
                tasks.create_task(relay(agent, ports.link)),
            ]
            attackers: list[asyncio.subprocess.Process] = []
            if name == "liar":
                attackers = await attack(name, seconds, ports, token)
                await asyncio.sleep(1)
            ws = await session.ws_connect(f"ws://127.0.0.1:{ports.clients}")
            driving = tasks.create_task(kept(ws, good))
            await until(lambda: len(good.took_ms) > 5, "the good client drives")
            good.took_ms.clear()
            await running.report()
            if name == "stands still":
                os.kill(running.process.pid, signal.SIGSTOP)
                await asyncio.sleep(STANDS_STILL_S)
                os.kill(running.process.pid, signal.SIGCONT)
                driving.cancel()
                await asyncio.sleep(3)
                ws = await session.ws_connect(f"ws://127.0.0.1:{ports.clients}")
                again = Good()
                driving = tasks.create_task(kept(ws, again))
                await until(lambda: len(again.took_ms) > 5, "it drives again")
                good.took_ms = again.took_ms
            elif name in PEERS and not attackers:
                attackers = await attack(name, seconds, ports, token)
                good.took_ms.clear()
            await asyncio.sleep(seconds)
            report = await running.report()
            for attacker in attackers:
                if attacker.returncode is None:
                    attacker.kill()
                await attacker.wait()
            agent.close()
            for task in (*work, driving):
                task.cancel()
        ended = running.ended
    for error in good.errors[:3]:
        print(f"  {name}: {error}", file=sys.stderr)
    took = sorted(good.took_ms)
    return Figures(
        report=report,
        p50_ms=statistics.median(took),
        p99_ms=took[min(len(took) - 1, int(len(took) * 0.99))],
        errors=len(good.errors),
        stopped=good.stopped,
        ended=ended,
        may_stop=name == "stands still",
    )


async def attack(
    name: str, seconds: float, ports: Ports, token: str
) -> list[asyncio.subprocess.Process]:
    """Start the attackers; returns once they have."""
    attackers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.hostile.peers", name, str(seconds),
            str(ports.clients), str(ports.link), str(ports.https), token,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )
        for _ in range(ATTACKERS)
    ]  # fmt: skip
    for attacker in attackers:
        assert attacker.stdout is not None
        async with asyncio.timeout(60):
            assert await attacker.stdout.readline() == b"ready\n"
    return attackers
