"""Game pads as this machine's kernel has them: evdev, and the relay's process under faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.radio.gamepad.linux import EvdevPads
from relay.radio.gamepad.radio import LEVELS, TX, GamepadRadio
from tests.ble_vm.guest.conftest import Note
from tests.doubles.uinput_pad import UinputPad
from tests.faults import radios
from tests.system.processes import until

FULL = LEVELS.pack(0xFFFF, 0x8000, 0, 0)


@pytest.mark.parametrize("row", [*radios.rows("gamepad")], ids=lambda row: row.name)
async def test_whatever_breaks_stops_the_pad(row: radios.Row, tmp_path: Path, note: Note) -> None:
    outcome = await radios.play(row, tmp_path, 1.0)
    assert not radios.verdict(row, outcome)
    assert outcome.off_ms is not None
    note(row.name, outcome.off_ms)


async def test_a_level_is_an_effect_that_is_renewed_and_ends_with_its_file() -> None:
    pad = UinputPad()
    await pad.plug()
    radio = GamepadRadio(EvdevPads(), look_s=0.05)
    heard: asyncio.Queue[str] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(lambda one: heard.put_nowait(one.address)))
    async with asyncio.timeout(20):
        gone: asyncio.Queue[str] = asyncio.Queue()
        address = await heard.get()
        connection = await radio.connect(address, gone.put_nowait)
        await connection.write(TX, FULL, response=False)
        for _ in range(40):
            await asyncio.sleep(0.05)
            assert pad.running()
        await connection.disconnect()
        await until(lambda: not pad.running(), "rest")
        connection = await radio.connect(address, gone.put_nowait)
        await connection.write(TX, FULL, response=False)
        await pad.pull()
        assert await gone.get() == "it was unplugged"
        scan.cancel()
        await radio.close()


async def test_two_are_told_apart_and_what_does_not_rumble_is_none() -> None:
    first, second = UinputPad(), UinputPad()
    await first.plug()
    await second.plug()
    found = await asyncio.to_thread(EvdevPads().find)
    assert [one.name for one in found] == ["Test Pad", "Test Pad"]
    await first.pull()
    await second.pull()
    assert await asyncio.to_thread(EvdevPads().find) == []
