"""Adapters that are missing, off, pulled and plugged in: BlueZ's stand-in on a real D-Bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from dbus_fast import Variant

from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import RadioError
from relay.radio.bluetooth.adapters import AdapterRadio, every_adapter
from relay.radio.several import Radios
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.supervision.supervisor import outlives_its_relay
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_daemon import ADAPTER, FakeBluez
from tests.doubles.fake_bluez_process import require_dbus_daemon
from tests.system.processes import until


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    require_dbus_daemon()
    async with asyncio.timeout(20), private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBluez]:
    async with FakeBluez.on(bus, toys_by_name("Lovense Hush")) as made:
        yield made


@contextlib.asynccontextmanager
async def looked_after(radio: AdapterRadio | Radios) -> AsyncIterator[None]:
    watching = asyncio.create_task(radio.watch())
    yield
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    await radio.close()


def plug(bluez: FakeBluez, name: str, address: str = "00:00:00:00:00:02") -> None:
    about = {"Address": Variant("s", address), "Powered": Variant("b", True)}
    bluez.tree.add(f"/org/bluez/{name}", {ADAPTER: about})


def pull(bluez: FakeBluez, name: str) -> None:
    bluez.tree.remove(f"/org/bluez/{name}")


async def state(radio: AdapterRadio | Radios, holds: Callable[[str], bool]) -> None:
    await until(lambda: holds(radio.info.text), "the state", 5)


async def test_the_state_is_known_before_the_first_scan(bluez: FakeBluez) -> None:
    bluez.power(on=False)
    for said, text in (
        ("", "Bluetooth is switched off."),
        ("hci0", "hci0 is off"),
        ("hci7", "There is no Bluetooth adapter hci7: there is hci0."),
    ):
        radio = AdapterRadio(said)
        async with looked_after(radio):
            await state(radio, lambda now, text=text: now.startswith(text))  # type: ignore[misc]
            assert not radio.info.on
            with pytest.raises(RadioError) as caught:
                await radio.connect("C0:00:00:00:00:01", lambda _: None)
            assert caught.value.code is ErrorCode.RADIO
    assert not any(member == "StartDiscovery" for _, member in bluez.calls)


async def test_one_that_is_switched_off_and_on_scans_again_at_once(bluez: FakeBluez) -> None:
    radio = AdapterRadio("hci0")
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    async with looked_after(radio):
        scan = asyncio.create_task(radio.scan(heard.put_nowait))
        for _ in range(2):
            await heard.get()
            bluez.power(on=False)
            await state(radio, bool)
            while not heard.empty():
                heard.get_nowait()
            bluez.power(on=True)
            async with asyncio.timeout(2):
                await heard.get()
            assert radio.info.on
        scan.cancel()


async def test_without_bluez_that_is_said_and_it_is_found_when_it_starts(bus: str) -> None:
    radio = AdapterRadio("")
    async with looked_after(radio):
        await state(radio, lambda text: "BlueZ is not running" in text)
        async with FakeBluez.on(bus, []):
            await state(radio, lambda text: not text)


async def test_an_adapter_is_the_same_by_its_address_whatever_its_number(bluez: FakeBluez) -> None:
    opened: list[str | None] = []

    def make(name: str | None) -> SimulatedRadio:
        opened.append(name)
        return SimulatedRadio([])

    radio = AdapterRadio("00:00:00:00:00:02", make)
    async with looked_after(radio):
        await state(radio, lambda text: "00:00:00:00:00:02" in text)
        scan = asyncio.create_task(radio.scan(lambda _: None))
        for name in ("hci1", "hci4"):
            plug(bluez, name)
            await until(lambda name=name: opened[-1:] == [name], "the scan", 5)  # type: ignore[misc]
            assert (radio.info.name, radio.info.on) == (name, True)
            pull(bluez, name)
            await state(radio, bool)
        scan.cancel()


async def test_every_adapter_that_is_plugged_in_becomes_a_radio_by_itself(bluez: FakeBluez) -> None:
    toys = {name: toys_by_name(f"Lovense {toy}") for name, toy in
            {"hci0": "Hush", "hci1": "Edge"}.items()}  # fmt: skip
    source = every_adapter(lambda name: SimulatedRadio(toys[name or ""]))
    radios = Radios([], {"bleak": source})
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    assert outlives_its_relay(radios), "there is a supervisor before there is an adapter"
    async with looked_after(radios):
        scan = asyncio.create_task(radios.scan(heard.put_nowait))
        assert (await heard.get()).address == toys["hci0"][0].address
        assert [part.name for part in radios.info.parts] == ["hci0"]
        plug(bluez, "hci1")
        while (await heard.get()).address != toys["hci1"][0].address:
            pass
        assert [part.name for part in radios.info.parts] == ["hci0", "hci1"]
        assert all(part.on for part in radios.info.parts)
        await radios.connect(toys["hci1"][0].address, lambda _: None)
        pull(bluez, "hci1")
        await until(lambda: len(radios.info.parts) == 1, "that it is gone", 5)
        assert not toys["hci1"][0].connected
        pull(bluez, "hci0")
        await state(radios, lambda text: text == "No Bluetooth adapter was found. Plug one in.")
        assert not radios.info.on
        with pytest.raises(RadioError):
            await radios.connect(toys["hci0"][0].address, lambda _: None)
        scan.cancel()
