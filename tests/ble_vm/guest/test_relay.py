"""Hub, relay, BlueZ and kernel together: what a client sees, and what reaches the toys."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from buttplug import ButtplugClient, ButtplugDeviceError, DeviceOutputCommand, OutputType

from relay.radio.simulated.toy import Toy
from tests.ble_vm.guest.bluez import connected, kill_bluetoothd, power
from tests.ble_vm.guest.conftest import Note
from tests.ble_vm.guest.home import Home, home, until_operation
from tests.system.processes import supervisors, until
from tests.system.test_official_client import connect, named

ON, OFF = b"Vibrate:20;", b"Vibrate:0;"
FULL = DeviceOutputCommand(OutputType.VIBRATE, 1.0)
SOME = DeviceOutputCommand(OutputType.VIBRATE, 0.5)
SOON_S = 10.0
# BlueZ itself takes two seconds to let a peripheral go.
LONGER_THAN_BLUEZ_S = 3.0
# Longer than the least gap between two writes to any toy.
IDLE_S = 0.2
# Leases of 0.9 s are renewed each 0.25 s.
STOOD_STILL_S = 0.5
# A client that keeps scanning finds what comes back.
BACK_S = 30.0


def ms_since(t_ns: int) -> float:
    return (time.monotonic_ns() - t_ns) / 1e6


async def driving(house: Home) -> ButtplugClient:
    """A client whose first toy runs, for long enough that its lease was renewed."""
    client = await connect(house.url, len(house.air.toys))
    await named(client, house.toy.name).run_output(FULL)
    await until_operation(house.toy, ON, 0, SOON_S)
    await asyncio.sleep(0.6)
    assert not house.toy.at_rest
    return client


async def test_a_client_finds_drives_reads_and_stops_a_toy(tmp_path: Path, note: Note) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        start = time.monotonic_ns()
        client = await connect(house.url, 1)
        note("scan to device in the client's list", ms_since(start))
        (toy,) = client.devices.values()
        assert await toy.battery() == 0.85
        for step in range(1, 21):
            await asyncio.sleep(IDLE_S)
            sent = time.monotonic_ns()
            await toy.run_output(DeviceOutputCommand(OutputType.VIBRATE, step / 20))
            written = await until_operation(house.toy, b"Vibrate:%d;" % step, sent, SOON_S)
            note("client's command to the idle toy", (written.t_ns - sent) / 1e6)
        sent = time.monotonic_ns()
        await toy.stop()
        stopped = await until_operation(house.toy, OFF, sent, SOON_S)
        note("client's stop to the toy", (stopped.t_ns - sent) / 1e6)
        await client.disconnect()


async def test_toys_of_several_makers_run_side_by_side(tmp_path: Path, note: Note) -> None:
    names = "Lovense Hush,Lovense Edge,Aneros Vivi,Vorze UFO SA"
    async with home(tmp_path, names) as house:
        start = time.monotonic_ns()
        client = await connect(house.url, 4)
        note("scan to four devices in the client's list", ms_since(start))
        for toy in house.air.toys:
            kind = OutputType.ROTATE if toy.name == "Vorze UFO SA" else OutputType.VIBRATE
            await named(client, toy.name).run_output(DeviceOutputCommand(kind, 0.5))
        async with asyncio.timeout(SOON_S):
            for toy in house.air.toys:
                await toy.until(lambda toy: not toy.at_rest)
        sent = time.monotonic_ns()
        await client.stop_all_devices()
        async with asyncio.timeout(SOON_S):
            for toy in house.air.toys:
                await toy.until(lambda toy: toy.at_rest)
        note("stop of four devices, the last one at rest", ms_since(sent))
        await client.disconnect()


async def test_a_toy_that_vanishes_comes_back_under_its_index(tmp_path: Path, note: Note) -> None:
    async with home(tmp_path, "Lovense Hush,Lovense Edge") as house:
        client = await connect(house.url, 2)
        before = {device.name: index for index, device in client.devices.items()}
        for _ in range(2):
            lost = time.monotonic_ns()
            house.air.vanish(house.toy)
            await until(lambda: len(client.devices) == 1, "a device less", SOON_S)
            note("toy out of range to client's list", ms_since(lost))
            await named(client, "Lovense Edge").run_output(SOME)
            await client.start_scanning()
            await asyncio.sleep(1)
            back = time.monotonic_ns()
            await house.air.appear(house.toy)
            await until(lambda: len(client.devices) == 2, "the device again", BACK_S)
            note("toy back in range to client's list", ms_since(back))
            await client.stop_scanning()
            assert {device.name: index for index, device in client.devices.items()} == before
            await named(client, house.toy.name).run_output(SOME)
            await until_operation(house.toy, b"Vibrate:10;", back, SOON_S)
        await client.disconnect()


@pytest.mark.parametrize(
    ("victim", "number", "limit_ms"),
    [
        ("hub", signal.SIGKILL, 1000),
        ("hub", signal.SIGSTOP, 1500),
        ("relay", signal.SIGTERM, 1000),
        ("relay", signal.SIGSTOP, 2000),
        ("relay", signal.SIGKILL, 2000),
    ],
)
async def test_what_ends_or_freezes_stops_the_toy(
    tmp_path: Path, note: Note, victim: str, number: signal.Signals, limit_ms: float
) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        await driving(house)
        program = house.hub if victim == "hub" else house.relay
        sent = program.send(number)
        try:
            stopped = await until_operation(house.toy, OFF, sent, SOON_S)
        finally:
            if number is signal.SIGSTOP:
                program.send(signal.SIGCONT)
        took_ms = (stopped.t_ns - sent) / 1e6
        note(f"{victim} {number.name} to the toy's stop", took_ms)
        assert took_ms <= limit_ms
        if (victim, number) == ("relay", signal.SIGTERM):
            assert await program.wait(3.0) == 0


async def test_a_killed_relay_leaves_no_connection_and_its_successor_finds_the_toy(
    tmp_path: Path, note: Note
) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        client = await driving(house)
        (index,) = client.devices
        killed = house.relay.send(signal.SIGKILL)
        async with asyncio.timeout(SOON_S):
            await house.toy.until(lambda toy: not toy.connected)
        note("relay SIGKILL to the toy's disconnection", ms_since(killed))
        assert house.toy.at_rest
        assert await connected() == set()
        await house.restart_relay()
        await client.start_scanning()
        began = time.monotonic_ns()
        await _drive_again(client, index, house.toy, began)
        note("relay started again to the toy driven", ms_since(began))


async def test_what_relay_and_supervisor_left_running_the_next_start_stops(
    tmp_path: Path, note: Note
) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        await driving(house)
        # The supervisor first: it needs no millisecond to notice that its relay is gone.
        for pid in (*supervisors(house.relay.process.pid), house.relay.process.pid):
            os.kill(pid, signal.SIGKILL)
        await house.relay.wait()
        house.hub.send(signal.SIGKILL)
        await asyncio.sleep(LONGER_THAN_BLUEZ_S)
        assert await connected() == {house.toy.address}
        assert not house.toy.at_rest
        began = time.monotonic_ns()
        await house.relay.start()
        stopped = await until_operation(house.toy, OFF, began, BACK_S)
        note("start of a relay to the stop of what is left", (stopped.t_ns - began) / 1e6)
        async with asyncio.timeout(BACK_S):
            await house.toy.until(lambda toy: not toy.connected)
        assert await connected() == set()


async def test_a_toy_that_was_lost_while_it_ran_is_stopped_without_a_hub(
    tmp_path: Path, note: Note
) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        await driving(house)
        house.air.vanish(house.toy)
        await asyncio.sleep(LONGER_THAN_BLUEZ_S)
        assert not house.toy.at_rest
        house.hub.send(signal.SIGKILL)
        await asyncio.sleep(1)
        back = time.monotonic_ns()
        await house.air.appear(house.toy)
        stopped = await until_operation(house.toy, OFF, back, BACK_S)
        note("a running toy back in range to its stop, no hub", (stopped.t_ns - back) / 1e6)
        async with asyncio.timeout(BACK_S):
            await house.toy.until(lambda toy: not toy.connected)


async def test_a_bluetoothd_that_dies_is_survived(tmp_path: Path, note: Note) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        client = await driving(house)
        (index,) = client.devices
        killed = time.monotonic_ns()
        kill_bluetoothd()
        async with asyncio.timeout(SOON_S):
            await house.toy.until(lambda toy: not toy.connected)
        note("bluetoothd SIGKILL to the toy's disconnection", ms_since(killed))
        # Nobody scans for it: that it ran when it was lost is reason enough.
        stopped = await until_operation(house.toy, OFF, killed, BACK_S)
        note("bluetoothd SIGKILL to the toy's stop", (stopped.t_ns - killed) / 1e6)
        await _drive_again(client, index, house.toy, stopped.t_ns)
        note("bluetoothd SIGKILL to the toy driven again", ms_since(killed))


@pytest.mark.parametrize("how", ["unplugged", "switched off"])
async def test_a_radio_that_goes_and_comes_back_is_used_again(
    tmp_path: Path, note: Note, how: str
) -> None:
    async with home(tmp_path, "Lovense Hush") as house:
        client = await driving(house)
        (index,) = client.devices
        await (house.air.unplug() if how == "unplugged" else power(on=False))
        await until(lambda: not client.devices, "no device", SOON_S)
        await client.start_scanning()
        await asyncio.sleep(2)
        back = time.monotonic_ns()
        await (house.air.plug() if how == "unplugged" else power())
        await _drive_again(client, index, house.toy, back)
        note(f"radio {how}: on again to the toy driven", ms_since(back))


async def test_toys_lost_all_at_once_come_back(tmp_path: Path, note: Note) -> None:
    async with home(tmp_path, "Lovense Hush,Lovense Edge,Aneros Vivi,Vorze Piston") as house:
        client = await connect(house.url, 4)
        before = {device.name: index for index, device in client.devices.items()}
        await client.start_scanning()
        for _ in range(3):
            lost = time.monotonic_ns()
            for toy in house.air.toys:
                house.air.drop(toy)
            await until(lambda: not client.devices, "no device", SOON_S)
            await until(lambda: len(client.devices) == 4, "all devices again", BACK_S)
            note("four toys lost at once: all of them again in the list", ms_since(lost))
            assert {device.name: index for index, device in client.devices.items()} == before
        await named(client, "Aneros Vivi").run_output(SOME)
        await client.disconnect()


class Pauses:
    """How long this machine got no processor at a time, by its own clock."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            now = time.monotonic()
            self.longest_s, last = max(self.longest_s, now - last), now


async def test_the_newest_of_a_flood_reaches_the_toy(tmp_path: Path, note: Note) -> None:
    """Unless the machine stood still for as long as a lease needs to end: then the relay has
    stopped the toy, and refuses what comes meanwhile."""
    async with home(tmp_path, "Lovense Hush") as house:
        client = await connect(house.url, 1)
        (toy,) = client.devices.values()
        pauses, refused = Pauses(), []

        async def run(level: DeviceOutputCommand) -> None:
            try:
                await toy.run_output(level)
            except ButtplugDeviceError as error:
                refused.append(error)

        since = time.monotonic_ns()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(pauses.watch())
            async with asyncio.TaskGroup() as flood:
                for step in range(200):
                    flood.create_task(
                        run(DeviceOutputCommand(OutputType.VIBRATE, (step % 19 + 1) / 20))
                    )
                    await asyncio.sleep(0.005)
            await run(FULL)
            watching.cancel()
        if refused:
            assert pauses.longest_s > STOOD_STILL_S, refused
            note("longest pause of the whole machine", pauses.longest_s * 1000)
            await until_operation(house.toy, OFF, since, SOON_S)
        else:
            await until_operation(house.toy, ON, since, SOON_S)
        sent = time.monotonic_ns()
        await toy.stop()
        stopped = await until_operation(house.toy, OFF, sent, SOON_S)
        note("client's stop after a flood to the toy", (stopped.t_ns - sent) / 1e6)
        assert house.toy.at_rest
        await client.disconnect()


async def _drive_again(client: ButtplugClient, index: int, toy: Toy, since_ns: int) -> None:
    """Return once a command for the device reaches the toy."""
    async with asyncio.timeout(BACK_S):
        while not any(one.t_ns > since_ns and one.data == b"Vibrate:10;" for one in toy.record):
            device = client.devices.get(index)
            if device is not None:
                try:
                    await device.run_output(SOME)
                except Exception as error:  # noqa: BLE001 - whatever the client makes of it
                    print(f"not yet: {error}")
            await asyncio.sleep(0.2)
