"""Relay and supervisor die at one moment: BlueZ keeps the toy, and the next start stops it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.debts.record import Record
from relay.debts.records import Records
from tests.doubles.fake_bluez_process import BluezProcess, bluez_process
from tests.relay.radio.test_bleak_killed import TOY, drive_and_be_killed
from tests.relay.supervision.test_bluez import TOYS, scene
from tests.system.processes import Program, free_ports, supervisors, until, until_within

# Interpreter, imports, D-Bus, and the stop: from the start of the process, but for the time in
# which others had the processor.
LIMIT_S = 6.0


@asynccontextmanager
async def relay_alone(folder: Path) -> AsyncIterator[Program]:
    """A relay that finds no hub; `folder` keeps its state."""
    [nobody] = free_ports(1)
    where = ["--hub", f"ws://127.0.0.1:{nobody}", "--state", str(folder / "relay")]
    relay = Program("relay", ["run", *where], folder, "next")
    try:
        await relay.start()
        yield relay
    finally:
        await relay.end()


def records(folder: Path) -> list[Path]:
    return sorted((folder / "relay" / "devices").glob("*.json"))


async def released(bluez: BluezProcess, *pids: int) -> None:
    await until_within(
        lambda: bool(bluez.record()[-1]["at_rest"] and not bluez.record()[-1]["connected"]),
        "the toy is stopped and let go",
        LIMIT_S,
        *pids,
    )


@pytest.mark.parametrize("toy", TOYS)
async def test_what_relay_and_supervisor_left_running_the_next_start_stops(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(toy, tmp_path, monkeypatch) as it:
        # The supervisor first: it needs no millisecond to notice that its relay is gone.
        pids = [*supervisors(it.relay.process.pid), it.relay.process.pid]
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await it.relay.wait()
        await asyncio.sleep(1)
        assert (it.last()["connected"], it.last()["at_rest"]) == (True, False), "BlueZ keeps it"
        assert len(records(tmp_path)) == 1
        async with relay_alone(tmp_path) as relay:
            await released(it.bluez, relay.process.pid)
            await until(lambda: "stopped now" in relay.text, "the news")
            await until(lambda: records(tmp_path) == [], "nothing is left to do")


async def test_what_the_supervisor_stopped_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene("Lovense Hush", tmp_path, monkeypatch) as it:
        pids = supervisors(it.relay.process.pid)
        it.relay.send(signal.SIGKILL)
        await released(it.bluez, *pids)
        await until(lambda: records(tmp_path) == [], "the record has gone")


async def test_one_that_was_only_being_connected_is_let_go_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bluez_process("Lovense Hush", tmp_path / "record") as bluez:
        await drive_and_be_killed(bluez)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        left = Records(tmp_path / "relay" / "devices")
        left.put(Record(TOY.address))
        left.flush()
        async with relay_alone(tmp_path) as relay:
            pid = relay.process.pid
            await until_within(
                lambda: not bluez.record()[-1]["connected"], "it is let go", LIMIT_S, pid
            )
            await until(lambda: records(tmp_path) == [], "nothing is left to do")


async def test_what_nobody_recorded_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bluez_process("Lovense Hush", tmp_path / "record") as bluez:
        await drive_and_be_killed(bluez)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        with contextlib.suppress(FileNotFoundError):
            assert not records(tmp_path)
        async with relay_alone(tmp_path):
            await asyncio.sleep(3)
            last = bluez.record()[-1]
            assert (last["connected"], last["at_rest"]) == (True, False)
