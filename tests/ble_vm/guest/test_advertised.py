"""Toys that hear advertisements, on a genuine BlueZ and kernel: what is on the air when, in
bytes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from relay.link.messages import Packet
from relay.radio.advertised.frames import frame
from relay.radio.advertised.kinds import USUAL, AdvertisedKind
from relay.radio.advertised.radio import AdvertisedRadio
from relay.radio.bounds import TX
from tests.ble_vm.guest.air import KernelAir, kernel_air
from tests.ble_vm.guest.conftest import Note
from tests.doubles.advertising_bluez import ListeningToy
from tests.faults import radios
from tests.system.processes import until

KIND = AdvertisedKind("lovespouse")


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[KernelAir, ListeningToy, list[tuple[float, bytes]]]]:
    """An adapter, a toy in range, and every packet that was on the air with its time."""
    toy = ListeningToy()
    packets: list[tuple[float, bytes]] = []
    async with kernel_air([]) as air:
        air.listeners += [toy.hear, lambda packet: packets.append((time.monotonic(), packet))]
        yield air, toy, packets


async def test_levels_and_stops_are_on_the_air_as_toys_want_them(note: Note) -> None:
    async with asyncio.timeout(120), listening() as (_, toy, packets):
        radio = AdvertisedRadio(KIND)
        began = time.monotonic()
        connection = await radio.connect(KIND.link_address, lambda _: None)
        note("a process that can advertise", (time.monotonic() - began) * 1000)
        assert packets == []
        for level in (3, 1, 2):
            began = time.monotonic()
            await connection.write(TX, bytes([level]), response=False)
            await until(lambda: toy.levels.get(0) == level, "the level", 5)  # noqa: B023
            heard = next(at for at, told in toy.record if told == level)
            note("a level to the toy", (heard - began) * 1000)
        await asyncio.sleep(1.5)
        began = time.monotonic()
        await connection.write(TX, b"\x00", response=False)
        note("a stop, until it counts as taken", (time.monotonic() - began) * 1000)
        assert not toy.running()
        heard = next(at for at, told in toy.record if at >= began and told == 0)
        note("a stop to the toy", (heard - began) * 1000)
        await asyncio.sleep(3)
        on_air = len(packets)
        await asyncio.sleep(1)
        assert len(packets) == on_air, "something is on the air at rest"
        times = [at for at, told in toy.record if told == 0]
        assert len(times) >= 15
        assert times[-1] - times[0] > 1.7
        for gap in (b - a for a, b in pairwise(at for at, _ in toy.record)):
            note("between two advertisements", gap * 1000)
        await radio.close()
        # Bytes: not connectable, and the frame 15 bytes behind the start of a legacy packet.
        at_rest = {packet for _, packet in packets if packet[15:] == frame(USUAL, 0)}
        assert len(at_rest) >= 1
        for packet in at_rest:
            assert packet[0] == 3, "ADV_NONCONN_IND"
            assert packet[1] == len(packet) - 2
            assert len(packet) <= 2 + 6 + 31
        note("bytes of a packet", len(packet))
        print(f"\non the air: {packet.hex(' ')}")


async def test_two_motors_take_turns(note: Note) -> None:
    async with asyncio.timeout(120), listening() as (_, toy, _packets):
        radio = AdvertisedRadio(KIND)
        connection = await radio.connect(KIND.link_address, lambda _: None)
        await connection.write(TX, b"\x31\x43", response=False)
        await until(lambda: toy.levels == {0x30: 1, 0x40: 3}, "both motors", 5)
        began = time.monotonic()
        await connection.write(TX, b"\x00\x30\x40", response=False)
        await until(lambda: {0, 0x30, 0x40} <= {c for at, c in toy.record if at > began}, "all", 5)
        note("all of a stop of two motors to the toy", (time.monotonic() - began) * 1000)
        await radio.close()


class OnKernel(radios.Advertised):
    """As in the matrix, with this machine's own BlueZ. Pulled is the adapter."""

    def __init__(self, air: KernelAir, toy: ListeningToy) -> None:
        self._air = air
        self._toy = toy
        self._plugged = True
        self.running = toy.running

    stop: tuple[Packet, ...] = radios.Advertised.stop

    async def plug(self) -> None:
        if not self._plugged:
            self._plugged = True
            await self._air.plug()

    async def pull(self) -> None:
        if self._plugged:
            self._plugged = False
            await self._air.unplug()


@contextlib.asynccontextmanager
async def on_kernel(folder: Path) -> AsyncIterator[radios.Behind]:
    async with listening() as (air, toy, _):
        behind = OnKernel(air, toy)
        yield behind
        await behind.plug()  # as it is unplugged at the end


BROKEN = ("kill -9", "SIGSTOP", "SIGTERM", "silence", "reset", "pause", "pulled")


@pytest.mark.parametrize(
    "row",
    [row for row in radios.rows("on the kernel") if row.fault in BROKEN],
    ids=lambda row: row.name,
)
async def test_whatever_breaks_stops_the_toy(
    row: radios.Row, tmp_path: Path, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(radios.TOYS, "on the kernel", on_kernel)
    outcome = await radios.play(row, tmp_path, 1.0)
    assert outcome.off_ms is not None
    note(row.name, outcome.off_ms)
    assert not radios.verdict(row, outcome)
