"""What every radio that is not Bluetooth promises as well, with the toys of the fault matrix behind
it; those that are pass test_conformance.py. What each has besides is with its own tests.

In this order for each: it is heard, driven, refused what it has not, given up on, lost, back, and
let go.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relay.link.messages import Advertisement, ErrorCode, Packet
from relay.radio.base import Connection, Radio, RadioError, watch
from relay.radio.choice import RadioChoice, open_radio
from relay.radio.gamepad.radio import LEVELS, GamepadRadio
from relay.radio.gamepad.radio import TX as PAD_TX
from relay.radio.wired.hid import place_of, whole
from relay.radio.wired.hidraw import HidrawDevice
from relay.radio.wired.radio import WiredRadio
from relay.wanted import NamedRadios, add_radio_options, on_command_line
from tests.doubles import hid_device
from tests.doubles.fake_pads import FakePad, FakePads
from tests.faults import radios
from tests.system.processes import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs terminals")

LIMIT_S = 30.0


class Pad:
    """A game pad as the fault matrix has its toys."""

    options = ()
    stop = (Packet(PAD_TX, LEVELS.pack(0, 0, 0, 0)),)
    go = Packet(PAD_TX, LEVELS.pack(0xFFFF, 0x8000, 0, 0))

    def __init__(self) -> None:
        self.pad = FakePad()
        self.hang, self.heal = self.pad.hang, self.pad.heal

    async def plug(self) -> None:
        self.pad.plugged = True

    async def pull(self) -> None:
        self.pad.plugged = False

    def fail(self) -> None:
        self.pad.refuses = 1

    def running(self) -> bool:
        return self.pad.levels != (0, 0)

    def stopped_at(self, since: float) -> float | None:
        raise NotImplementedError


@asynccontextmanager
async def pad(folder: Path) -> AsyncIterator[radios.Behind]:
    yield Pad()


TOYS: dict[str, radios.Make] = {**radios.TOYS, "gamepad": pad}


def radio_of(toy: radios.Behind, folder: Path) -> Radio:
    """As the command line names it, but for what only this machine's kernel could find."""
    if isinstance(toy, Pad):
        return GamepadRadio(FakePads(toy.pad), look_s=0.05)
    if isinstance(toy, radios.HidCyclone):
        ids = (hid_device.VENDOR, hid_device.PRODUCT)
        device = HidrawDevice(*ids, whole, folder / "hid" / "sys", folder / "hid" / "dev")
        return WiredRadio(place_of("cyclone-x10", ids), device)
    parser = argparse.ArgumentParser()
    add_radio_options(parser)
    named: dict[str, Any] = on_command_line(parser.parse_args(toy.options))
    return open_radio(RadioChoice(NamedRadios(**named)))


@dataclass
class World:
    radio: Radio
    toy: radios.Behind

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[asyncio.Queue[Advertisement]]:
        heard: asyncio.Queue[Advertisement] = asyncio.Queue()
        scan = asyncio.create_task(self.radio.scan(heard.put_nowait))
        try:
            yield heard
        finally:
            scan.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await scan

    async def find(self) -> str:
        async with self.heard() as heard:
            return (await heard.get()).address

    async def go(self, connection: Connection) -> None:
        await connection.write(self.toy.go.handle, self.toy.go.data, response=False)
        await until(self.toy.running, "that it runs")

    async def stop(self, connection: Connection) -> None:
        for packet in self.toy.stop:
            await connection.write(packet.handle, packet.data, response=False)
        await until(lambda: not self.toy.running(), "that it rests")


@pytest.fixture(params=TOYS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with asyncio.timeout(LIMIT_S), TOYS[request.param](tmp_path) as toy:
        await toy.plug()
        radio = radio_of(toy, tmp_path)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(radio))
            yield World(radio, toy)
            await radio.close()
            watching.cancel()
        await toy.pull()


async def error_of(doing: Any) -> ErrorCode:
    with pytest.raises(RadioError) as caught:
        await doing
    assert caught.value.text.isprintable()
    return caught.value.code


async def test_it_is_heard_driven_and_let_go(world: World) -> None:
    radio, gone = world.radio, list[str]()
    address = await world.find()
    async with world.heard() as heard:
        assert (await heard.get()).address == address
        assert await error_of(radio.scan(lambda _: None)) is ErrorCode.BUSY
    assert radio.info.on
    connection = await radio.connect(address, gone.append)
    assert connection.mtu >= 23
    assert await error_of(radio.connect(address, gone.append)) is ErrorCode.BUSY
    handles = [one.handle for service in connection.services for one in service.characteristics]
    assert world.toy.go.handle in handles
    assert len(set(handles)) == len(handles)
    await world.go(connection)
    await world.stop(connection)
    for doing in (
        connection.write(60_000, b"\0", response=False),
        connection.read(world.toy.go.handle),
        connection.subscribe(60_000, lambda _: None),
    ):
        assert await error_of(doing) is ErrorCode.REFUSED
    await world.go(connection)
    await world.stop(connection)
    for _ in range(2):
        await connection.disconnect()
    late = connection.write(world.toy.go.handle, world.toy.go.data, response=False)
    assert await error_of(late) is ErrorCode.GONE
    assert await world.find() == address
    assert gone == []


async def test_one_that_is_lost_is_told_once_and_comes_back(world: World) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    address = await world.find()
    connection = await world.radio.connect(address, gone.put_nowait)
    await world.go(connection)
    async with world.heard():
        await world.toy.pull()
        assert await gone.get()
    assert await error_of(world.stop(connection)) is ErrorCode.GONE
    await connection.disconnect()
    await world.toy.plug()
    assert await world.find() == address
    again = await world.radio.connect(address, gone.put_nowait)
    await world.stop(again)
    await world.go(again)
    await world.stop(again)
    assert gone.empty()


async def test_what_is_given_up_leaves_it_usable_and_a_stop_is_the_last_word(world: World) -> None:
    connection = await world.radio.connect(await world.find(), lambda _: None)
    await world.go(connection)
    world.toy.hang()
    for packet in (world.toy.go, *world.toy.stop, world.toy.go):
        with contextlib.suppress(TimeoutError, RadioError):
            async with asyncio.timeout(0.1):
                await connection.write(packet.handle, packet.data, response=False)
    world.toy.heal()
    await world.stop(connection)
    await asyncio.sleep(0.2)
    assert not world.toy.running()


async def test_a_connect_given_up_and_a_stranger_leave_it_free(world: World) -> None:
    address = await world.find()
    stranger = world.radio.connect("C0:00:00:00:00:99", lambda _: None)
    with contextlib.suppress(TimeoutError):
        # A proxy listens for it first.
        async with asyncio.timeout(0.3):
            assert await error_of(stranger) is ErrorCode.NOT_FOUND
    for patience_s in (0.0, 0.005, 0.05):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                given_up = await world.radio.connect(address, lambda _: None)
                await given_up.disconnect()
    connection = await world.radio.connect(await world.find(), lambda _: None)
    await world.go(connection)
    await world.stop(connection)
