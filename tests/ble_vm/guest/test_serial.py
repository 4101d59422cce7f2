"""Serial ports as this machine's kernel has them: a USB device that can be pulled while its port is
in use, and the relay's process under faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.link.messages import ErrorCode
from relay.radio.base import Connection, RadioError
from relay.radio.wired.named import serial_radio
from relay.radio.wired.place import TX
from relay.radio.wired.radio import WiredRadio
from relay.supervision.errors import Unreached
from relay.supervision.reach import OpenPath
from tests.ble_vm.guest.conftest import Note
from tests.doubles.tcode_toy import UsbToy
from tests.faults import radios
from tests.system.processes import until

MOVE, STOP = b"L09999I30000\n", b"DSTOP\n"


@pytest.fixture
async def toy() -> AsyncIterator[UsbToy]:
    made = UsbToy()
    yield made
    made.pull()


@pytest.mark.parametrize(
    "row", [*radios.rows("serial of the kernel")], ids=lambda row: f"{row.fault} {row.place}"
)
async def test_whatever_breaks_stops_the_toy(row: radios.Row, tmp_path: Path, note: Note) -> None:
    outcome = await radios.play(row, tmp_path, 1.0)
    assert outcome.off_ms is not None
    note(row.name, outcome.off_ms)
    assert not radios.verdict(row, outcome)


def radio_of(toy: UsbToy) -> WiredRadio:
    return serial_radio(f"{toy.path}=tcode")


async def connected(toy: UsbToy) -> tuple[WiredRadio, Connection]:
    await until(lambda: not toy.held(), "that nobody has the old port")
    toy.plug()
    radio = radio_of(toy)
    async with asyncio.timeout(20):
        await until(lambda: radio.info.on, "the port")
        return radio, await radio.connect(radio._place.address, lambda _: None)


async def test_a_port_that_is_pulled_while_in_use_is_told_once_and_comes_back(toy: UsbToy) -> None:
    radio = radio_of(toy)
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(40):
        for times in (1, 2, 3):
            await until(lambda: not toy.held(), "that nobody has the old port")
            toy.plug()
            await until(lambda: radio.info.on, "the port")
            connection = await radio.connect(radio._place.address, gone.put_nowait)
            await connection.write(TX, MOVE, response=False)
            await until(lambda: len(toy.firmware.record) == times, "the move")  # noqa: B023
            toy.pull()
            assert await gone.get()
            with pytest.raises(RadioError) as caught:
                await connection.write(TX, STOP, response=False)
            assert caught.value.code is ErrorCode.GONE
            await connection.disconnect()
            await until(lambda: not radio.info.on, "that it is gone")
        assert gone.empty()
        await radio.close()


async def fill(toy: UsbToy, connection: Connection) -> int:
    """Have what is written wait in the kernel, as nobody takes it; returns how many writes do."""
    toy.hang()
    sent = 0
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                await connection.write(TX, MOVE, response=False)
            sent += 1
    return sent


async def test_what_a_hung_toy_was_told_is_in_the_port_alone_and_the_stop_is_the_last_word(
    toy: UsbToy,
) -> None:
    radio, connection = await connected(toy)
    sent = await fill(toy, connection)
    toy.listen()
    await connection.write(TX, STOP, response=False)
    async with asyncio.timeout(20):
        await toy.firmware.until(lambda told: bool(told.stops))
    record = [told.axis for told in toy.firmware.record]
    assert record[-1] == ""
    assert sent <= record.count("L0") <= sent + 1
    await radio.close()


# The kernel keeps whoever closes a port last for half a minute, for what waits in it.


async def test_a_port_that_takes_nothing_is_let_go_at_once(toy: UsbToy) -> None:
    _, connection = await connected(toy)
    await fill(toy, connection)
    async with asyncio.timeout(3):
        await connection.disconnect()


async def test_a_supervisor_does_not_wait_for_a_port_that_it_closes(toy: UsbToy) -> None:
    await until(lambda: not toy.held(), "that nobody has the old port")
    toy.plug()
    path = OpenPath(os.open(toy.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    toy.hang()
    with contextlib.suppress(Unreached):
        while True:
            await path.write(MOVE)
    since = time.monotonic()
    path.close()
    assert time.monotonic() - since < 1.0
