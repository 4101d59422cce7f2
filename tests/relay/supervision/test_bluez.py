"""A relay with bleak on BlueZ (both processes) that is killed or frozen: what its toys do."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from buttplug import ButtplugClient, DeviceOutputCommand, OutputType

from tests.doubles.fake_bluez_process import BluezProcess, bluez_process
from tests.system.processes import Program, free_ports, hub_program, supervisors, until
from tests.system.test_official_client import connect

LIMIT_S = 2.0
FULL = DeviceOutputCommand(OutputType.VIBRATE, 1.0)
# One motor; two motors; written without response.
TOYS = ["Lovense Hush", "Lovense Edge", "Aneros Vivi"]


@dataclass(slots=True)
class Scene:
    bluez: BluezProcess
    relay: Program
    client: ButtplugClient

    def last(self) -> dict[str, Any]:
        return self.bluez.record()[-1]

    def writes_since(self, t_ns: int) -> list[dict[str, Any]]:
        return [
            line
            for line in self.bluez.record()
            if line["t_ns"] >= t_ns and line["op"].startswith("write")
        ]

    async def off_s(self, since_ns: int) -> float:
        """Seconds from `since_ns` until the toy was at rest."""
        await until(lambda: bool(self.last()["at_rest"]), "the toy is at rest", 5)
        after = (each for each in self.bluez.record() if each["t_ns"] >= since_ns)
        off_ns: int = next(each["t_ns"] for each in after if each["at_rest"])
        return (off_ns - since_ns) / 1e9


def private_kib(pid: int) -> int:
    """Memory that `pid` shares with nobody."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


def alive(pid: int) -> bool:
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]) != "Z"
    except OSError:
        return False


@asynccontextmanager
async def scene(toy: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """The toy is on, driven by a client through a hub and a relay."""
    async with bluez_process(toy, folder / "record") as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        port, link_port = free_ports(2)
        hub = hub_program(folder, port, link_port)
        arguments = ["--hub", f"ws://127.0.0.1:{link_port}", "--state", str(folder / "relay")]
        relay = Program("relay", ["run", *arguments], folder, "relay")
        try:
            await hub.start()
            await relay.start()
            await until(lambda: "connected (" in hub.text, "the link")
            client = await connect(f"ws://127.0.0.1:{port}", 1)
            await client.devices[0].run_output(FULL)
            it = Scene(bluez, relay, client)
            await until(lambda: not it.last()["at_rest"], "the toy is on")
            # The lease has been renewed, and the supervisor is not told every moment.
            await asyncio.sleep(0.5)
            yield it
        finally:
            await relay.end()
            await hub.end()


@pytest.mark.parametrize("toy", TOYS)
async def test_the_toy_of_a_killed_relay_is_stopped_and_let_go(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(toy, tmp_path, monkeypatch) as it:
        [supervisor] = supervisors(it.relay.process.pid)
        killed = it.relay.send(signal.SIGKILL)
        took = await it.off_s(killed)
        print(f"\nSIGKILL, {toy}: off after {took * 1000:.0f} ms")
        assert took <= LIMIT_S
        await until(lambda: not it.last()["connected"], "the toy is let go", 3)
        await until(lambda: not alive(supervisor), "the supervisor has ended", 3)
        assert all(line["at_rest"] for line in it.writes_since(killed)[-1:])


async def test_the_toy_of_a_frozen_relay_is_stopped_and_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene("Lovense Hush", tmp_path, monkeypatch) as it:
        frozen = it.relay.send(signal.SIGSTOP)
        took = await it.off_s(frozen)
        print(f"\nSIGSTOP: off after {took * 1000:.0f} ms")
        assert took <= 1
        assert it.last()["connected"]
        it.relay.send(signal.SIGCONT)
        await until(lambda: "stood still" in it.relay.text, "the relay noticed")
        await asyncio.sleep(1)
        assert all(line["at_rest"] for line in it.writes_since(frozen))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_relay_that_ends_in_order_takes_its_supervisor_along(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene("Lovense Hush", tmp_path, monkeypatch) as it:
        [supervisor] = supervisors(it.relay.process.pid)
        it.relay.send(number)
        assert await it.relay.wait() == 0
        assert not alive(supervisor)
        assert "supervisor" not in it.relay.text
        assert it.last()["at_rest"]
        assert not it.last()["connected"]


async def test_a_service_manager_that_ends_the_whole_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene("Lovense Hush", tmp_path, monkeypatch) as it:
        [supervisor] = supervisors(it.relay.process.pid)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(supervisor, number)
        killed = it.relay.send(signal.SIGKILL)
        assert await it.off_s(killed) <= LIMIT_S


async def test_a_supervisor_that_was_killed_is_replaced_and_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene("Lovense Hush", tmp_path, monkeypatch) as it:
        [first] = supervisors(it.relay.process.pid)
        private = private_kib(first)
        print(f"\nsupervisor: {private} KiB of its own")
        assert private < 24 * 1024
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisors(it.relay.process.pid) not in ([], [first]), "another one")
        assert not it.last()["at_rest"]
        killed = it.relay.send(signal.SIGKILL)
        assert await it.off_s(killed) <= LIMIT_S
