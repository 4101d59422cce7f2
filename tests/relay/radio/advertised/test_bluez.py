"""An advertisement through BlueZ, as its stand-in on a real D-Bus sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from relay.radio.advertised.bluez import Advertiser, CannotAdvertise
from relay.radio.advertised.frames import frame
from relay.radio.advertised.kinds import USUAL
from relay.radio.bounds import ANSWER_S
from tests.doubles.advertising_bluez import AdvertisingBluez
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_process import require_dbus_daemon
from tests.system.processes import until


@contextlib.asynccontextmanager
async def bluez_on_a_bus(
    monkeypatch: pytest.MonkeyPatch, *, dual: bool = False
) -> AsyncIterator[AdvertisingBluez]:
    require_dbus_daemon()
    async with private_bus() as address, AdvertisingBluez.on(address, dual=dual) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield bluez


@pytest.mark.parametrize("dual", [False, True], ids=["LE alone", "dual mode"])
async def test_a_frame_stands_where_toys_listen_whatever_the_adapter_puts_before_it(
    monkeypatch: pytest.MonkeyPatch, dual: bool
) -> None:
    async with bluez_on_a_bus(monkeypatch, dual=dual) as bluez:
        (toy,) = bluez.toys
        advertiser = await Advertiser.open("", lambda _: None)
        await advertiser.put(frame(USUAL, 3))
        assert toy.heard() == [3]
        for command in (2, 0, 0x31):
            await advertiser.put(frame(USUAL, command))
        await until(lambda: 0x31 in toy.heard(), "the last command", 5)
        assert [command for command in toy.heard() if command] == [3, 2, 0x31]
        assert bluez.registered == 1
        await advertiser.take_down()
        assert not bluez.on_air
        await advertiser.take_down()
        await advertiser.put(frame(USUAL, 1))
        assert bluez.registered == 2
        advertiser.close()
        await until(lambda: not bluez.on_air, "silence", 5)


async def test_what_cannot_be_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bluez_on_a_bus(monkeypatch) as bluez:
        with pytest.raises(CannotAdvertise, match="There is no Bluetooth adapter hci7: plug it in"):
            await Advertiser.open("hci7", lambda _: None)
        advertiser = await Advertiser.open("02:00:00:00:00:ff", lambda _: None)
        bluez.refuse = 1
        with pytest.raises(CannotAdvertise, match="All places for advertisements are taken"):
            await advertiser.put(frame(USUAL, 3))
        await advertiser.put(frame(USUAL, 3))
        advertiser.close()
        bluez.power(on=False)
        with pytest.raises(CannotAdvertise, match="Bluetooth is switched off"):
            await Advertiser.open("", lambda _: None)
        bluez.pull()
        with pytest.raises(CannotAdvertise, match="There is no Bluetooth adapter: plug it in"):
            await Advertiser.open("", lambda _: None)


async def test_an_adapter_that_goes_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bluez_on_a_bus(monkeypatch) as bluez:
        breaks: list[tuple[Callable[[], None], str]] = [
            (lambda: bluez.power(on=False), "Bluetooth was switched off."),
            (bluez.pull, "The Bluetooth adapter was unplugged."),
        ]
        for break_it, text in breaks:
            bluez.plug()
            bluez.power(on=True)
            lost: asyncio.Queue[str] = asyncio.Queue()
            advertiser = await Advertiser.open("", lost.put_nowait)
            await advertiser.put(frame(USUAL, 1))
            break_it()
            assert await asyncio.wait_for(lost.get(), 5) == text
            advertiser.close()
            assert lost.empty()


async def test_other_programs_that_advertise_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bluez_on_a_bus(monkeypatch) as bluez:
        bluez.pull()
        bluez.on_air["another"] = b""
        bluez.plug()
        bluez.on_air.clear()
        advertiser = await Advertiser.open("", lambda _: None)
        assert advertiser.others == 1
        advertiser.close()


async def test_without_a_bus_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(CannotAdvertise, match="The system D-Bus cannot be used"):
        await Advertiser.open("", lambda _: None)


async def test_a_bus_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
        async with asyncio.timeout(10 * ANSWER_S):
            with pytest.raises(CannotAdvertise, match="The system D-Bus cannot be used"):
                await Advertiser.open("", lambda _: None)


async def test_a_bus_that_is_gone_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bluez_on_a_bus(monkeypatch):
        advertiser = await Advertiser.open("", lambda _: None)
        await advertiser.put(frame(USUAL, 3))
    for _ in range(2):
        with pytest.raises(CannotAdvertise, match="BlueZ does not answer"):
            await advertiser.put(frame(USUAL, 0))
    advertiser.close()
