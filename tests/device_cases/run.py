"""One case through the whole stack, in virtual time, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from forwarder.buttplug.messages import OutputType
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import channel_pair
from relay.link.errors import LinkError
from relay.link.messages import Advertisement, Counter, Packet
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.scripted import ScriptedToy
from tests.device_cases.case import Action, BadCase, Case, Event, Expected, Group
from tests.device_cases.case import Toy as CaseToy
from tests.device_cases.client import CaseClient, Failure, Message, NotApplicable
from tests.doubles.clock import Deadlock, VirtualLoop

VERSIONS = (4, 3, 2, 1, 0)

# Virtual seconds. A handshake may sleep 3 s, a delayed packet comes after 1 s.
OPENING_S = 60.0
EXPECTED_S = 5.0
SETTLE_S = 0.01

_WRITES = (FaultPoint.WRITE, FaultPoint.WRITE_NO_RESPONSE)


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "no protocol"  # nothing here drives such a device
    NOT_APPLICABLE = "not applicable"  # the spec version has no words for it
    BAD = "bad case"


@dataclass(frozen=True, slots=True)
class Result:
    case: str
    version: int
    verdict: Verdict
    text: str = ""


class _Reader:
    """What reached a toy, in order; each operation is looked at once."""

    def __init__(self, toy: ScriptedToy) -> None:
        self.toy = toy
        self.next = 0
        self.seen: list[Expected] = []
        self.repeated = 0
        self._ours: list[int] = []
        self._counter: Counter | None = None

    def opened(self, stop: Sequence[Packet]) -> None:
        """It was just announced, and took our `stop` before that, which the reference does not
        send: passed over, also by running numbers."""
        writes = [at for at, one in enumerate(self.toy.record) if one.op in _WRITES]
        self._ours = writes[len(writes) - len(stop) :]
        self._counter = next((packet.counter for packet in stop if packet.counter), None)

    def take(self) -> Expected | None:
        record = list(self.toy.record)
        while self.next < len(record):
            operation = record[self.next]
            self.next += 1
            if self.next - 1 in self._ours:
                continue
            match operation.op:
                case FaultPoint.WRITE | FaultPoint.WRITE_NO_RESPONSE:
                    response = operation.op is FaultPoint.WRITE
                    data = self._renumbered(operation.data)
                    return Expected("Write", operation.role, data, response)
                case FaultPoint.SUBSCRIBE:
                    return Expected("Subscribe", operation.role)
                case FaultPoint.UNSUBSCRIBE:
                    return Expected("Unsubscribe", operation.role)
        return None

    def _renumbered(self, data: bytes) -> bytes:
        counter = self._counter
        if counter is None:
            return data
        changed = bytearray(data)
        changed[counter.at] = (data[counter.at] - len(self._ours)) & 0xFF
        if counter.xor_at is not None:
            changed[counter.xor_at] ^= data[counter.at] ^ changed[counter.at]
        return bytes(changed)

    async def expect(self, expected: Expected, *, after_stop: bool) -> None:
        """Raises Failure unless `expected` is what reaches the toy next.

        Two kinds of repetition are passed over: of the last write (a keep-alive), and after a stop
        of any write before it: our stop is sent even to what is off already.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + EXPECTED_S
        while True:
            got = self.take()
            if got is None:
                if loop.time() >= until:
                    raise Failure(f"expected {expected}, nothing came")
                await asyncio.sleep(SETTLE_S)
                continue
            if got == expected:
                self.seen.append(got)
                return
            last = [one for one in self.seen if one.endpoint == got.endpoint][-1:]
            if got not in (self.seen if after_stop else last) or got.what != "Write":
                raise Failure(f"expected {expected}, got {got}")
            self.repeated += 1


class _Stage:
    """A hub, an agent with scripted toys, and one client; all of it in this process."""

    def __init__(self, case: Case, version: int) -> None:
        path = case.user_config_file
        user = UserConfig() if path is None else UserConfig.load(path)
        self.catalogue = Catalogue.load(official=case.config_file, user=user)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.toys = [self._toy(toy, number) for number, toy in enumerate(case.toys)]
        self.readers = [_Reader(toy) for toy in self.toys]
        self.agent = Agent(SimulatedRadio(self.toys, clock=loop.time_ns), AgentConfig(name="case"))
        self.hub = Hub(Store(None))
        self.relays = RelaySource("case", self.catalogue, user, self.hub)
        self.hub.sources.append(self.relays)
        self.here, self._there = channel_pair()
        self.client = CaseClient(self.here, version, alone=case.alone)
        self._case = case
        self._late: list[tuple[Action, asyncio.Future[tuple[str, Message]]]] = []
        self._stopped = False

    def _toy(self, toy: CaseToy, number: int) -> ScriptedToy:
        address = toy.address or f"C0:00:00:00:00:{number:02X}"
        candidates = self.catalogue.match(Advertisement(address, toy.name))
        if not candidates:
            raise LookupError(toy.name)
        return ScriptedToy(candidates[0].services, address, name=toy.name)

    async def play(self) -> None:
        """Raises Failure or NotApplicable."""
        async with asyncio.TaskGroup() as tasks:
            relay_end, hub_end = channel_pair()
            running = [
                tasks.create_task(work)
                for work in (
                    self.relays.run(),
                    self.agent.run(),
                    self.agent.serve_link(relay_end),
                    _quietly(self.relays, hub_end),
                    clients.serve(self._there, self.hub, ClientOptions()),
                    self.client.run(),
                )
            ]
            try:
                await self._script()
            finally:
                for task in running:
                    task.cancel()

    async def _script(self) -> None:
        client = self.client
        await client.greet()
        await client.ask("StartScanning")
        for group in self._case.init:
            await self._group(group)
        try:
            async with asyncio.timeout(OPENING_S):
                while len(client.devices) < len(self.toys):
                    client.changed.clear()
                    await client.changed.wait()
        except TimeoutError:
            raise Failure("the device was never announced") from None
        for number, reader in enumerate(self.readers):
            place = self.relays.place(self.hub.devices[number])
            assert place is not None
            reader.opened(place[1].driver.protocol.armed() or ())
        self._check_names()
        for group in self._case.script:
            await self._group(group)
        for action, waiter in self._late:
            async with asyncio.timeout(EXPECTED_S):
                name, reply = await waiter
            if name == "Error":
                raise Failure(f"the server says: {reply['ErrorMessage']}")
            client.check_battery(action, reply)

    def _check_names(self) -> None:
        for number, toy in enumerate(self._case.toys):
            entry = self.client.devices[number]
            if toy.expected_name is not None and entry["DeviceName"] != toy.expected_name:
                raise Failure(f"it is called {entry['DeviceName']}, not {toy.expected_name}")
            shown = entry.get("DeviceDisplayName")
            expected = toy.expected_display_name
            if self.client.version >= 3 and expected is not None and shown != expected:
                raise Failure(f"it is shown as {shown}, not {expected}")

    async def _group(self, group: Group) -> None:
        if self.client.version < group.min_version:
            return
        actions = [step for step in group.steps if isinstance(step, Action)]
        if actions:
            await self._act(group.device, actions)
        for step in group.steps:
            if isinstance(step, Expected):
                await self.readers[group.device].expect(step, after_stop=self._stopped)
            elif isinstance(step, Event):
                await self._event(self.toys[group.device], step)

    async def _act(self, device: int, actions: Sequence[Action]) -> None:
        for action in actions:
            if self.client.version == 0 and action.what == "Vibrate" and self._motors(device) > 1:
                raise NotApplicable("version 0 has one speed for all motors")
            self._stopped = action.what == "Stop"
            late = await self.client.act(device, action)
            if late is not None:
                self._late.append((action, late))

    def _motors(self, device: int) -> int:
        features = self.hub.devices[device].features
        return sum(OutputType.VIBRATE in (feature.output or {}) for feature in features)

    async def _event(self, toy: ScriptedToy, event: Event) -> None:
        # Whoever waits for the event must have got as far as waiting.
        await asyncio.sleep(SETTLE_S)
        match event.what:
            case "Notifications":
                toy.notify(event.endpoint, event.data)
            case "Reads":
                toy.push_read(event.endpoint, event.data)
            case _:
                toy.drop()


async def _quietly(relays: RelaySource, channel: object) -> None:
    with suppress(LinkError):
        await relays.drive(channel, "case")  # type: ignore[arg-type]  # a memory channel


def run_case(case: Case, version: int) -> Result:
    """Run one case for one spec version."""

    async def run() -> None:
        await _Stage(case, version).play()

    def result(verdict: Verdict, text: str = "") -> Result:
        return Result(case.name, version, verdict, text)

    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(run())
    except LookupError as error:
        return result(Verdict.UNKNOWN, f"nothing recognises {error}")
    except (ConfigError, BadCase) as error:
        return result(Verdict.BAD, str(error))
    except Deadlock as error:
        return result(Verdict.FAILED, f"everything waits: {error}")
    except ExceptionGroup as group:
        inner = _innermost(group)
        if isinstance(inner, NotApplicable):
            return result(Verdict.NOT_APPLICABLE, str(inner))
        if isinstance(inner, Failure | TimeoutError):
            return result(Verdict.FAILED, str(inner) or type(inner).__name__)
        raise
    return result(Verdict.PASSED)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
