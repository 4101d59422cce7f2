"""The radios under one contract, each with the toys it can reach and what befalls them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from relay.radio.base import Radio
from relay.radio.bleak_radio import BleakRadio
from relay.radio.esphome.radio import EsphomeRadio
from relay.radio.several import Radios
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.bumble_air import Air
from tests.doubles.bumble_backend import client_for, scanner_for
from tests.doubles.esphome_proxy import KEY, EsphomeProxy
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_daemon import FakeBluez
from tests.doubles.fake_bluez_process import require_dbus_daemon
from tests.system.processes import until

# How long a radio under test listens for a toy that is not there.
FIND_S = 0.5


@dataclass(slots=True)
class World:
    """A radio, its toys, and how they come and go."""

    radio: Radio
    toys: Sequence[Toy]
    vanish: Callable[[Toy], None]
    drop: Callable[[Toy], None]
    appear: Callable[[Toy], Awaitable[None]]


@contextlib.asynccontextmanager
async def simulated(toys: Sequence[Toy], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async def appear(toy: Toy) -> None:
        toy.appear()

    radio = SimulatedRadio(toys)
    yield World(radio, toys, Toy.vanish, Toy.drop, appear)
    await radio.close()


@contextlib.asynccontextmanager
async def bumble(toys: Sequence[Toy], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    air = await Air.with_toys(toys)
    radio = BleakRadio(scanner=scanner_for(air), client=client_for(air), find_s=FIND_S)
    yield World(
        radio,
        toys,
        lambda toy: air.peripherals[toy.address].vanish(),
        lambda toy: air.peripherals[toy.address].drop(),
        lambda toy: air.peripherals[toy.address].appear(),
    )
    await radio.close()
    air.close()


@contextlib.asynccontextmanager
async def fake_bluez(toys: Sequence[Toy], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    require_dbus_daemon()

    async def appear(toy: Toy) -> None:
        toy.appear()

    async with private_bus() as address, FakeBluez.on(address, toys):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        radio = BleakRadio(find_s=FIND_S)
        yield World(radio, toys, Toy.vanish, Toy.drop, appear)
        await radio.close()


@contextlib.asynccontextmanager
async def several(toys: Sequence[Toy], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Two radios in one relay; one toy is heard by the first alone, the other by the second."""

    async def appear(toy: Toy) -> None:
        toy.appear()

    radio = Radios([SimulatedRadio([toy]) for toy in toys])
    yield World(radio, toys, Toy.vanish, Toy.drop, appear)
    await radio.close()


@contextlib.asynccontextmanager
async def esphome(toys: Sequence[Toy], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A Bluetooth proxy, encrypted, behind a real socket."""

    async def appear(toy: Toy) -> None:
        toy.appear()

    async with EsphomeProxy(toys, key=KEY).listen() as proxy, asyncio.TaskGroup() as group:
        radio = EsphomeRadio("127.0.0.1", proxy.port, KEY, find_s=FIND_S)
        watching = group.create_task(radio.watch())
        await until(lambda: radio.info.on, "the proxy", 5)
        yield World(radio, toys, Toy.vanish, Toy.drop, appear)
        await radio.close()
        assert proxy.used == 0, "a place was leaked"
        watching.cancel()


WORLDS = (simulated, bumble, fake_bluez, several, esphome)
