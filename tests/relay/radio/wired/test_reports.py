"""What lines of HID reports have in common, with a device in memory."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator

import pytest

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.wired.reports import ReportLine
from tests.system.processes import until


class Recording(ReportLine):
    """`record`: what reached the device, its end included. `free`: it takes something."""

    def __init__(self) -> None:
        self.gone: list[str] = []
        super().__init__(lambda data: (data[:1], data[1:]), lambda _: None, self.gone.append)
        self.record: list[bytes | None] = []
        self.free = threading.Event()
        self.free.set()
        self.plugged = True

    def _put(self, report: bytes) -> None:
        self.free.wait(10)
        if not self.plugged:
            raise OSError(errno.ENODEV, "No such device")
        self.record.append(report)

    def _give_back(self) -> None:
        self.record.append(None)


@pytest.fixture
async def line() -> AsyncIterator[Recording]:
    made = Recording()
    yield made
    made.free.set()
    await made.close()
    await until(lambda: made.record[-1:] == [None], "that it was given back", 5)


async def test_what_was_given_up_before_its_turn_is_not_written(line: Recording) -> None:
    line.free.clear()
    for data in (b"go", b"on"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await line.send(data)
    line.free.set()
    await line.send(b"no")
    assert line.record == [b"g", b"n", b"o"]


async def test_it_is_given_back_behind_the_write_under_way_and_takes_nothing_more(
    line: Recording,
) -> None:
    line.free.clear()
    write = asyncio.create_task(line.send(b"go"))
    await asyncio.sleep(0.02)
    await line.close()
    await line.close()
    assert line.record == []
    line.free.set()
    with pytest.raises(RadioError) as caught:
        await write
    assert caught.value.code is ErrorCode.GONE
    await until(lambda: line.record == [b"g", None], "the end", 5)
    assert line.gone == []


async def test_one_that_is_gone_is_told_once(line: Recording) -> None:
    line.plugged = False
    for _ in range(2):
        with pytest.raises(RadioError, match="No such device"):
            await line.send(b"go")
    assert line.gone == ["No such device"]
    assert line.lost_because == "No such device"
    assert (line.descriptor(), line.on_wire(b"go")) == (None, (b"g", b"o"))


def test_a_thread_that_is_late_finds_that_everything_is_over() -> None:
    async def life() -> Recording:
        return Recording()

    line = asyncio.run(life())
    line._tell(line.lose, "late")
    line.lose("the end")
