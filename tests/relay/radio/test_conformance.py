"""One contract for every radio: simulated, bleak over Bumble, bleak's BlueZ backend on D-Bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable

import pytest

from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import Connection, RadioError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.models import ToyCharacteristic, ToyModel, ToyResponse
from relay.radio.simulated.toy import Toy
from tests.relay.radio.worlds import WORLDS, World

SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"


def uuid(number: int) -> str:
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


MODEL = ToyModel(
    name="Model",
    protocol="none",
    advertised=("MODEL",),
    services={
        SERVICE: (
            ToyCharacteristic("tx", uuid(0xFFF1)),
            ToyCharacteristic("rx", uuid(0xFFF2), "n"),
            ToyCharacteristic("request", uuid(0xFFF3), "w"),
            ToyCharacteristic("command", uuid(0xFFF4), "W"),
            ToyCharacteristic("model", uuid(0xFFF5), "r"),
        )
    },
    uuids=(SERVICE,),
    manufacturer={620: "ff21"},
    reads={"model": "'model-7"},
    answers=(ToyResponse("tx", "'ask;", "rx", "'answer;"),),
)


def two_toys() -> list[Toy]:
    return [Toy(MODEL, "C0:00:00:00:00:01"), Toy(MODEL, "C0:00:00:00:00:02")]


@pytest.fixture(params=WORLDS, ids=lambda world: world.__name__)
async def world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async with asyncio.timeout(20), request.param(two_toys(), monkeypatch) as made:
        yield made


@pytest.fixture
def toy(world: World) -> Toy:
    return world.toys[0]


@contextlib.asynccontextmanager
async def scanning(world: World) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(world.radio.scan(heard.put_nowait))
    yield heard
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan


async def from_toy(heard: asyncio.Queue[Advertisement], toy: Toy) -> Advertisement:
    while (one := await heard.get()).address != toy.address:
        pass
    return one


def handle(connection: Connection, toy: Toy, role: str) -> int:
    wanted = toy.model.roles[role].uuid
    every = [one for service in connection.services for one in service.characteristics]
    assert len({one.handle for one in every}) == len(every)
    return next(one.handle for one in every if one.uuid == wanted)


async def error_of(doing: Awaitable[object]) -> ErrorCode:
    with pytest.raises(RadioError) as caught:
        await doing
    assert "\n" not in caught.value.text
    return caught.value.code


def reached(toy: Toy, *ops: FaultPoint) -> list[tuple[FaultPoint, str, bytes]]:
    return [(one.op, one.role, one.data) for one in toy.record if one.op in ops]


async def test_a_scan_reports_what_toys_advertise(world: World, toy: Toy) -> None:
    async with scanning(world) as heard:
        seen = await from_toy(heard, toy)
    assert seen.name == "MODEL"
    assert SERVICE in seen.services
    assert seen.manufacturer == {620: b"\xff\x21"}
    assert -128 <= seen.rssi < 0
    assert world.radio.info.on


async def test_a_scan_can_end_and_begin_again(world: World, toy: Toy) -> None:
    for _ in range(3):
        async with scanning(world) as heard:
            await from_toy(heard, toy)


async def test_connecting_works_with_and_without_a_scan(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    await connection.disconnect()
    async with scanning(world) as heard:
        await from_toy(heard, toy)
        connection = await world.radio.connect(toy.address, lambda _: None)
        assert toy.connected
        await from_toy(heard, world.toys[1])


async def test_discovery_finds_services_and_properties(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    service = next(one for one in connection.services if one.uuid == SERVICE)
    found = {one.uuid: set(one.properties) for one in service.characteristics}
    assert found == {
        uuid(0xFFF1): {"write", "write-without-response"},
        uuid(0xFFF2): {"notify"},
        uuid(0xFFF3): {"write"},
        uuid(0xFFF4): {"write-without-response"},
        uuid(0xFFF5): {"read"},
    }
    assert connection.mtu >= 23


async def test_writes_arrive_in_order_and_of_the_kind_asked_for(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    tx = handle(connection, toy, "tx")
    for number in range(20):
        await connection.write(tx, bytes([number]), response=number % 2 == 1)
    await toy.until(lambda toy: len(toy.writes) == 20)
    kinds = (FaultPoint.WRITE_NO_RESPONSE, FaultPoint.WRITE)
    expected = [(kinds[number % 2], "tx", bytes([number])) for number in range(20)]
    assert reached(toy, *kinds) == expected


async def test_a_characteristic_is_written_the_only_way_it_allows(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    await connection.write(handle(connection, toy, "request"), b"1", response=False)
    await connection.write(handle(connection, toy, "command"), b"2", response=True)
    await toy.until(lambda toy: len(toy.writes) == 2)
    assert reached(toy, FaultPoint.WRITE, FaultPoint.WRITE_NO_RESPONSE) == [
        (FaultPoint.WRITE, "request", b"1"),
        (FaultPoint.WRITE_NO_RESPONSE, "command", b"2"),
    ]


async def test_reading(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    assert await connection.read(handle(connection, toy, "model")) == b"model-7"
    assert await error_of(connection.read(handle(connection, toy, "tx"))) is ErrorCode.REFUSED
    assert await error_of(connection.read(60_000)) is ErrorCode.REFUSED
    assert await connection.read(handle(connection, toy, "model")) == b"model-7"


async def test_notifications_come_in_order_while_subscribed(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    rx = handle(connection, toy, "rx")
    assert not toy.notify("rx", b"early")
    await connection.subscribe(rx, heard.put_nowait)
    await connection.write(handle(connection, toy, "tx"), b"ask;", response=False)
    assert await heard.get() == b"answer;"
    for number in range(30):
        assert toy.notify("rx", bytes([number]))
    assert [await heard.get() for _ in range(30)] == [bytes([number]) for number in range(30)]
    await connection.unsubscribe(rx)
    # BlueZ 5.82 does not wait for the toy.
    await toy.until(lambda toy: toy.record[-1].op is FaultPoint.UNSUBSCRIBE)
    assert not toy.notify("rx", b"late")
    assert heard.empty()


async def test_a_lost_link_is_reported_once_and_the_toy_can_come_back(
    world: World, toy: Toy
) -> None:
    for lose in (world.drop, world.vanish):
        gone: asyncio.Queue[str] = asyncio.Queue()
        connection = await world.radio.connect(toy.address, gone.put_nowait)
        tx = handle(connection, toy, "tx")
        lose(toy)
        assert await gone.get()
        assert await error_of(connection.write(tx, b"x", response=True)) is ErrorCode.GONE
        await connection.disconnect()
        if not toy.in_range:
            await world.appear(toy)
        async with scanning(world) as heard:
            await from_toy(heard, toy)
        assert gone.empty()
    connection = await world.radio.connect(toy.address, lambda _: None)
    await connection.write(handle(connection, toy, "tx"), b"back", response=True)
    assert toy.writes == [b"back"]


async def test_a_link_lost_during_a_write_fails_the_write(world: World, toy: Toy) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    connection = await world.radio.connect(toy.address, gone.put_nowait)
    toy.faults.stall({FaultPoint.WRITE})
    write = asyncio.create_task(
        connection.write(handle(connection, toy, "tx"), b"x", response=True)
    )
    # So that the write is on its way: a read on the other toy takes as many turns.
    other = await world.radio.connect(world.toys[1].address, lambda _: None)
    await other.read(handle(other, world.toys[1], "model"))
    assert not write.done()
    world.vanish(toy)
    assert await error_of(write) is ErrorCode.GONE
    assert await gone.get()


async def test_a_failed_write_leaves_the_connection_usable(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    tx = handle(connection, toy, "tx")
    toy.faults.fail(1, ops={FaultPoint.WRITE})
    assert await error_of(connection.write(tx, b"1", response=True)) is not ErrorCode.GONE
    await connection.write(tx, b"2", response=True)
    assert toy.writes == [b"2"]


async def test_a_write_given_up_leaves_the_connection_usable(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    tx = handle(connection, toy, "tx")
    toy.faults.stall({FaultPoint.WRITE})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await connection.write(tx, b"given up", response=True)
    toy.faults.heal()
    await connection.write(tx, b"next", response=False)
    await toy.until(lambda toy: b"next" in toy.writes)


async def test_disconnecting_is_quiet_idempotent_and_frees_the_toy(world: World, toy: Toy) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    connection = await world.radio.connect(toy.address, gone.put_nowait)
    await connection.disconnect()
    await connection.disconnect()
    await toy.until(lambda toy: not toy.connected)
    assert await error_of(connection.read(1)) in (ErrorCode.GONE, ErrorCode.REFUSED)
    async with scanning(world) as heard:
        await from_toy(heard, toy)
    assert gone.empty()


async def test_connecting_to_a_stranger_fails(world: World) -> None:
    connect = world.radio.connect("C0:00:00:00:00:99", lambda _: None)
    assert await error_of(connect) is ErrorCode.NOT_FOUND


async def test_a_toy_is_connected_only_once(world: World, toy: Toy) -> None:
    connection = await world.radio.connect(toy.address, lambda _: None)
    again = world.radio.connect(toy.address, lambda _: None)
    assert await error_of(again) is ErrorCode.BUSY
    await connection.write(handle(connection, toy, "tx"), b"x", response=True)


async def test_a_toy_that_is_looked_for_in_vain_holds_nobody_up(world: World, toy: Toy) -> None:
    async with scanning(world) as heard:
        await from_toy(heard, toy)
    absent = [
        asyncio.create_task(world.radio.connect(address, lambda _: None))
        for address in ("C0:00:00:00:00:98", "C0:00:00:00:00:98", "C0:00:00:00:00:99")
    ]
    await world.radio.connect(toy.address, lambda _: None)
    for one in absent:
        assert await error_of(one) is ErrorCode.NOT_FOUND


async def test_a_connect_given_up_leaves_nothing_connected(world: World, toy: Toy) -> None:
    async with scanning(world) as heard:
        await from_toy(heard, toy)
    world.vanish(toy)
    with contextlib.suppress(RadioError, TimeoutError):
        async with asyncio.timeout(0.2):
            await world.radio.connect(toy.address, lambda _: None)
    await world.appear(toy)
    async with scanning(world) as heard:
        await from_toy(heard, toy)
        assert not toy.connected
    connection = await world.radio.connect(toy.address, lambda _: None)
    await connection.disconnect()


async def test_toys_are_connected_side_by_side(world: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        connecting = [
            tasks.create_task(world.radio.connect(toy.address, lambda _: None))
            for toy in world.toys
        ]
    for toy, task in zip(world.toys, connecting, strict=True):
        connection = task.result()
        await connection.write(handle(connection, toy, "tx"), toy.address.encode(), response=True)
    assert [toy.writes for toy in world.toys] == [[toy.address.encode()] for toy in world.toys]


async def test_closing_lets_every_toy_go(world: World) -> None:
    for toy in world.toys:
        await world.radio.connect(toy.address, lambda _: None)
    await world.radio.close()
    for toy in world.toys:
        await toy.until(lambda toy: not toy.connected)
