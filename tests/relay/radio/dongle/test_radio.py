"""The contract of radios (test_conformance.py) for dongles of both generations, as far as they can:
they read nothing, and let no toy go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import RadioError
from relay.radio.dongle.connection import RX, TX
from relay.radio.dongle.messages import FromDongle, reports
from relay.radio.dongle.radio import DongleRadio
from relay.radio.passing import outlasting
from relay.radio.wired.hidraw import HidrawDevice, HidrawLine
from relay.radio.wired.line import OnBytes, OnLost
from relay.radio.wired.serial_port import PortSettings, SerialPort, missing
from tests.doubles.lovense_dongle import TOYS, DongleFirmware, HidDongle, PtyDongle
from tests.system.processes import until

ADDRESSES = ("00:82:05:9A:D3:BD", "00:82:05:9A:D3:BE")
A, B = ADDRESSES


@dataclass
class World:
    radio: DongleRadio
    firmware: DongleFirmware
    heard: asyncio.Queue[Advertisement]


@dataclass
class HidWay:
    dongle: HidDongle

    def presence(self) -> object | None:
        return self

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> HidrawLine:
        return HidrawLine(self.dongle.file(), reports, on_bytes, on_lost)


@contextlib.asynccontextmanager
async def looked_after(radio: DongleRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [group.create_task(radio.watch()), group.create_task(radio.scan(heard.put_nowait))]
        yield heard
        await radio.close()
        for task in tasks:
            task.cancel()


def serial_radio(path: Path) -> DongleRadio:
    way = SerialPort(str(path), PortSettings(prefix=b"\r\n"))
    return DongleRadio(str(path), way, missing(str(path)), retry_s=0.1)


@pytest.fixture(params=["serial", "hid"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "serial":
        pty = PtyDongle(tmp_path / "ttyUSB0")
        pty.plug()
        radio, firmware, close = serial_radio(pty.path), pty.firmware, pty.pull
    else:
        hid = HidDongle()
        radio = DongleRadio("Lovense dongle", HidWay(hid), "", retry_s=0.1)
        firmware, close = hid.firmware, hid.close
    async with looked_after(radio) as heard:
        yield World(radio, firmware, heard)
    close()
    assert firmware.wrong == []


async def found(world: World, address: str = A) -> None:
    while (await world.heard.get()).address != address:
        pass


async def test_toys_are_found_by_their_own_addresses_and_known_to_the_catalogue(
    world: World,
) -> None:
    seen = {(one := await world.heard.get()).address: one for _ in range(4)}
    assert set(seen) == set(ADDRESSES)
    assert Catalogue.load().match(seen[A])[0].protocol == "lovense"
    assert (world.radio.info.kind, world.radio.info.on) == ("dongle", True)


async def test_two_toys_are_driven_at_one_port_and_answers_go_to_whom_they_belong(
    world: World,
) -> None:
    await found(world)
    first, second = [await world.radio.connect(one, lambda _: None) for one in ADDRESSES]
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    others: asyncio.Queue[bytes] = asyncio.Queue()
    await first.subscribe(RX, heard.put_nowait)
    await second.subscribe(RX, others.put_nowait)
    await first.write(TX, b"DeviceType;", response=False)
    assert await heard.get() == b"S:37:0082059AD3BD;"
    assert others.empty()
    for level in (5, 6, 7):
        await first.write(TX, b"Vibrate:%d;" % level, response=False)
        await second.write(TX, b"Vibrate:%d;" % (level + 10), response=True)
    await first.write(TX, b"Vibrate:0;", response=False)
    assert [level for _, level in world.firmware.record[TOYS[0]]] == [5, 6, 7, 0]
    assert [level for _, level in world.firmware.record[TOYS[1]]] == [15, 16, 17]


async def test_it_searches_only_while_no_toy_runs(world: World) -> None:
    await found(world)
    connection = await world.radio.connect(A, lambda _: None)
    await connection.write(TX, b"Vibrate:5;", response=False)
    searches = world.firmware.searches
    await asyncio.sleep(1.2)
    assert world.firmware.searches == searches
    await connection.write(TX, b"Vibrate:0;", response=False)
    await until(lambda: world.firmware.searches > searches, "a search", 5)
    # What comes in the middle of one waits for its end; the fixture sees to it.
    await connection.write(TX, b"Vibrate:5;", response=False)
    assert world.firmware.level(TOYS[0]) == 5


async def test_the_late_end_of_another_search_is_not_taken_for_the_end_of_this_one(
    world: World,
) -> None:
    """Then a command would come in the middle of one, which the dongle does not take."""
    await found(world)
    radio = world.radio
    radio._searching, radio._search_begun = True, False
    radio._heard(FromDongle("search", 206))
    assert radio._searching
    radio._heard(FromDongle("search", 205))
    radio._heard(FromDongle("search", 206))
    assert not radio._searching


async def test_what_cannot_be_is_refused(world: World) -> None:
    await found(world)
    connection = await world.radio.connect(A, lambda _: None)
    with pytest.raises(RadioError) as caught:
        await world.radio.connect(A, lambda _: None)
    assert caught.value.code is ErrorCode.BUSY
    for doing in (
        connection.read(TX),
        connection.write(RX, b"x", response=False),
        connection.write(TX, b"\xff", response=False),
        connection.subscribe(TX, print),
        connection.unsubscribe(9),
    ):
        with pytest.raises(RadioError) as caught:
            await doing
        assert caught.value.code is ErrorCode.REFUSED


async def test_a_toy_that_is_switched_off_is_lost_once_and_the_other_is_not(world: World) -> None:
    await found(world)
    gone: asyncio.Queue[str] = asyncio.Queue()
    others: list[str] = []
    first = await world.radio.connect(A, gone.put_nowait)
    second = await world.radio.connect(B, others.append)
    world.firmware.leave(TOYS[0])
    assert await gone.get() == "the link was lost"
    with pytest.raises(RadioError) as caught:
        await first.write(TX, b"Vibrate:1;", response=False)
    assert caught.value.code is ErrorCode.GONE
    await second.write(TX, b"Vibrate:1;", response=False)
    assert world.firmware.level(TOYS[1]) == 1
    assert (gone.empty(), others) == (True, [])
    world.firmware.toys.add(TOYS[0])
    await second.write(TX, b"Vibrate:0;", response=False)
    await found(world)
    await (await world.radio.connect(A, gone.put_nowait)).disconnect()
    assert gone.empty()


async def test_one_that_does_not_answer_is_not_found(world: World) -> None:
    await found(world)
    world.firmware.toys.discard(TOYS[0])
    with pytest.raises(RadioError) as caught:
        await world.radio.connect(A, lambda _: None)
    assert caught.value.code is ErrorCode.NOT_FOUND
    await world.radio.connect(B, lambda _: None)


async def test_what_a_supervisor_writes_stops_the_toy(world: World) -> None:
    await found(world)
    connection = await world.radio.connect(A, lambda _: None)
    await connection.write(TX, b"Vibrate:5;", response=False)
    path = outlasting(connection)
    assert path is not None
    line = world.radio._line
    assert line is not None
    assert path.descriptor() == line.descriptor()
    for piece in path.on_wire(b"Vibrate:0;"):
        if isinstance(line, HidrawLine):
            line._write(piece)
        else:
            await line.send(piece)
    await until(lambda: world.firmware.level(TOYS[0]) == 0, "the stop", 5)


async def test_a_pulled_dongle_loses_its_toys_and_is_back_by_itself(tmp_path: Path) -> None:
    pty = PtyDongle(tmp_path / "ttyUSB0")
    radio = serial_radio(pty.path)
    assert (radio.info.on, radio.info.text) == (False, missing(str(pty.path)))
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with looked_after(radio) as heard:
        for _ in range(2):
            pty.plug()
            while (await heard.get()).address != A:
                pass
            connection = await radio.connect(A, gone.put_nowait)
            pty.pull()
            assert await gone.get() == "the dongle was unplugged"
            await until(lambda: not radio.info.on, "the state", 5)
            with pytest.raises(RadioError):
                await connection.write(TX, b"Vibrate:1;", response=False)
            while not heard.empty():
                heard.get_nowait()
        assert gone.empty()


async def test_a_port_with_something_else_says_so(tmp_path: Path) -> None:
    pty = PtyDongle(tmp_path / "ttyUSB0")
    pty.firmware.mute = True
    pty.plug()
    radio = serial_radio(pty.path)
    async with looked_after(radio):
        await until(lambda: "nothing there answers as a Lovense" in radio.info.text, "it", 8)
        with pytest.raises(RadioError):
            await radio.connect(A, lambda _: None)
    pty.pull()


def test_a_device_is_found_by_what_the_kernel_says_of_it(tmp_path: Path) -> None:
    entry = tmp_path / "hidraw3" / "device"
    entry.mkdir(parents=True)
    device = HidrawDevice(0x1915, 0x520A, reports, tmp_path, tmp_path / "dev")
    assert (device.path(), device.presence()) == (None, None)
    (entry / "uevent").write_text("DRIVER=hid-generic\nHID_ID=0003:00001915:0000520A\n")
    assert device.path() == tmp_path / "dev" / "hidraw3"
    assert device.presence() is None, "its file is not there yet"
