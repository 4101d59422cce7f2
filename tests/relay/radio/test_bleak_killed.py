"""What is left of a relay that was killed: BlueZ keeps the connection, and the toy runs on."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from relay.radio.bleak_radio import BleakRadio
from relay.radio.simulated.catalogue import toys_by_name
from tests.doubles.fake_bluez_process import ROOT, BluezProcess, bluez_process

TOY = toys_by_name("Lovense Hush")[0]
TX = next(handle for handle, role in TOY.handles.items() if role == "tx")

DRIVE = """
import asyncio, sys
from relay.radio.bleak_radio import BleakRadio

async def drive():
    connection = await BleakRadio().connect(sys.argv[1], print)
    await connection.write(int(sys.argv[2]), b"Vibrate:20;", response=True)
    print("driving", flush=True)
    await asyncio.Event().wait()

asyncio.run(drive())
"""


async def drive_and_be_killed(bluez: BluezProcess) -> None:
    driver = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", DRIVE, TOY.address, str(TX)),
        cwd=ROOT,
        env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": bluez.address},
        stdout=asyncio.subprocess.PIPE,
    )
    assert driver.stdout is not None
    assert await driver.stdout.readline() == b"driving\n"
    driver.kill()
    await driver.wait()


async def test_a_toy_of_a_killed_relay_runs_on_and_its_successor_can_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        asyncio.timeout(40),
        bluez_process("Lovense Hush", tmp_path / "record") as bluez,
    ):
        await drive_and_be_killed(bluez)
        last = bluez.record()[-1]
        assert (last["connected"], last["at_rest"]) == (True, False)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        # It is connected, so it does not advertise; only BlueZ knows of it.
        connection = await BleakRadio(find_s=1).connect(TOY.address, lambda _: None)
        await connection.write(TX, b"Vibrate:0;", response=True)
        last = bluez.record()[-1]
        assert (last["connected"], last["at_rest"]) == (True, True)
        assert [one["op"] for one in bluez.record()].count("connect") == 1
        await connection.disconnect()


async def test_the_stand_in_obeys_commands(tmp_path: Path) -> None:
    async with asyncio.timeout(40), bluez_process("Lovense Hush", tmp_path / "record") as bluez:
        await bluez.command("vanish Lovense Hush")
        await bluez.command(f"appear {TOY.address}")
        with pytest.raises(ValueError, match="no toy"):
            await bluez.command("drop Nobody")
