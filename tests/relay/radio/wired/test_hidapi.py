"""HID devices through hidapi, by what stands for its module, and by the module itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import RadioError
from relay.radio.passing import outlasting
from relay.radio.wired import hidapi
from relay.radio.wired.hid import HID, place_of, whole
from relay.radio.wired.hidapi import HidapiDevice
from relay.radio.wired.place import RX, TX
from relay.radio.wired.radio import WiredRadio
from tests.system.processes import until

IDS = HID["cyclone-x10"]
PLACE = place_of("cyclone-x10", IDS)


class OpenDevice:
    """As hidapi's `device`: what it says comes from `said`."""

    def __init__(self, hidapi: Hidapi) -> None:
        self._hidapi = hidapi
        self.open = False

    def open_path(self, path: bytes) -> None:
        self._hidapi.opening.append(threading.current_thread())
        self._hidapi.opens.wait(10)
        if not self._hidapi.plugged or self._hidapi.denied:
            raise OSError("open failed")
        self.open = True
        self._hidapi.opened += 1

    def write(self, report: bytes) -> int:
        self._hidapi.free.wait(10)
        assert self.open
        if not self._hidapi.plugged:
            return -1
        self._hidapi.reports.append(report)
        return len(report)

    def read(self, most: int, timeout_ms: int) -> list[int]:
        assert self.open
        if not self._hidapi.plugged:
            raise OSError("read error")
        try:
            return list(self._hidapi.said.get(timeout=timeout_ms / 1000))[:most]
        except Empty:
            return []

    def close(self) -> None:
        assert self.open
        self.open = False
        self._hidapi.opened -= 1


class Hidapi:
    """The module, with one device."""

    def __init__(self) -> None:
        self.plugged = True
        self.denied = False
        self.opened = 0
        self.reports: list[bytes] = []
        self.said: SimpleQueue[bytes] = SimpleQueue()
        self.free = threading.Event()
        self.free.set()
        self.opens = threading.Event()
        self.opens.set()
        self.opening: list[threading.Thread] = []
        self.looking, self.together = 0, 0

    def enumerate(self, vendor: int, product: int) -> list[dict[str, Any]]:
        self.looking += 1
        self.together = max(self.together, self.looking)
        time.sleep(0.001)  # where another thread may come in
        self.looking -= 1
        here = self.plugged and (vendor, product) == IDS
        return [{"path": b"0001:0002:00", "vendor_id": vendor}] if here else []

    def device(self) -> OpenDevice:
        return OpenDevice(self)


@pytest.fixture
def module() -> Hidapi:
    return Hidapi()


@pytest.fixture
async def radio(module: Hidapi) -> AsyncIterator[WiredRadio]:
    made = WiredRadio(PLACE, HidapiDevice(*IDS, whole, module))
    async with asyncio.timeout(20):
        yield made
        module.free.set()
        await made.close()
        await until(lambda: module.opened == 0, "that it was given back", 5)


async def test_it_is_there_before_the_first_scan_and_reports_pass_whole_both_ways(
    radio: WiredRadio, module: Hidapi
) -> None:
    assert (radio.info.kind, radio.info.on) == ("hid", True)
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    assert (await heard.get()).address == PLACE.address
    scan.cancel()
    connection = await radio.connect(PLACE.address, lambda _: None)
    reports = [bytes([0, number]) + bytes(14) for number in range(50)]
    for report in reports:
        await connection.write(TX, report, response=False)
    assert module.reports == reports
    said: asyncio.Queue[bytes] = asyncio.Queue()
    await connection.subscribe(RX, said.put_nowait)
    module.said.put(b"\x01abc")
    assert await said.get() == b"\x01abc"
    path = outlasting(connection)
    assert path is not None
    assert path.descriptor() is None


async def test_one_that_is_pulled_is_told_once_and_comes_back(
    radio: WiredRadio, module: Hidapi
) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    for _ in range(2):
        connection = await radio.connect(PLACE.address, gone.put_nowait)
        module.plugged = False
        assert await gone.get() == "it was unplugged"
        with pytest.raises(RadioError) as caught:
            await connection.write(TX, b"\0x", response=False)
        assert caught.value.code is ErrorCode.GONE
        await connection.disconnect()
        await until(lambda: "plug it in, or pair it" in radio.info.text, "that it is absent", 5)
        with pytest.raises(RadioError):
            await radio.connect(PLACE.address, gone.put_nowait)
        module.plugged = True
        assert gone.empty()


async def test_a_write_that_hangs_can_be_given_up_and_the_next_is_the_last_word(
    radio: WiredRadio, module: Hidapi
) -> None:
    connection = await radio.connect(PLACE.address, lambda _: None)
    module.free.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.write(TX, b"\0go", response=False)
    stop = asyncio.create_task(connection.write(TX, b"\0off", response=False))
    await asyncio.sleep(0.05)
    assert not stop.done()
    module.free.set()
    await stop
    assert module.reports[-1] == b"\0off"


async def test_one_that_may_not_be_opened_says_so(radio: WiredRadio, module: Hidapi) -> None:
    module.denied = True
    with pytest.raises(RadioError, match="Does another program use it, or may we not"):
        await radio.connect(PLACE.address, lambda _: None)
    assert module.opened == 0


async def test_a_system_that_hangs_has_one_thread_of_ours_and_may_come_back(
    radio: WiredRadio, module: Hidapi
) -> None:
    module.opens.clear()
    for _ in range(5):
        with pytest.raises((RadioError, TimeoutError)):
            async with asyncio.timeout(0.05):
                await radio.connect(PLACE.address, lambda _: None)
    assert len(module.opening) == 1
    module.opens.set()
    await until(lambda: not module.opening[0].is_alive(), "that it was closed again", 5)
    assert module.opened == 0
    await radio.connect(PLACE.address, lambda _: None)


async def test_the_list_of_devices_is_made_by_one_thread_at_a_time_and_none_stays(
    module: Hidapi,
) -> None:
    before = set(threading.enumerate())
    devices = [HidapiDevice(*IDS, whole, module) for _ in range(4)]
    for _ in range(20):
        for device in devices:
            assert device.presence() is not None
        await asyncio.sleep(0)
    await until(lambda: set(threading.enumerate()) <= before, "that no thread stays", 5)
    assert module.together == 1


async def test_the_module_itself_has_what_is_used_of_it() -> None:
    found = hidapi.library()
    if found is None:
        pytest.skip("hidapi is not installed")
    nobody = HidapiDevice(0xFFFF, 0xFFFE, whole, found)
    assert nobody.presence() is None
    with pytest.raises(RadioError, match="not plugged in"):
        await nobody.open(lambda _: None, lambda _: None)
    for name in ("open_path", "write", "read", "close"):
        assert callable(getattr(found.device, name))
