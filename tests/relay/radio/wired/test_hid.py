"""The contract of radios (test_conformance.py) for devices that speak in reports, behind a
descriptor that keeps them apart as /dev/hidraw does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.errors import UsageError
from relay.link.messages import Advertisement, ErrorCode
from relay.link.stand_ins import stand_in
from relay.radio.base import RadioError
from relay.radio.passing import outlasting
from relay.radio.wired.hid import HID, hid_radio, place_of, whole
from relay.radio.wired.hidraw import HidrawLine
from relay.radio.wired.line import OnBytes, OnLost
from relay.radio.wired.place import RX, TX
from relay.radio.wired.radio import WiredRadio
from tests.system.processes import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HID is for Linux")


@dataclass
class Device:
    """`reports`: what it was told."""

    reports: list[bytes] = field(default_factory=list)
    ends: tuple[socket.socket, socket.socket] | None = None

    def plug(self) -> None:
        self.ends = ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, self._readable)

    def pull(self) -> None:
        if self.ends is not None:
            asyncio.get_running_loop().remove_reader(self.ends[0])
            for end in self.ends:
                end.close()
            self.ends = None

    def say(self, report: bytes) -> None:
        assert self.ends is not None
        self.ends[0].send(report)

    def presence(self) -> object | None:
        return None if self.ends is None else id(self.ends)

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> HidrawLine:
        assert self.ends is not None
        file = os.dup(self.ends[1].fileno())
        os.set_blocking(file, False)
        return HidrawLine(file, whole, on_bytes, on_lost)

    def _readable(self) -> None:
        assert self.ends is not None
        if report := self.ends[0].recv(4096):
            self.reports.append(report)


PLACE = place_of("joycon-left", HID["joycon-left"])


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    made = Device()
    made.plug()
    yield made
    made.pull()


@pytest.fixture
async def radio(device: Device) -> AsyncIterator[WiredRadio]:
    made = WiredRadio(PLACE, device)
    async with asyncio.timeout(20):
        yield made
        await made.close()


@contextlib.asynccontextmanager
async def scanning(radio: WiredRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    yield heard
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan


async def test_it_is_known_to_the_catalogue(radio: WiredRadio) -> None:
    async with scanning(radio) as heard:
        seen = await heard.get()
    assert seen.services == (stand_in("hid/057e:2006"),)
    assert Catalogue.load().match(seen)[0].protocol == "nintendo-joycon"
    assert (radio.info.kind, radio.info.name, radio.info.on) == ("hid", "joycon-left", True)


async def test_every_write_is_one_report_and_reports_come_while_subscribed(
    radio: WiredRadio, device: Device
) -> None:
    connection = await radio.connect(PLACE.address, lambda _: None)
    reports = [bytes([0x10, number]) + bytes(62) for number in range(50)]
    for report in reports:
        await connection.write(TX, report, response=False)
    await until(lambda: len(device.reports) == 50, "the reports", 5)
    assert device.reports == reports
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await connection.subscribe(RX, heard.put_nowait)
    device.say(b"0abc")
    assert await heard.get() == b"0abc"
    with pytest.raises(RadioError) as caught:
        await connection.read(TX)
    assert caught.value.code is ErrorCode.REFUSED


async def test_one_that_is_pulled_is_told_once_and_comes_back(
    radio: WiredRadio, device: Device
) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    for _ in range(2):
        connection = await radio.connect(PLACE.address, gone.put_nowait)
        device.pull()
        assert await gone.get() == "it was unplugged"
        with pytest.raises(RadioError) as caught:
            await connection.write(TX, b"\x10", response=False)
        assert caught.value.code is ErrorCode.GONE
        await connection.disconnect()
        assert "plug it in, or pair it" in radio.info.text
        device.plug()
        async with scanning(radio) as heard:
            await heard.get()
        assert gone.empty()


async def test_it_is_connected_once_let_go_quietly_and_can_be_handed_over(
    radio: WiredRadio, device: Device
) -> None:
    gone: list[str] = []
    connection = await radio.connect(PLACE.address, gone.append)
    with pytest.raises(RadioError) as caught:
        await radio.connect(PLACE.address, gone.append)
    assert caught.value.code is ErrorCode.BUSY
    path = outlasting(connection)
    assert path is not None
    handed = path.descriptor()
    assert handed is not None
    (piece,) = path.on_wire(b"\x10stop")
    os.write(handed, piece)
    await until(lambda: device.reports == [b"\x10stop"], "the stop", 5)
    await connection.disconnect()
    await connection.disconnect()
    await (await radio.connect(PLACE.address, gone.append)).disconnect()
    assert gone == []


def test_every_name_is_one_that_the_catalogue_drives() -> None:
    catalogue = Catalogue.load()
    for name, ids in HID.items():
        service = stand_in(f"hid/{ids[0]:04x}:{ids[1]:04x}")
        assert catalogue.match(Advertisement("x", name, services=(service,))), name
    assert hid_radio("JoyCon-Left").info.name == "JoyCon-Left"
    assert hid_radio("057E:2006")._place.address == PLACE.address


@pytest.mark.parametrize("text", ["", "joycon", "057e", "057e:20065", "057g:2006"])
def test_other_devices_are_refused_with_how_they_are_said(text: str) -> None:
    with pytest.raises(UsageError, match="is said as VVVV:PPPP, or one of joycon-left"):
        hid_radio(text)
