"""What only a genuine stack can say about our radio: what a killed one leaves, how fast it is."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from relay.radio.base import Connection
from relay.radio.bleak_radio import BleakRadio
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.toy import Toy
from tests.ble_vm.guest.air import kernel_air
from tests.ble_vm.guest.bluez import connected
from tests.ble_vm.guest.conftest import Note

ROOT = Path(__file__).resolve().parents[3]
# BlueZ itself takes two seconds to let a peripheral go.
LONGER_THAN_BLUEZ_S = 3.0
WRITES = 200

DRIVE = """
import asyncio, sys
from relay.radio.bleak_radio import BleakRadio
from tests.ble_vm.guest.test_radio import tx

async def drive():
    connection = await BleakRadio().connect(sys.argv[1], print)
    await connection.write(tx(connection), b"Vibrate:20;", response=True)
    print("driving", flush=True)
    await asyncio.Event().wait()

asyncio.run(drive())
"""


def hush() -> Toy:
    return toys_by_name("Lovense Hush")[0]


def tx(connection: Connection) -> int:
    """The handle of a Lovense toy's only characteristic that can be written."""
    every = [one for service in connection.services for one in service.characteristics]
    return next(one.handle for one in every if one.uuid.startswith("5a300002"))


async def test_without_a_supervisor_a_killed_relay_leaves_its_toy_connected_and_running() -> None:
    async with asyncio.timeout(50), kernel_air([hush()]) as air:
        (toy,) = air.toys
        driver = await asyncio.create_subprocess_exec(
            sys.executable, *("-c", DRIVE, toy.address), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert driver.stdout is not None
        assert await driver.stdout.readline() == b"driving\n"
        driver.kill()
        await driver.wait()
        await asyncio.sleep(LONGER_THAN_BLUEZ_S)
        assert await connected() == {toy.address}
        assert (toy.connected, toy.at_rest) == (True, False)
        record = len(toy.record)
        # The successor takes the connection over; the toy does not notice.
        connection = await BleakRadio(find_s=1).connect(toy.address, lambda _: None)
        await connection.write(tx(connection), b"Vibrate:0;", response=True)
        assert toy.at_rest
        assert [one.op for one in list(toy.record)[record:]] == [FaultPoint.WRITE]
        await connection.disconnect()


async def test_writes_are_quick(note: Note) -> None:
    async with asyncio.timeout(50), kernel_air([hush()]) as air:
        (toy,) = air.toys
        radio = BleakRadio()
        began = time.monotonic()
        connection = await radio.connect(toy.address, lambda _: None)
        note("radio: connect a toy that was not heard yet", (time.monotonic() - began) * 1e3)
        for response in (False, True):
            before, began = len(toy.writes), time.monotonic()
            for number in range(WRITES):
                await connection.write(tx(connection), b"Vibrate:%d;" % (number % 21), response)
            await toy.until(lambda toy: len(toy.writes) == before + WRITES)  # noqa: B023
            each = (time.monotonic() - began) * 1e3 / WRITES
            note(f"radio: a write {'with' if response else 'without'} response", each)
        began = time.monotonic()
        await connection.disconnect()
        note("radio: disconnect", (time.monotonic() - began) * 1e3)
