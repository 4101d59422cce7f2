"""Inputs end with the last who listens, however it goes; the device is told once each way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from forwarder.buttplug.messages import InputCmd, InputCommand, InputType, StopCmd
from forwarder.errors import HardwareError, UnknownDevice
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.driver import RecordingDriver, device
from tests.forwarder.hub.test_hub import FakeClient, output, pressure
from tests.forwarder.test_embedding import House as WholeHouse
from tests.forwarder.test_embedding import live

SUBSCRIBE, UNSUBSCRIBE = InputCommand.SUBSCRIBE, InputCommand.UNSUBSCRIBE
BEGIN, END = ("subscribe", 3, "Pressure"), ("unsubscribe", 3, "Pressure")

Leaves = Callable[[Hub, FakeClient], object]
WAYS: dict[str, Leaves] = {
    "unsubscribes": lambda hub, who: hub.unsubscribe(who, pressure(0, UNSUBSCRIBE)),
    "leaves": lambda hub, who: hub.leave(who),
    "stops everything": lambda hub, who: hub.stop(who, StopCmd(id=1)),
    "stops the device": lambda hub, who: hub.stop(who, StopCmd(id=1, device_index=0)),
    "stops the feature": lambda hub, who: hub.stop(
        who, StopCmd(id=1, device_index=0, feature_index=3)
    ),
    "stops inputs": lambda hub, who: hub.stop(who, StopCmd(id=1, outputs=False)),
}


class House:
    def __init__(self) -> None:
        self.hub = Hub(Store(None))
        self.driver = RecordingDriver()
        self.toy = device(self.driver)
        self.hub.add(self.toy)

    def client(self) -> FakeClient:
        client = FakeClient()
        self.hub.join(client)
        return client

    @property
    def changes(self) -> list[object]:
        return [call for call in self.driver.calls if call in (BEGIN, END)]


@pytest.mark.parametrize("way", WAYS)
async def test_the_last_one_that_goes_ends_it(way: str) -> None:
    house = House()
    first, last = house.client(), house.client()
    for client in (first, last):
        await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    said = house.driver.listeners[3, InputType.PRESSURE]
    WAYS[way](house.hub, first)
    assert house.changes == [BEGIN]
    said(5)
    assert (first.told, last.told) == ([], [(0, 3, InputType.PRESSURE, 5)])
    WAYS[way](house.hub, last)
    assert house.changes == [BEGIN, END]
    said(6)
    assert len(last.told) == 1
    # Nothing is ended twice, and it can begin anew.
    WAYS[way](house.hub, last)
    await house.hub.subscribe(first, pressure(0, SUBSCRIBE))
    assert house.changes == [BEGIN, END, BEGIN]


@pytest.mark.parametrize(
    "command",
    [
        StopCmd(id=1, inputs=False),
        StopCmd(id=1, device_index=0, feature_index=0),
        StopCmd(id=1, device_index=0, feature_index=1, outputs=False),
    ],
)
async def test_a_stop_of_something_else_ends_nothing(command: StopCmd) -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.stop(client, command)
    house.hub.stop(house.client(), StopCmd(id=1))
    assert house.changes == [BEGIN]


async def test_stops_are_ahead_of_what_ends_inputs() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.output(client, output(0, 7))
    house.hub.leave(client)
    assert house.driver.calls[-2:] == [("stop", None), END]


async def test_who_leaves_before_it_has_begun_leaves_nothing_on() -> None:
    house = House()
    client = house.client()
    house.driver.hold = True
    waiting = house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.leave(client)
    assert house.changes == [BEGIN, END]
    house.driver.finish()
    await waiting


async def test_an_end_that_fails_does_not_keep_anyone_from_leaving() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.driver.broken = True
    house.hub.leave(client)
    await asyncio.sleep(0)
    assert house.changes == [BEGIN, END]
    house.driver.broken = False
    await house.hub.subscribe(house.client(), pressure(0, SUBSCRIBE))
    assert house.changes == [BEGIN, END, BEGIN]


async def test_who_unsubscribes_hears_that_it_failed() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.driver.broken = True
    ending = house.hub.unsubscribe(client, pressure(0, UNSUBSCRIBE))
    assert ending is not None
    with pytest.raises(HardwareError):
        await ending


async def test_a_device_that_comes_in_by_another_way_is_told_there() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.add(device(RecordingDriver()))
    assert house.changes == [BEGIN, END]


async def test_features_that_changed_meanwhile_are_ended_too() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.toy.replace_features([])
    house.hub.leave(client)
    assert house.changes == [BEGIN, END]


async def test_of_a_device_that_is_gone_nobody_hears() -> None:
    house = House()
    client = house.client()
    waiting = house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.remove(house.toy, "gone")
    with pytest.raises(UnknownDevice):
        await waiting
    with pytest.raises(UnknownDevice):
        house.hub.unsubscribe(client, pressure(0, UNSUBSCRIBE))


# --- down to the toy ------------------------------------------------------------------------------

# Of feature 0 and 1, which share a characteristic.
SQUEEZE = {
    feature: InputCmd(
        id=1, device_index=0, feature_index=feature, type=InputType.PRESSURE, command=SUBSCRIBE
    )
    for feature in (0, 1)
}


def changes(toy: Toy) -> list[FaultPoint]:
    return [
        each.op for each in toy.record if each.op in (FaultPoint.SUBSCRIBE, FaultPoint.UNSUBSCRIBE)
    ]


def on_a_kgoal(scene: Callable[[WholeHouse, Toy, FakeClient], Awaitable[None]]) -> None:
    (toy,) = toys_by_name("KGoal Boost")

    async def whole(house: WholeHouse) -> None:
        await house.until(lambda: bool(house.hub.devices), 20)
        client = FakeClient()
        house.hub.join(client)
        for command in SQUEEZE.values():
            await house.hub.subscribe(client, command)
        assert changes(toy) == [FaultPoint.SUBSCRIBE]
        await scene(house, toy, client)

    live(whole, SimulatedRadio([toy]))


def test_the_radio_is_told_when_the_last_input_of_a_characteristic_ends() -> None:
    async def scene(house: WholeHouse, toy: Toy, client: FakeClient) -> None:
        ending = house.hub.unsubscribe(client, replace(SQUEEZE[0], command=UNSUBSCRIBE))
        assert ending is None
        await asyncio.sleep(1)
        assert changes(toy) == [FaultPoint.SUBSCRIBE]
        house.hub.leave(client)
        await asyncio.sleep(1)
        assert changes(toy) == [FaultPoint.SUBSCRIBE, FaultPoint.UNSUBSCRIBE]

    on_a_kgoal(scene)


def test_a_link_that_broke_ends_nothing_and_what_ended_meanwhile_ends_when_it_is_back() -> None:
    async def scene(house: WholeHouse, toy: Toy, client: FakeClient) -> None:
        for leaves in (False, True):
            house.door.clear()
            house.loop.stand_still(15)
            await house.until(lambda: not house.linked(), 5)
            if leaves:
                house.hub.leave(client)
            house.door.set()
            await house.until(house.linked, 20)
            await asyncio.sleep(2)
            assert list(house.hub.devices) == [0]
            assert changes(toy) == [FaultPoint.SUBSCRIBE, FaultPoint.UNSUBSCRIBE][: 1 + leaves]

    on_a_kgoal(scene)


async def test_a_stop_of_one_device_leaves_the_inputs_of_another() -> None:
    house = House()
    other = RecordingDriver()
    house.hub.add(device(other, address="B"))
    client = house.client()
    for index in (0, 1):
        await house.hub.subscribe(client, pressure(index, SUBSCRIBE))
    house.hub.stop(client, StopCmd(id=1, device_index=0))
    assert house.changes == [BEGIN, END]
    assert other.calls == [BEGIN]


async def test_of_a_device_that_is_gone_its_number_is_named() -> None:
    house = House()
    house.hub.add(device(address="B"))
    client = house.client()
    house.driver.hold = True
    waiting = house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.hub.remove(house.toy, "gone")
    house.driver.finish()
    with pytest.raises(UnknownDevice, match="0"):
        await waiting


async def test_a_beginning_that_was_cancelled_is_a_device_that_left() -> None:
    house = House()
    client = house.client()
    house.driver.hold = True
    waiting = house.hub.subscribe(client, pressure(0, SUBSCRIBE))
    house.driver.waiting[0].cancel()
    with pytest.raises(UnknownDevice):
        await waiting
