"""What a supervisor does when its relay dies, freezes, wakes up or ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.channel import channel_pair
from relay.link.messages import Hello, RadioInfo
from relay.radio.base import Connection
from relay.supervision.bluez import BluezError
from relay.supervision.bounds import BEAT_S, CUT_S, SILENCE_S, STOP_S
from relay.supervision.errors import PeripheralGone, Unreached
from relay.supervision.holds import (
    HeldWrite,
    LoopTurns,
    RelayReport,
    StopOrder,
    StopWithdrawn,
    decode,
    encode,
)
from relay.supervision.process import supervise
from relay.supervision.supervisor import Supervisor, unsupervised
from tests.doubles.clock import run_virtual
from tests.doubles.linkhub import LinkHub
from tests.doubles.radio import RecordingConnection, RecordingRadio
from tests.system.processes import until

A, B = "AA:BB:CC:00:00:01", "AA:BB:CC:00:00:02"
ACKED = StopOrder(A, (HeldWrite(3, b"off", response=True),))


@dataclass
class RecordingBus:
    """`errors` are raised in turn; `hangs`: calls never return."""

    done: list[tuple[float, str, bytes]] = field(default_factory=list)
    errors: list[Unreached] = field(default_factory=list)
    broken: Unreached | None = None
    hangs: bool = False

    async def look_up(self, address: str) -> None:
        self.note("look up", address)

    def forget(self, address: str) -> None:
        self.note("forget", address)

    async def write(self, address: str, write: HeldWrite) -> None:
        await self._do("write", address, write.data)

    async def disconnect(self, address: str) -> None:
        await self._do("cut", address)

    def note(self, op: str, address: str, data: bytes = b"") -> None:
        self.done.append((asyncio.get_running_loop().time(), f"{op} {address[-1]}", data))

    def ops(self) -> list[str]:
        return [op for _, op, _ in self.done if not op.startswith(("look", "forget"))]

    async def _do(self, op: str, address: str, data: bytes = b"") -> None:
        self.note(op, address, data)
        if self.hangs:
            await asyncio.Event().wait()
        if self.errors:
            raise self.errors.pop(0)
        if self.broken is not None:
            raise self.broken


@dataclass
class Relay:
    """A relay as its supervisor sees it."""

    channel: socket.socket
    supervising: asyncio.Task[None]

    def say(self, *said: RelayReport) -> None:
        for each in said:
            self.channel.send(encode(each))

    async def beat(self, seconds: float) -> None:
        for _ in range(round(seconds / BEAT_S)):
            self.say(LoopTurns())
            await asyncio.sleep(BEAT_S)

    async def die(self) -> None:
        self.channel.close()
        await self.supervising


@asynccontextmanager
async def relay(bus: RecordingBus) -> AsyncIterator[Relay]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with ours, theirs:
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(supervise(theirs, bus))
            yield Relay(ours, supervising)
            supervising.cancel()


def at(bus: RecordingBus, op: str) -> list[float]:
    return [round(when, 2) for when, each, _ in bus.done if each == op]


@pytest.mark.parametrize(
    "said",
    [
        LoopTurns(),
        StopWithdrawn(A),
        StopOrder(A),
        StopOrder(
            A, (HeldWrite(3, b"\x00\xff", response=True), HeldWrite(9, b"", delay_ms=40)), 30
        ),
        StopOrder(A, cut=False),
        StopOrder(A, record="/home/a person/devices/AA.json"),
        StopOrder(A, line=7),
    ],
)
def test_what_is_said_arrives(said: RelayReport) -> None:
    assert decode(encode(said)) == said


def test_a_dead_relay_leaves_its_device_stopped_and_free() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(ACKED)
            await it.beat(3)
            assert bus.ops() == []
            await it.die()
        assert bus.ops() == ["write 1", "cut 1"]

    run_virtual(scene())


def test_what_was_said_just_before_the_death_counts() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(ACKED, StopOrder(A, (HeldWrite(3, b"newer", response=True),)), StopOrder(B))
            await it.die()
        assert [data for _, op, data in bus.done if op == "write 1"] == [b"newer"]
        assert sorted(bus.ops()) == ["cut 1", "cut 2", "write 1"]

    run_virtual(scene())


def test_a_relay_that_ends_in_order_holds_nothing_and_nothing_is_stopped() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(ACKED, StopWithdrawn(A))
            await it.die()
        assert bus.ops() == []

    run_virtual(scene())


def test_a_relay_that_holds_nothing_may_be_silent() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            await asyncio.sleep(100)
            it.say(ACKED)
            await it.beat(1)
        assert bus.ops() == []

    run_virtual(scene())


def test_a_frozen_relays_device_is_stopped_once_and_keeps_its_connection() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(ACKED)
            await asyncio.sleep(10)
            assert bus.ops() == ["write 1"]
            assert at(bus, "write 1") == [SILENCE_S]
            it.say(LoopTurns())
            await asyncio.sleep(0.1)
            # What the relay had begun to write when it froze may have come after the stop.
            assert bus.ops() == ["write 1"] * 2

    run_virtual(scene())


def test_a_relay_that_freezes_and_then_dies() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(ACKED)
            await asyncio.sleep(2)
            await it.die()
        assert bus.ops() == ["write 1", "write 1", "cut 1"]

    run_virtual(scene())


def test_a_write_that_nobody_acknowledges_is_written_twice_and_delays_are_kept() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(StopOrder(A, (HeldWrite(3, b"1"), HeldWrite(3, b"2", delay_ms=100)), gap_ms=50))
            await it.die()
        assert [data for _, op, data in bus.done if op == "write 1"] == [b"1", b"2", b"1", b"2"]
        assert at(bus, "write 1") == [0, 0.1, 0.15, 0.15]

    run_virtual(scene())


def test_a_busy_bus_is_tried_again() -> None:
    async def scene() -> None:
        bus = RecordingBus(errors=[BluezError("org.bluez.Error.InProgress")] * 5)
        async with relay(bus) as it:
            it.say(ACKED)
            await it.die()
        assert bus.ops() == ["write 1"] * 6 + ["cut 1"]
        assert at(bus, "cut 1") == [0.15]

    run_virtual(scene())


def test_a_device_that_has_gone_needs_nothing() -> None:
    async def scene() -> None:
        bus = RecordingBus(broken=PeripheralGone("Not connected"))
        async with relay(bus) as it:
            it.say(ACKED)
            await it.die()
        assert bus.ops() == ["write 1"]

    run_virtual(scene())


@pytest.mark.parametrize("bus", [RecordingBus(hangs=True), RecordingBus(broken=BluezError("no"))])
def test_everything_is_over_within_two_seconds_whatever_the_bus_does(bus: RecordingBus) -> None:
    async def scene() -> None:
        async with relay(bus) as it:
            it.say(ACKED, StopOrder(B, (HeldWrite(3, b"off"),)))
            started = asyncio.get_running_loop().time()
            await it.die()
            took = asyncio.get_running_loop().time() - started
        assert took <= STOP_S + CUT_S + 0.05 < 2
        assert {"cut 1", "cut 2"} <= set(bus.ops())

    run_virtual(scene())


def test_a_device_whose_only_stop_is_to_be_cut_off() -> None:
    async def scene() -> None:
        bus = RecordingBus()
        async with relay(bus) as it:
            it.say(StopOrder(A), StopOrder(B, cut=False))
            await asyncio.sleep(1)
        assert bus.ops() == ["cut 1"]

    run_virtual(scene())


@pytest.mark.parametrize(
    ("hold", "bus", "kept"),
    [
        (ACKED, RecordingBus(), False),
        (StopOrder(A), RecordingBus(), False),
        (ACKED, RecordingBus(broken=PeripheralGone("Not connected")), True),
        (ACKED, RecordingBus(broken=BluezError("no")), True),
        (ACKED, RecordingBus(hangs=True), True),
    ],
)
def test_what_a_supervisor_has_stopped_the_next_start_need_not_look_for(
    hold: StopOrder, bus: RecordingBus, kept: bool, tmp_path: Path
) -> None:
    record = tmp_path / "AA.json"
    record.write_text("{}")

    async def scene() -> None:
        async with relay(bus) as it:
            it.say(replace(hold, record=str(record)))
            await asyncio.sleep(0.5)
            assert record.exists()
            await it.die()
        assert record.exists() == kept

    run_virtual(scene())


# --- what is reached by a descriptor ------------------------------------------------------------


DSTOP = StopOrder(A, (HeldWrite(1, b"\nDSTOP\n"),), line=1)


def hand_over(it: Relay, hold: StopOrder, end: socket.socket | None) -> None:
    """As a relay does that has this socket open; it keeps its own."""
    packet = encode(hold)
    if end is None:
        it.channel.send(packet)
    else:
        socket.send_fds(it.channel, [packet], [end.fileno()])


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_dead_relays_port_is_written_to_and_closed(kind: socket.SocketKind) -> None:
    bus, (ours, toy) = RecordingBus(), socket.socketpair(socket.AF_UNIX, kind)
    with ours, toy:
        async with relay(bus) as it:
            hand_over(it, DSTOP, ours)
            await it.beat(0.3)
            ours.close()
            await it.die()
        toy.setblocking(False)
        # Twice, as nobody acknowledges it; BlueZ was not asked for anything.
        heard = [toy.recv(64)] if kind is socket.SOCK_STREAM else [toy.recv(64), toy.recv(64)]
        assert b"".join(heard) == b"\nDSTOP\n" * 2
        assert bus.done == []
        if kind is socket.SOCK_STREAM:
            assert toy.recv(64) == b"", "it was closed"


async def test_a_frozen_relays_port_stays_open() -> None:
    bus, (ours, toy) = RecordingBus(), socket.socketpair()
    with ours, toy:
        async with relay(bus) as it:
            hand_over(it, DSTOP, ours)
            await asyncio.sleep(SILENCE_S + 0.3)
            assert toy.recv(64) == b"\nDSTOP\n" * 2
            it.say(StopWithdrawn(A))
            await asyncio.sleep(0.1)
            ours.close()
            assert toy.recv(64) == b"\nDSTOP\n" * 2, "once more, as the relay is back"
            assert toy.recv(64) == b""


async def test_a_port_that_is_opened_anew_takes_the_place_of_the_old_one() -> None:
    bus, (old, old_toy), (new, toy) = RecordingBus(), socket.socketpair(), socket.socketpair()
    with old, old_toy, new, toy:
        async with relay(bus) as it:
            hand_over(it, DSTOP, old)
            hand_over(it, replace(DSTOP, line=2), new)
            await it.beat(0.15)
            old.close()
            assert old_toy.recv(64) == b""
            await it.die()
        assert toy.recv(64) == b"\nDSTOP\n" * 2


async def test_a_port_that_could_not_be_had_or_is_broken_holds_nobody_up() -> None:
    bus, (ours, toy) = RecordingBus(), socket.socketpair()
    with ours, toy:
        async with relay(bus) as it:
            hand_over(it, DSTOP, None)
            hand_over(it, replace(DSTOP, address=B), ours)
            await it.beat(0.15)
            toy.close()
            await it.die()
    assert bus.done == []


async def test_a_full_port_is_tried_again() -> None:
    bus, (ours, toy) = RecordingBus(), socket.socketpair()
    with ours, toy:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 4096)
        async with relay(bus) as it:
            hand_over(it, DSTOP, ours)
            await it.beat(0.15)
            it.channel.close()
            await asyncio.sleep(0.2)
            heard = b""
            toy.setblocking(False)
            while not it.supervising.done():
                with contextlib.suppress(BlockingIOError):
                    heard += toy.recv(65536)
                await asyncio.sleep(0.01)
            ours.close()
            with contextlib.suppress(BlockingIOError):
                while piece := toy.recv(65536):
                    heard += piece
        assert heard.endswith(b"\nDSTOP\n")


# --- the relay's side, with the process itself -------------------------------------------------


@dataclass
class Device:
    address: str
    connection: Connection = field(default_factory=RecordingConnection)

    def hold(self) -> StopOrder:
        return ACKED


async def running(supervisor: Supervisor) -> int:
    await until(lambda: supervisor.pid is not None, "a supervisor")
    assert supervisor.pid is not None
    return supervisor.pid


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
async def test_its_process_comes_and_goes_without_a_trace() -> None:
    devices: list[Device] = []
    supervisor = Supervisor(devices, lambda: None)
    before = descriptors()
    for _ in range(3):
        supervising = asyncio.create_task(supervisor.run())
        pid = await running(supervisor)
        assert os.getsid(pid) == pid
        supervising.cancel()
        await asyncio.wait([supervising])
        assert supervisor.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert descriptors() <= before + 1  # The loop keeps one for child processes.


async def test_a_loop_that_stood_still_is_told() -> None:
    stalls: list[float] = []
    loop = asyncio.get_running_loop()
    supervisor = Supervisor([Device(A)], lambda: stalls.append(loop.time()))
    supervising = asyncio.create_task(supervisor.run())
    await running(supervisor)
    await asyncio.sleep(2 * BEAT_S)
    assert not stalls
    loop.call_soon(time.sleep, SILENCE_S + 0.1)
    await asyncio.sleep(2 * BEAT_S)
    assert len(stalls) == 1
    supervising.cancel()
    await asyncio.wait([supervising])


@pytest.mark.skipif(sys.platform != "linux", reason="only BlueZ keeps what dead programs made")
@pytest.mark.parametrize("there", [True, False])
async def test_the_first_hello_says_whether_there_is_a_supervisor(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not there:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    radio = RecordingRadio()
    radio.info = RadioInfo("bleak")
    agent = Agent(radio, AgentConfig("attic"))
    here, far = channel_pair()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        serving = group.create_task(agent.serve_link(here))
        hub = LinkHub(far)
        group.create_task(hub.run())
        hello = await hub.hear(Hello, limit_s=10)
        assert ("supervised" in hello.capabilities) == there
        hub.beating = False
        agent.close()
        await serving
        await far.close()


@pytest.mark.parametrize(
    ("kind", "platform", "warned"),
    [
        ("serial", "win32", True), ("tcode", "darwin", True), ("serial", "linux", False),
        ("bleak", "win32", False), ("simulated", "win32", False), ("gamepad", "linux", False),
        ("xinput", "win32", True), ("esphome", "linux", True), ("esphome", "win32", True),
    ],
)  # fmt: skip
def test_where_nobody_can_stop_what_goes_on_the_relay_says_so(
    kind: str, platform: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    radio = RecordingRadio()
    radio.info = RadioInfo(kind)
    assert bool(unsupervised(radio)) is warned
