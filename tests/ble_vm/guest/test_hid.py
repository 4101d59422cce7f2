"""HID devices as this machine's kernel has them: hidraw over uhid, and the relay's process under
faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.radio.wired.hid import HID, hid_radio, place_of, whole
from relay.radio.wired.hidapi import HidapiDevice
from relay.radio.wired.place import TX
from relay.radio.wired.radio import WiredRadio
from tests.ble_vm.guest.conftest import Note
from tests.doubles.hid_device import GO, STOP, KernelHid
from tests.faults import radios
from tests.system.processes import until


@pytest.mark.parametrize(
    "row", [*radios.rows("HID of the kernel")], ids=lambda row: f"{row.fault} {row.place}"
)
async def test_whatever_breaks_stops_the_device(
    row: radios.Row, tmp_path: Path, note: Note
) -> None:
    outcome = await radios.play(row, tmp_path, 1.0)
    assert outcome.off_ms is not None
    note(row.name, outcome.off_ms)
    assert not radios.verdict(row, outcome)


async def test_hidapis_own_half_for_linux_does_the_same() -> None:
    module = pytest.importorskip("hidraw")
    device, place = KernelHid(), place_of("cyclone-x10", HID["cyclone-x10"])
    device.plug()
    radio = WiredRadio(place, HidapiDevice(*HID["cyclone-x10"], whole, module))
    async with asyncio.timeout(30):
        await until(lambda: radio.info.on, "the device")
        gone: asyncio.Queue[str] = asyncio.Queue()
        connection = await radio.connect(place.address, gone.put_nowait)
        for report in (GO, STOP, GO):
            await connection.write(TX, report, response=False)
        await until(lambda: len(device.record) == 3, "the reports")
        assert [speed for _, speed in device.record] == [10, 0, 10]
        device.pull()
        assert await gone.get() == "it was unplugged"
        await radio.close()


async def test_a_report_is_taken_whole_and_an_unplugged_device_is_told() -> None:
    device = KernelHid()
    radio = hid_radio("cyclone-x10")
    assert not radio.info.on
    device.plug()
    async with asyncio.timeout(30):
        await until(lambda: radio.info.on, "the device")
        gone: asyncio.Queue[str] = asyncio.Queue()
        connection = await radio.connect(radio._place.address, gone.put_nowait)
        for report in (GO, STOP, GO):
            await connection.write(TX, report, response=False)
        await until(lambda: len(device.record) == 3, "the reports")
        assert [speed for _, speed in device.record] == [10, 0, 10]
        device.pull()
        assert await gone.get() == "it was unplugged"
        await radio.close()
