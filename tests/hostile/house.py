"""A hub in a process of its own; good relay, client and dashboard here; one kind of attacker."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from forwarder.access.relay_keys import HubTrust
from forwarder.access.tokens import TokenBook
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.messages import Advertisement
from relay.radio.base import OnAdvertisement
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.hostile.good import TOY, Good, kept, owner, relay
from tests.hostile.hub import Report
from tests.hostile.insiders import TAKEN_OVER
from tests.hostile.pace import Target
from tests.hostile.peers import PEERS
from tests.system.processes import free_ports, until

# Attacking processes; they share the peers.
ATTACKERS = 2
PEERS_IN_ALL = 1000
RATE_HZ = 10.0
STANDS_STILL_S = 10.0
# Peers go on for so long after the figures were taken, so that the hub ends while they do.
AFTER_S = 2.0
# As long as outputs run on without a beat, less the time that a beat is under way.
LEASE_S = 0.9
# It promises two seconds; a machine with ten times too much to do takes longer.
END_S = 20.0
# So that a device that dials in may be one.
DEVICES = {
    "version": {"major": 4, "minor": 0},
    "user_configs": {
        "protocols": {"lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]}}
    },
}


@dataclass(slots=True)
class Figures:
    report: Report
    p50_ms: float
    p99_ms: float
    own_ms: float
    errors: int
    stopped: int
    ended: bool
    acts_s: float = 0.0
    held_s: float = 0.0
    bare_cpu: float = 0.0
    starved_s: float = 0.0
    memory_before: float = 0.0
    end_s: float = 0.0
    may_stop: bool = False

    @property
    def fine(self) -> bool:
        return not self.ended and (self.may_stop or (self.stopped == 0 and self.errors == 0))


@dataclass(slots=True)
class Ports:
    clients: int
    link: int
    https: int
    upstream: int
    devices: int

    @property
    def all(self) -> list[str]:
        ports = (self.clients, self.link, self.https, self.upstream, self.devices)
        return [str(port) for port in ports]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which peers, for how long, how many and how often each; `bare`: at a listener that is no
    hub, so that what they cost the machine is known."""

    name: str
    seconds: float = 8.0
    peers: int = PEERS_IN_ALL
    rate_hz: float = RATE_HZ
    bare: bool = False


class HubProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.end_s = 0.0  # how long it took to end

    async def report(self) -> Report:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        async with asyncio.timeout(30):
            return msgspec.json.decode(await self.process.stdout.readline(), type=Report)

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None


def waited_s(thread: int | str) -> float:
    """How long it has been ready and waited for a processor (Linux, sched-stats.rst)."""
    return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9


class Starved:
    """The longest that hub and good ones together got no processor, within the time of a lease:
    `longest_s`. Above half of that a toy is stopped as it should be, whoever the peers are."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self, taken_s: Callable[[], float]) -> None:
        """Look until cancelled."""
        seen: deque[tuple[float, float]] = deque()
        while True:
            now = time.monotonic()
            seen.append((now, taken_s()))
            while seen[0][0] < now - LEASE_S:
                seen.popleft()
            self.longest_s = max(self.longest_s, seen[-1][1] - seen[0][1])
            await asyncio.sleep(0.05)


@asynccontextmanager
async def hub(folder: Path, ports: Ports) -> AsyncIterator[HubProcess]:
    with (folder / "hub.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.hostile.hub", str(folder / "state"),
            *ports.all, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        running = HubProcess(process)
        try:
            await running.report()
            yield running
        finally:
            if process.returncode is None:
                assert process.stdin is not None
                process.stdin.close()
                began = time.monotonic()
                try:
                    async with asyncio.timeout(END_S):
                        await process.wait()
                    running.end_s = time.monotonic() - began
                except TimeoutError:
                    process.kill()
                    await process.wait()
                    raise AssertionError(f"the hub does not end within {END_S:g} s") from None


async def second_hubs(folder: Path, seconds: float, good: Good) -> int:
    """Start hubs on the folder of the first, one after the other; returns how many."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    for number in itertools.count(1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "forwarder", "run", "--state", str(folder / "state"),
            "--port", "0", "--link-port", "0", stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 2:
            good.errors.append(f"a second hub ended with {process.returncode}: {said!r}")
        if loop.time() >= end:
            return number
    raise AssertionError("unreachable")


class Neighbourhood(SimulatedRadio):
    """Row 5: neighbours that call out 124 services each, so many times a second in all."""

    rate_hz = 0.0
    said = 0

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().scan(on_advertisement))
            before, due = time.monotonic(), 0.0
            while True:
                await asyncio.sleep(NEIGHBOURS_S)
                now = time.monotonic()
                due += self.rate_hz * (now - before)
                before = now
                while due >= 1:
                    on_advertisement(next(_NEIGHBOURS))
                    self.said += 1
                    due -= 1


NEIGHBOURS_S = 0.02
_SERVICES = tuple(f"{n:08x}-0000-1000-8000-00805f9b34fb" for n in range(124))
_NEIGHBOURS = (
    Advertisement(f"{n % PEERS_IN_ALL:012x}", f"LVS-{n % 7}", -60, _SERVICES)
    for n in itertools.count()
)


def prepared(state: Path) -> tuple[str, str]:
    """A state folder; returns a guest's token, and the key of the hub in hex."""
    state.mkdir(mode=0o700)
    user = UserConfig.from_tree(DEVICES)
    # Without pauses between writes: the pacing is not what is measured.
    (toy,) = toys_by_name(TOY)
    entry = next(e for e in Catalogue.load().search(TOY) if e.definition.name == TOY)
    user.remember(toy.address, entry.identifiers[0], entry.definition, 0)
    device = user.device(toy.address, entry.definition.protocol, entry.identifiers[0])
    assert device is not None
    user.set_choice(device, message_gap_ms=0)
    user.save(state / "devices.json")
    trust = HubTrust.open(state, "attacked")
    trust.book.add(TAKEN_OVER.public, "taken over")
    token = TokenBook(state / "tokens.json").new("guest", time.time())
    return token, trust.key.public.hex()


async def attacked(folder: Path, plan: Plan) -> Figures:
    """Attack a new hub."""
    ports = Ports(*free_ports(5))
    token, hub_key = prepared(folder / "state")
    good, starved = Good(), Starved()
    radio = Neighbourhood(toys_by_name(TOY))
    agent = Agent(radio, AgentConfig(name="good"))
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(bare(folder)) if plan.bare else None
        aim = ports if other is None else other.ports
        attackers = Attackers(plan, aim, token, hub_key)
        # After the hub has ended: it does so while it is attacked.
        stack.push_async_callback(attackers.end)
        running = await stack.enter_async_context(hub(folder, ports))
        good.taken_s = lambda: waited_s("thread-self") + waited_s(running.process.pid)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(agent.run()),
                tasks.create_task(relay(agent, ports.link)),
                tasks.create_task(owner(session, ports.link, good)),
                tasks.create_task(starved.watch(good.taken_s)),
            ]
            if plan.name == "liar":
                await attackers.start()
                await asyncio.sleep(1)
            ws = await session.ws_connect(f"ws://127.0.0.1:{ports.clients}")
            driving = tasks.create_task(kept(ws, good))
            await until(lambda: len(good.took_ms) > 5, "the good client drives")
            before = await running.report()
            acts = 0
            good.took_ms.clear()
            good.own_ms.clear()
            if plan.name == "stands still":
                os.kill(running.process.pid, signal.SIGSTOP)
                await asyncio.sleep(STANDS_STILL_S)
                os.kill(running.process.pid, signal.SIGCONT)
                driving.cancel()
                await asyncio.sleep(3)
                ws = await session.ws_connect(f"ws://127.0.0.1:{ports.clients}")
                again = Good()
                driving = tasks.create_task(kept(ws, again))
                await until(lambda: len(again.took_ms) > 5, "it drives again")
                good.took_ms, good.own_ms = again.took_ms, again.own_ms
            elif plan.name == "two hubs":
                acts = await second_hubs(folder, plan.seconds, good)
            elif plan.name == "neighbours":
                radio.rate_hz = plan.peers  # more than that no radio hears
            elif plan.name in PEERS and plan.name != "liar":
                await attackers.start()
                good.took_ms.clear()
                good.own_ms.clear()
            if other is not None:
                other.reset()
            if plan.name != "two hubs":
                await asyncio.sleep(plan.seconds)
            acts += radio.said
            took, own = sorted(good.took_ms), sorted(good.own_ms)
            bare_cpu = 0.0 if other is None else other.cpu
            report = await running.report()
            ended = running.ended
            for task in (*work, driving):
                task.cancel()
            agent.close()
    for error in good.errors[:3]:
        print(f"  {plan.name}: {error}", file=sys.stderr)
    return Figures(
        report=report,
        p50_ms=statistics.median(took),
        p99_ms=took[int(len(took) * 0.99)],
        own_ms=own[int(len(own) * 0.99)],
        errors=len(good.errors),
        stopped=good.stopped,
        ended=ended,
        bare_cpu=bare_cpu,
        starved_s=starved.longest_s,
        acts_s=acts / plan.seconds + attackers.acts / (plan.seconds + AFTER_S),
        held_s=attackers.held / (plan.seconds + AFTER_S),
        end_s=running.end_s,
        memory_before=before.memory,
        may_stop=plan.name == "stands still",
    )


class Bare:
    """A listener that is no hub. `cpu`: the share of a processor that it took since `reset`."""

    def __init__(self, ports: Ports, pid: int) -> None:
        self.ports = ports
        self._stat = Path(f"/proc/{pid}/stat")
        self.reset()

    def reset(self) -> None:
        self._since, self._used = time.monotonic(), self._cpu_s()

    @property
    def cpu(self) -> float:
        return (self._cpu_s() - self._used) / max(time.monotonic() - self._since, 0.001)

    def _cpu_s(self) -> float:
        # proc_pid_stat(5): utime and stime, behind the name, which may have spaces.
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[Bare]:
    """Run one in a process of its own."""
    ports = Ports(*free_ports(5))
    (folder / "bare").mkdir(mode=0o700)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.bare", str(folder / "bare"), *ports.all,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _ready(process)
        yield Bare(ports, process.pid)
    finally:
        process.kill()
        await process.wait()


class Attackers:
    """The processes of one plan; none for what is no peer of `PEERS`."""

    def __init__(self, plan: Plan, aim: Ports, token: str, hub_key: str) -> None:
        self._plan = plan
        self._hub_key = hub_key
        peers = plan.peers // ATTACKERS
        self._target = Target(
            aim.clients, aim.link, aim.https, aim.upstream, aim.devices, token, peers, plan.rate_hz
        )
        self._processes: list[asyncio.subprocess.Process] = []
        self.acts = self.held = 0

    async def start(self) -> None:
        """Returns once they attack."""
        for _ in range(ATTACKERS):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.hostile.peers", self._plan.name,
                str(self._plan.seconds + AFTER_S), msgspec.json.encode(self._target).decode(),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "HUB_KEY": self._hub_key},
            )  # fmt: skip
            self._processes.append(process)
        for process in self._processes:
            await _ready(process)

    async def end(self) -> None:
        """End them, once they have said what they did."""
        for process in self._processes:
            assert process.stdout is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    acts, held = (await process.stdout.readline() or b"0 0").split()
                    self.acts += int(acts)
                    self.held += int(held)
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
