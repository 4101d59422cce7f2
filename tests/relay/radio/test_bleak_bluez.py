"""What BlueZ does to us, and that BleakRadio survives it: bleak's real backend, a fake BlueZ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.bleak_radio import BleakRadio
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.toy import Toy
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_daemon import BluezError, FakeBluez
from tests.doubles.fake_bluez_process import require_dbus_daemon


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    require_dbus_daemon()
    async with asyncio.timeout(20), private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBluez]:
    async with FakeBluez.on(bus, toys_by_name("Lovense Hush,Aneros Vivi")) as made:
        yield made


@pytest.fixture
def toy(bluez: FakeBluez) -> Toy:
    return bluez.toys[0]


def tx(toy: Toy) -> int:
    return next(handle for handle, role in toy.handles.items() if role == "tx")


def count(bluez: FakeBluez, member: str) -> int:
    return sum(called == member for _, called in bluez.calls)


async def connect(radio: BleakRadio, toy: Toy) -> None:
    gone: list[str] = []
    connection = await radio.connect(toy.address, gone.append)
    await connection.write(tx(toy), b"Vibrate:1;", response=False)
    assert toy.writes[-1:] == [b"Vibrate:1;"]
    assert gone == []
    await connection.disconnect()


async def failing_scan(radio: BleakRadio) -> RadioError:
    with pytest.raises(RadioError) as caught:
        await radio.scan(lambda _: None)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        BluezError("Failed", "le-connection-abort-by-remote"),
        BluezError("Failed", "Software caused connection abort"),
        BluezError("Failed", "le-connection-timeout"),
        BluezError("InProgress", "In Progress"),
    ],
    ids=lambda error: error.text,
)
async def test_a_connect_that_fails_in_passing_is_tried_again(
    bluez: FakeBluez, toy: Toy, error: BluezError
) -> None:
    bluez.connect_errors = [error]
    await connect(BleakRadio(), toy)
    assert count(bluez, "Connect") == 2


async def test_a_connect_is_not_tried_for_ever(bluez: FakeBluez, toy: Toy) -> None:
    bluez.connect_errors = [BluezError("Failed", "le-connection-abort-by-remote")] * 9
    with pytest.raises(RadioError) as caught:
        await connect(BleakRadio(), toy)
    assert caught.value.code is ErrorCode.GONE
    assert len(bluez.connect_errors) == 6


async def test_a_connect_that_will_fail_again_is_not_repeated(bluez: FakeBluez, toy: Toy) -> None:
    bluez.connect_errors = [BluezError("NotSupported", "Operation is not supported")] * 2
    with pytest.raises(RadioError) as caught:
        await connect(BleakRadio(), toy)
    assert caught.value.code is ErrorCode.REFUSED
    assert len(bluez.connect_errors) == 1


async def test_a_connection_lost_during_discovery_is_made_anew(bluez: FakeBluez, toy: Toy) -> None:
    bluez.lost_discoveries = 2
    await connect(BleakRadio(), toy)
    assert count(bluez, "Connect") == 3


async def test_a_connection_without_services_is_made_anew(bluez: FakeBluez, toy: Toy) -> None:
    bluez.empty_discoveries = 1
    await connect(BleakRadio(), toy)
    assert count(bluez, "Connect") == 2


async def test_a_device_that_bluez_forgot_is_looked_for_again(bluez: FakeBluez, toy: Toy) -> None:
    radio = BleakRadio()
    await connect(radio, toy)
    bluez.forget(toy)
    await connect(radio, toy)


async def test_busy_bluez_is_waited_for(bluez: FakeBluez, toy: Toy) -> None:
    connection = await BleakRadio().connect(toy.address, lambda _: None)
    toy.faults.latency_s = 0.05
    # Two at once: BlueZ refuses the second with InProgress, which bleak repeats.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write(tx(toy), b"1", response=False))
        tasks.create_task(connection.write(tx(toy), b"2", response=False))
    assert sorted(toy.writes) == [b"1", b"2"]


async def test_nothing_scans_while_a_connection_is_made(bluez: FakeBluez, toy: Toy) -> None:
    radio = BleakRadio(pause_scan=True)
    heard = asyncio.Event()
    scan = asyncio.create_task(radio.scan(lambda _: heard.set()))
    await heard.wait()
    assert bluez.discovering
    toy.faults.stall()
    connecting = asyncio.create_task(radio.connect(toy.address, lambda _: None))
    await until(lambda: count(bluez, "Connect") == 1)
    assert not bluez.discovering
    toy.faults.heal()
    await connecting
    await until(lambda: bluez.discovering)
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan
    assert not bluez.discovering


async def test_a_toy_that_lies_still_is_reported_again_and_again(
    bluez: FakeBluez, toy: Toy
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    scan = asyncio.create_task(BleakRadio().scan(lambda one: heard.put_nowait(one.address)))
    counted = 0
    while counted < 5:
        counted += await heard.get() == toy.address
    scan.cancel()


async def test_after_a_loss_the_scan_begins_anew(bluez: FakeBluez, toy: Toy) -> None:
    # Adapters report each address once per scan: what was heard before it was connected, never.
    radio = BleakRadio(scan_silence_s=100, renew_scan_s=0.2)
    scan = asyncio.create_task(radio.scan(lambda _: None))
    await until(lambda: bluez.discovering)
    gone = asyncio.Event()
    await radio.connect(toy.address, lambda _: gone.set())
    await until(lambda: bluez.discovering)
    before = count(bluez, "StartDiscovery")
    toy.drop()
    await gone.wait()
    assert count(bluez, "StartDiscovery") == before
    await until(lambda: count(bluez, "StartDiscovery") == before + 1)
    # Once, and it can be connected while the scan goes on.
    await connect(radio, toy)
    scan.cancel()


async def test_one_that_was_lost_is_listened_for_and_not_asked_for(
    bluez: FakeBluez, toy: Toy
) -> None:
    radio = BleakRadio(find_s=0.3)
    gone = asyncio.Event()
    await radio.connect(toy.address, lambda _: gone.set())
    toy.vanish()
    await gone.wait()
    asked = count(bluez, "Connect")
    with pytest.raises(RadioError) as error:
        await radio.connect(toy.address, lambda _: None)
    assert error.value.code is ErrorCode.NOT_FOUND
    assert count(bluez, "Connect") == asked
    toy.appear()
    await connect(radio, toy)


async def test_a_scanner_that_fell_silent_is_started_anew(bluez: FakeBluez, toy: Toy) -> None:
    radio = BleakRadio(scan_silence_s=0.2)
    heard: asyncio.Queue[object] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    await heard.get()
    bluez.deafen()
    await until(lambda: count(bluez, "StartDiscovery") == 2)
    while not heard.empty():
        heard.get_nowait()
    await heard.get()
    scan.cancel()


async def test_a_radio_that_is_switched_off_says_what_to_do_and_recovers(
    bluez: FakeBluez, toy: Toy
) -> None:
    radio = BleakRadio(scan_silence_s=0.2)
    assert (await radio.probe()).on
    bluez.power(on=False)
    error = await failing_scan(radio)
    assert error.code is ErrorCode.RADIO
    assert not radio.info.on
    assert "Switch it on" in radio.info.text
    bluez.power(on=True)
    while not (await radio.probe()).on:
        pass
    assert radio.info.text == ""
    await connect(radio, toy)


async def test_switching_the_radio_off_ends_connections_and_soon_the_scan(
    bluez: FakeBluez, toy: Toy
) -> None:
    radio = BleakRadio(scan_silence_s=0.2)
    gone: asyncio.Queue[str] = asyncio.Queue()
    await radio.connect(toy.address, gone.put_nowait)
    scan = asyncio.create_task(failing_scan(radio))
    await until(lambda: bluez.discovering)
    bluez.power(on=False)
    assert await gone.get()
    assert (await scan).code is ErrorCode.RADIO


async def test_an_adapter_that_does_not_exist_is_named(bluez: FakeBluez) -> None:
    info = await BleakRadio("hci7").probe()
    assert not info.on
    assert "hci7" in info.text


async def test_without_bluez_the_user_is_told_to_start_it(bus: str) -> None:
    info = await BleakRadio().probe()
    assert not info.on
    assert "systemctl" in info.text


async def test_without_a_bus_the_user_is_told_to_start_bluez(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    radio = BleakRadio()
    assert "systemctl" in (await radio.probe()).text
    with pytest.raises(RadioError) as caught:
        await radio.connect("C0:00:00:00:00:01", lambda _: None)
    assert caught.value.code is ErrorCode.RADIO


async def until(holds: Callable[[], bool]) -> None:
    """Let everything else run until `holds`; the fixture sets the deadline."""
    while not holds():  # noqa: ASYNC110 - what is awaited has no event
        await asyncio.sleep(0)


async def test_a_toy_that_hangs_while_connecting_does_not_starve_the_one_on_the_table(
    bluez: FakeBluez,
) -> None:
    hanging, healthy = bluez.toys
    radio = BleakRadio(crowded_s=0.5)
    heard: set[str] = set()
    async with asyncio.TaskGroup() as tasks:
        scanning = tasks.create_task(radio.scan(lambda found: heard.add(found.address)))
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        hanging.faults.latency_of[FaultPoint.CONNECT] = 60
        lost = tasks.create_task(_connects(radio, hanging))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            await connect(radio, healthy)
        # And again, with both there at once: the one that failed comes second.
        async with asyncio.timeout(5):
            await connect(radio, healthy)
        for task in (lost, scanning):
            task.cancel()


async def _connects(radio: BleakRadio, toy: Toy) -> None:
    """Try for ever, as a hub does."""
    while True:
        with contextlib.suppress(RadioError):
            await radio.connect(toy.address, lambda why: None)
        await asyncio.sleep(0.01)
