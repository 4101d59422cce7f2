"""How a supervisor writes to what it was handed: none of it ever keeps it waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from relay.supervision.bounds import STOP_S
from relay.supervision.errors import PeripheralGone, Unreached
from relay.supervision.holds import HeldWrite, StopOrder, encode
from relay.supervision.process import supervise
from relay.supervision.reach import OpenPath, OpenPaths
from tests.relay.supervision.test_supervisor import RecordingBus
from tests.system.processes import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are Unix's")


@pytest.fixture
def stuck() -> Iterator[tuple[int, int]]:
    """The end to be handed over of a device whose writes do not return, and the other end.

    A full pipe that was set to block stands for a driver that takes no notice of O_NONBLOCK: both
    ends of the hand-over have one open file, so that whoever sets this has the last word.
    """
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(ours, bytes(4096)):
            pass
    yield ours, theirs
    for end in (ours, theirs):
        with contextlib.suppress(OSError):
            os.close(end)


class Heard:
    """What the device has taken so far, without what its pipe was filled with."""

    def __init__(self, end: int) -> None:
        os.set_blocking(end, False)
        self._end = end
        self._whole = b""

    def __call__(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._end, 65536):
                self._whole += piece
        return self._whole.replace(b"\0", b"")


async def test_a_write_that_hangs_holds_nobody_up(stuck: tuple[int, int]) -> None:
    line, device = stuck
    path = OpenPath(os.dup(line))
    os.set_blocking(line, True)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await path.write(b"off")
    with pytest.raises(Unreached, match="still under way"):
        await path.write(b"off")
    assert time.monotonic() - began < 5
    path.close()
    heard = Heard(device)
    await until(lambda: heard() == b"off", "the write that was under way", 5)


def is_still(number: int, what: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), what)
    except OSError:
        return False


async def test_what_was_closed_meanwhile_is_closed_behind_the_write(
    stuck: tuple[int, int],
) -> None:
    line, device = stuck
    handed = os.dup(line)
    path = OpenPath(handed)
    os.set_blocking(line, True)
    write = asyncio.create_task(path.write(b"off"))
    await asyncio.sleep(0.05)
    path.shut()
    it = os.fstat(handed)  # its number is not free yet
    heard = Heard(device)
    await until(lambda: heard() == b"off", "the write that was under way", 5)
    await write
    await until(lambda: not is_still(handed, it), "its end", 5)


async def test_one_that_hangs_delays_no_other_and_not_the_end(stuck: tuple[int, int]) -> None:
    line, _ = stuck
    bus, (port, toy) = RecordingBus(), socket.socketpair()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with port, toy, theirs:
        supervising = asyncio.create_task(supervise(theirs, bus))
        for address, number, end in (("A", 1, line), ("B", 2, port.fileno())):
            hold = StopOrder(address, (HeldWrite(1, b"off"),), line=number)
            socket.send_fds(ours, [encode(hold)], [end])
        await asyncio.sleep(0.1)
        os.set_blocking(line, True)
        began = time.monotonic()
        ours.close()
        toy.setblocking(False)
        heard = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(toy, 64), 5)
        # Before the first one was given up.
        assert heard.startswith(b"off")
        assert time.monotonic() - began < STOP_S
        await asyncio.wait_for(supervising, 10)
        assert bus.done == []


async def test_a_frozen_relays_stuck_device_is_stopped_once_it_takes_something(
    stuck: tuple[int, int],
) -> None:
    line, device = stuck
    paths = OpenPaths()
    paths.take("A", os.dup(line))
    os.set_blocking(line, True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await paths.write("A", b"off")
    for _ in range(3):
        with pytest.raises(Unreached):
            await paths.write("A", b"never")
    heard = Heard(device)
    await until(lambda: heard() == b"off", "the write that was under way", 5)
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(Unreached):
                await paths.write("A", b"off")
                break
            await asyncio.sleep(0.01)
    assert heard() == b"offoff"
    paths.forget("A")


async def test_what_is_not_open_is_gone() -> None:
    paths = OpenPaths()
    paths.take("A", None)
    with pytest.raises(PeripheralGone, match="A is not open"):
        await paths.write("A", b"off")
    theirs, ours = os.pipe()
    paths.take("A", ours)
    os.close(theirs)
    with pytest.raises(PeripheralGone):
        await paths.write("A", b"off")
    paths.shut("A")
    with pytest.raises(PeripheralGone):
        await paths.write("A", b"off")
    assert "A" in paths
    paths.forget("A")
    assert "A" not in paths
