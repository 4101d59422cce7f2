"""The contract of radios (test_conformance.py) for toys that hear advertisements, as far as they
can: they answer nothing and cannot be told apart. BlueZ's stand-in is on a real D-Bus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.link.messages import Advertisement, ErrorCode
from relay.peripheral.limits import LAST_STOP_S
from relay.radio.advertised.holder import hold
from relay.radio.advertised.kinds import USUAL, WARNING, AdvertisedKind
from relay.radio.advertised.radio import AdvertisedRadio, AirConnection, start_holder
from relay.radio.base import RadioError, kinds, toys_run_on
from relay.radio.bounds import ADVERTISED_HANGS_S, TX
from relay.radio.passing import outlasting
from relay.supervision.adapters import Adapter, NoBluez
from relay.supervision.supervisor import outlives_its_relay, unsupervised
from tests.doubles.advertising_bluez import AdvertisingBluez, ListeningToy
from tests.relay.radio.advertised.test_bluez import bluez_on_a_bus
from tests.system.processes import until

KIND = AdvertisedKind("lovespouse")
ADDRESS = KIND.link_address


class Holders:
    """Holders in this process, each at its end of a socket pair."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.deaf = False

    async def start(self, kind: AdvertisedKind) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        theirs.setblocking(False)

        async def run() -> None:
            with theirs:
                await hold(theirs, kind.address, kind.adapter, 0)

        self.tasks.append(asyncio.create_task(run()))
        return ours

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AdvertisingBluez]:
    async with asyncio.timeout(30), bluez_on_a_bus(monkeypatch) as made:
        yield made


@pytest.fixture
def toy(bluez: AdvertisingBluez) -> ListeningToy:
    return bluez.toys[0]


@pytest.fixture
async def radio(bluez: AdvertisingBluez) -> AsyncIterator[AdvertisedRadio]:
    holders = Holders()
    made = AdvertisedRadio(KIND, holders.start)
    yield made
    await made.close()
    await holders.end()


@contextlib.asynccontextmanager
async def scanning(radio: AdvertisedRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    yield heard
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan


async def connected(
    radio: AdvertisedRadio, gone: asyncio.Queue[str] | None = None
) -> AirConnection:
    return await radio.connect(ADDRESS, (gone or asyncio.Queue()).put_nowait)


async def error_of(radio: AdvertisedRadio, address: str) -> ErrorCode:
    with pytest.raises(RadioError) as caught:
        await radio.connect(address, lambda _: None)
    assert "\n" not in caught.value.text
    return caught.value.code


async def test_it_is_known_to_the_catalogue_and_a_scan_can_end_and_begin_again(
    radio: AdvertisedRadio,
) -> None:
    for _ in range(3):
        async with scanning(radio) as heard:
            seen = await heard.get()
    assert (seen.address, seen.name) == (ADDRESS, "Love Spouse")
    assert Catalogue.load().match(seen)[0].protocol == "lovespouse"
    two = AdvertisedKind("lovespouse-2").advertisement
    assert Catalogue.load().match(two)[0].protocol == "lovespouse"


async def test_values_are_heard_and_a_stop_again_and_again(
    radio: AdvertisedRadio, toy: ListeningToy
) -> None:
    connection = await connected(radio)
    assert toy.record == []
    for level in (1, 3, 2):
        await connection.write(TX, bytes([level]), response=True)
        await until(lambda: toy.levels.get(0) == level, "the level", 5)  # noqa: B023
    await connection.write(TX, b"\x00", response=False)
    assert not toy.running()
    assert [c for _, c in toy.record].count(0) >= 2
    await until(lambda: [c for _, c in toy.record].count(0) >= 20, "twenty of them", 10)


async def test_two_motors_are_heard_by_turns(radio: AdvertisedRadio, toy: ListeningToy) -> None:
    connection = await connected(radio)
    await connection.write(TX, b"\x31\x43", response=False)
    await until(lambda: toy.levels == {0x30: 1, 0x40: 3}, "both motors", 5)
    await connection.write(TX, b"\x00\x30\x40", response=False)
    assert not toy.running()


async def test_toys_of_another_address_hear_nothing(
    radio: AdvertisedRadio, bluez: AdvertisingBluez
) -> None:
    other = ListeningToy(bytes.fromhex("77624B9665"))
    bluez.toys.append(other)
    connection = await connected(radio)
    await connection.write(TX, b"\x03", response=False)
    assert other.record == []


async def test_letting_go_stops_quietly_frees_it_and_ends_what_advertises(
    radio: AdvertisedRadio, toy: ListeningToy, bluez: AdvertisingBluez
) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    connection = await connected(radio, gone)
    assert radio.info.slots == 0
    await connection.write(TX, b"\x03", response=False)
    await connection.disconnect()
    await connection.disconnect()
    await until(lambda: not toy.running(), "the stop", 5)
    with pytest.raises(RadioError) as caught:
        await connection.write(TX, b"\x03", response=False)
    assert caught.value.code is ErrorCode.GONE
    again = await connected(radio, gone)
    await again.write(TX, b"\x01", response=False)
    assert radio.info.slots == 0
    await radio.close()
    await until(lambda: not bluez.on_air, "silence", 10)
    assert gone.empty()
    assert not toy.running()


async def test_it_is_connected_once_and_strangers_are_not_there(radio: AdvertisedRadio) -> None:
    assert await error_of(radio, "C0:00:00:00:00:99") is ErrorCode.NOT_FOUND
    connection = await connected(radio)
    assert await error_of(radio, ADDRESS) is ErrorCode.BUSY
    async with scanning(radio) as heard:
        await asyncio.sleep(0)
        assert heard.empty()
    await connection.write(TX, b"\x00", response=True)


async def test_what_it_cannot_do_is_refused_and_leaves_it_usable(radio: AdvertisedRadio) -> None:
    connection = await connected(radio)
    (service,) = connection.services
    (tx,) = service.characteristics
    assert (tx.handle, connection.mtu) == (TX, 23)
    for doing in (
        connection.read(TX),
        connection.subscribe(TX, lambda _: None),
        connection.unsubscribe(TX),
        connection.write(2, b"\x00", response=False),
        connection.write(TX, b"", response=False),
        connection.write(TX, bytes(9), response=False),
    ):
        with pytest.raises(RadioError) as caught:
            await doing
        assert caught.value.code is ErrorCode.REFUSED
    await connection.write(TX, b"\x00", response=False)


async def test_an_adapter_that_is_pulled_is_told_once_and_comes_back(
    radio: AdvertisedRadio, toy: ListeningToy, bluez: AdvertisingBluez
) -> None:
    for _ in range(2):
        gone: asyncio.Queue[str] = asyncio.Queue()
        connection = await connected(radio, gone)
        await connection.write(TX, b"\x02", response=False)
        bluez.pull()
        assert await gone.get() == "The Bluetooth adapter was unplugged"
        with pytest.raises(RadioError) as caught:
            await connection.write(TX, b"\x00", response=False)
        assert caught.value.code is ErrorCode.GONE
        assert await error_of(radio, ADDRESS) is ErrorCode.GONE
        assert toy.running()
        bluez.plug()
        connection = await connected(radio, gone)
        await connection.write(TX, b"\x00", response=False)
        assert not toy.running()
        await connection.disconnect()
        assert gone.empty()


async def test_a_stop_that_is_given_up_is_on_its_way_and_the_next_write_counts(
    radio: AdvertisedRadio, toy: ListeningToy, bluez: AdvertisingBluez
) -> None:
    connection = await connected(radio)
    bluez.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await connection.write(TX, b"\x03", response=False)
    bluez.heal()
    await connection.write(TX, b"\x00", response=False)
    assert not toy.running()


async def test_a_value_is_not_taken_before_it_is_on_the_air(
    radio: AdvertisedRadio, toy: ListeningToy, bluez: AdvertisingBluez
) -> None:
    connection = await connected(radio)
    bluez.hang()
    write = asyncio.create_task(connection.write(TX, b"\x01", response=False))
    await asyncio.sleep(0.1)
    assert not write.done()
    bluez.heal()
    await write
    assert toy.running()


async def test_its_state_is_known_before_the_first_scan(bluez: AdvertisingBluez) -> None:
    radio = AdvertisedRadio(KIND)
    assert (radio.info.kind, radio.info.name, radio.info.on) == ("advertised", "Love Spouse", True)
    watching = asyncio.create_task(radio.watch())
    bluez.pull()
    await until(lambda: "plug it in" in radio.info.text, "no adapter", 5)
    assert not radio.info.on
    bluez.plug()
    await until(lambda: radio.info.on, "the adapter", 5)
    bluez.power(on=False)
    await until(lambda: "hci0 is off" in radio.info.text, "an adapter that is off", 5)
    watching.cancel()


def test_an_adapter_that_cannot_advertise_or_is_another_says_so() -> None:
    radio = AdvertisedRadio(AdvertisedKind("lovespouse", USUAL, "hci1"))
    radio.tell([Adapter("hci0", powered=True, advertises=True)])
    assert radio.info.text == "There is no Bluetooth adapter hci1: plug it in."
    radio.tell([Adapter("hci1", powered=True)])
    assert radio.info.text == "hci1 cannot advertise: use another adapter."
    radio.tell(NoBluez("BlueZ is not running"))
    assert radio.info.text == "BlueZ is not running"
    radio.tell([Adapter("hci1", powered=True, advertises=True)])
    assert radio.info.on


async def test_its_owner_is_warned_when_it_starts(
    bluez: AdvertisingBluez, caplog: pytest.LogCaptureFixture
) -> None:
    radio = AdvertisedRadio(KIND)
    watching = asyncio.create_task(radio.watch())
    await until(lambda: WARNING in caplog.text, "the warning", 5)
    assert "EVERY such toy in range" in caplog.text
    watching.cancel()


def test_toys_run_on_and_are_stopped_by_what_advertises() -> None:
    radio = AdvertisedRadio(KIND)
    assert kinds(radio) == {"advertised"}
    assert toys_run_on(radio)
    assert outlives_its_relay(radio)
    assert unsupervised(radio) == ""


async def test_nothing_of_it_is_handed_to_the_supervisor(radio: AdvertisedRadio) -> None:
    path = outlasting(await connected(radio))
    assert path is not None
    assert (path.descriptor(), path.on_wire(b"\x00")) == (None, ())


async def test_the_real_process_outlives_us_and_one_that_hangs_is_ended(
    bluez: AdvertisingBluez, toy: ListeningToy
) -> None:
    radio = AdvertisedRadio(KIND, start_holder)
    gone: asyncio.Queue[str] = asyncio.Queue()
    connection = await connected(radio, gone)
    await connection.write(TX, b"\x03", response=False)
    os.kill(connection._process, signal.SIGSTOP)
    try:
        # As long as the last stop of a relay that ends.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LAST_STOP_S):
                await connection.write(TX, b"\x00", response=False)
    finally:
        await connection.disconnect()
    await until(lambda: not bluez.on_air, "an end of the level", 5)
    connection = await connected(radio, gone)
    await connection.write(TX, b"\x00", response=False)
    assert not toy.running()
    await connection.write(TX, b"\x02", response=False)
    os.kill(connection._process, signal.SIGKILL)
    assert await gone.get() == "what advertises has ended"
    connection = await connected(radio)
    await connection.write(TX, b"\x02", response=False)
    await radio.close()
    await until(lambda: not toy.running() and not bluez.on_air, "its stop, and silence", 10)


async def test_one_that_waits_for_bluez_is_left_to_bring_the_stop_there(
    bluez: AdvertisingBluez, toy: ListeningToy
) -> None:
    radio = AdvertisedRadio(KIND, start_holder)
    connection = await connected(radio)
    await connection.write(TX, b"\x03", response=False)
    bluez.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await connection.write(TX, b"\x00", response=False)
    await connection.disconnect()
    assert toy.running()
    bluez.heal()
    await until(lambda: not toy.running(), "the stop", 10)
    await until(lambda: not bluez.on_air, "silence", 10)


async def test_attempts_in_a_row_do_not_make_a_holder_that_hangs_look_fresh(
    bluez: AdvertisingBluez, toy: ListeningToy
) -> None:
    radio = AdvertisedRadio(KIND, start_holder)
    connection = await connected(radio)
    await connection.write(TX, b"\x03", response=False)
    os.kill(connection._process, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.write(TX, b"\x00", response=False)
    await connection.disconnect()
    await until(lambda: not bluez.on_air, "an end of the level", 5)


async def test_a_relay_that_stood_still_itself_ends_no_holder(
    bluez: AdvertisingBluez, toy: ListeningToy
) -> None:
    radio = AdvertisedRadio(KIND, start_holder)
    connection = await connected(radio)
    await connection.write(TX, b"\x03", response=False)
    stop = asyncio.create_task(connection.write(TX, b"\x00", response=False))
    await asyncio.sleep(0)
    time.sleep(ADVERTISED_HANGS_S + 0.1)  # noqa: ASYNC251  # a loop that stands still
    stop.cancel()
    process = connection._process
    await connection.disconnect()
    os.kill(process, 0)  # it is there
    await until(lambda: not toy.running() and not bluez.on_air, "its stop, and silence", 10)
