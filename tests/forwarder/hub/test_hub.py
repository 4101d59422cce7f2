"""Several clients, several devices: who may do what, and what is left when somebody goes."""

from __future__ import annotations

import asyncio
import gc

import pytest
from msgspec import UNSET, UnsetType

from forwarder.buttplug.messages import (
    InputCmd,
    InputCommand,
    InputType,
    OutputCmd,
    OutputType,
    OutputValue,
    StopCmd,
)
from forwarder.devices.driver import Outcome
from forwarder.errors import (
    Denied,
    DeviceError,
    HardwareError,
    HeldByPerson,
    UnknownDevice,
    UnknownFeature,
)
from forwarder.hub.bounds import MAX_HUBS
from forwarder.hub.device import Device, Identity
from forwarder.hub.hub import ClientGrant, Hub
from forwarder.hub.store import Store
from forwarder.sources.base import HeldBack
from forwarder.stop.hold import Hold, HoldMode, HoldState, Wish
from relay.link.messages import ErrorCode
from tests.doubles.driver import STROKER, RecordingDriver, device


class FakeClient:
    """Writes down what the hub tells it."""

    version = 4
    hub_id: str | None = None

    def __init__(self, name: str = "app", grant: ClientGrant | None = None) -> None:
        self.name = name
        self.grant = grant
        self.told: list[object] = []

    def devices_changed(self) -> None:
        self.told.append("devices")

    def scanning_finished(self) -> None:
        self.told.append("finished")

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        self.told.append((device.index, feature, kind, value))

    def trouble(self, error: DeviceError) -> None:
        self.told.append(str(error))

    def dismiss(self, reason: str) -> None:
        self.told.append(reason)


class FakeSource:
    name = "fake"

    def __init__(self) -> None:
        self.scans: list[bool] = []

    def scan(self, on: bool) -> None:
        self.scans.append(on)

    def hold_changed(self) -> None:
        pass

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return ()


class House:
    """A hub with two toys."""

    def __init__(self) -> None:
        self.hub = Hub(Store(None))
        self.drivers = [RecordingDriver(), RecordingDriver()]
        self.toys = [device(driver, address=f"A{n}") for n, driver in enumerate(self.drivers)]
        self.source = FakeSource()
        self.hub.sources.append(self.source)
        for toy in self.toys:
            self.hub.add(toy)

    def client(self, name: str = "app", grant: ClientGrant | None = None) -> FakeClient:
        client = FakeClient(name, grant)
        self.hub.join(client)
        return client


def output(index: int, value: int, feature: int = 0) -> OutputCmd:
    kind = OutputType.VIBRATE if feature == 0 else OutputType.ROTATE
    command = {kind: OutputValue(value=value)}
    return OutputCmd(id=1, device_index=index, feature_index=feature, command=command)


def stop(index: int | UnsetType = UNSET, feature: int | UnsetType = UNSET) -> StopCmd:
    return StopCmd(id=1, device_index=index, feature_index=feature)


def pressure(index: int, command: InputCommand) -> InputCmd:
    return InputCmd(
        id=1, device_index=index, feature_index=3, type=InputType.PRESSURE, command=command
    )


async def test_devices_get_indexes_and_clients_hear_of_it() -> None:
    house = House()
    client = house.client()
    assert list(house.hub.visible(client)) == [0, 1]
    house.hub.remove(house.toys[0], "gone")
    assert list(house.hub.visible(client)) == [1]
    house.hub.add(house.toys[0])
    assert list(house.hub.visible(client)) == [0, 1]
    assert client.told == ["devices", "devices"]


async def test_the_list_is_made_anew_when_a_device_goes_and_only_then() -> None:
    it = House()
    shown = it.hub.visible(it.client())
    first = shown.snapshot()
    assert list(first) == [0, 1]
    assert shown.snapshot() is first
    it.hub.remove(it.toys[0], "its battery is empty")
    assert list(it.hub.visible(it.client()).snapshot()) == [1]


async def test_to_another_hub_a_device_that_is_gone_is_not_there() -> None:
    it = House()
    hub = it.client()
    hub.hub_id = "another"
    shown = it.hub.visible(hub)
    assert list(shown) == [0, 1]
    it.hub.remove(it.toys[1], "gone")
    with pytest.raises(KeyError):
        shown[1]


async def test_after_the_end_nobody_is_sent_another_list() -> None:
    it = House()
    told: list[int] = []
    it.hub.news.want(lambda: told.append(1))
    it.hub.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not told


async def test_an_output_reaches_its_device_only() -> None:
    house = House()
    house.hub.output(house.client(), output(1, 7))
    assert house.drivers[0].calls == []
    assert house.drivers[1].calls == [("output", 0, "Vibrate", 7, 0)]


async def test_an_unknown_device_is_refused() -> None:
    house = House()
    client = house.client()
    for index in (2, 4_294_967_295):
        with pytest.raises(UnknownDevice, match=str(index)):
            house.hub.output(client, output(index, 1))
        with pytest.raises(UnknownDevice):
            house.hub.stop(client, stop(index))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (stop(), ([("stop", None)], [("stop", None)])),
        (stop(0), ([("stop", None)], [])),
        (stop(0, 1), ([("stop", (1,))], [])),
        (StopCmd(id=1, feature_index=1), ([("stop", None)], [("stop", None)])),
        (StopCmd(id=1, outputs=False), ([], [])),
    ],
)
async def test_a_stop_has_exactly_its_scope(
    command: StopCmd, expected: tuple[list[object], list[object]]
) -> None:
    house = House()
    house.hub.stop(house.client(), command)
    assert (house.drivers[0].calls, house.drivers[1].calls) == expected


async def test_a_stop_of_an_unknown_feature_stops_the_device() -> None:
    house = House()
    house.hub.stop(house.client(), stop(0, 9))
    assert [driver.calls for driver in house.drivers] == [[("stop", None)], []]


async def test_one_that_cannot_be_stopped_keeps_no_other_running() -> None:
    house = House()

    def refuse(features: object) -> Outcome:
        raise HardwareError(ErrorCode.REFUSED, "it has no stop")

    house.drivers[0].stop = refuse  # type: ignore[method-assign]
    client = house.client()
    for index in (0, 1):
        house.hub.output(client, output(index, 7))
    failed, done = house.hub.stop(client, stop())
    with pytest.raises(HardwareError, match="no stop"):
        await failed
    await done
    house.hub.output(client, output(1, 8))
    house.hub.leave(client)
    assert house.drivers[1].calls[-1] == ("stop", None)


async def test_anyone_may_stop_what_another_drives() -> None:
    house = House()
    driving, watching = house.client("driver"), house.client("watcher")
    house.hub.output(driving, output(0, 7))
    house.hub.stop(watching, stop(0))
    assert house.drivers[0].calls[-1] == ("stop", None)
    # It is nobody's now, so the driver's end changes nothing.
    house.hub.leave(driving)
    assert len(house.drivers[0].calls) == 2


async def test_who_leaves_stops_only_what_it_drove_last() -> None:
    house = House()
    first, second = house.client("first"), house.client("second")
    house.hub.output(first, output(0, 7))
    house.hub.output(first, output(0, 7, feature=1))
    house.hub.output(second, output(0, 3))
    house.hub.output(second, output(1, 5))
    assert house.hub.owners(house.toys[0]) == {0: second, 1: first}
    assert house.hub.driven(first) == [(house.toys[0], {1})]
    assert house.hub.driven(second) == [(toy, {0}) for toy in house.toys]
    assert house.hub.driven(FakeClient()) == []
    house.hub.leave(first)
    assert house.drivers[1].calls == [("output", 0, "Vibrate", 5, 0)]
    house.hub.leave(second)
    assert house.drivers[0].calls[-2:] == [("stop", (1,)), ("stop", None)]
    assert house.drivers[1].calls[-1] == ("stop", None)


async def test_a_command_that_was_refused_gives_no_ownership() -> None:
    house = House()
    first, second = house.client("first"), house.client("second")
    house.hub.output(first, output(0, 7))
    with pytest.raises(DeviceError):
        house.hub.output(second, output(0, 99))
    assert house.hub.owners(house.toys[0]) == {0: first}


async def test_leaving_twice_stops_once() -> None:
    house = House()
    client = house.client()
    house.hub.output(client, output(0, 7))
    assert len(house.hub.leave(client)) == 1
    assert house.hub.leave(client) == []


async def test_a_stop_that_fails_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.drivers[0].broken = True
    (outcome,) = house.hub.stop(house.client(), stop(0))
    with pytest.raises(HardwareError):
        await outcome
    await asyncio.sleep(0)
    assert "STOP of Lovense Nora did not reach it" in caplog.text


async def test_when_the_relay_stops_a_device_its_driver_is_told() -> None:
    house = House()
    driving, watching = house.client("driver"), house.client("watcher")
    house.hub.output(driving, output(0, 7))
    house.hub.stopped(house.toys[0], "the wearer paused")
    assert driving.told == ["Lovense Nora was stopped: the wearer paused."]
    assert watching.told == []


async def test_scanning_goes_on_while_anyone_scans() -> None:
    house = House()
    first, second = house.client(), house.client()
    house.hub.start_scanning(first)
    house.hub.start_scanning(first)
    house.hub.start_scanning(second)
    assert house.source.scans == [True]
    house.hub.stop_scanning(first)
    assert house.source.scans == [True]
    house.hub.leave(second)
    assert house.source.scans == [True, False]
    house.hub.stop_scanning(first)
    assert house.source.scans == [True, False]


async def test_a_scan_that_ends_by_itself_is_told_to_those_who_scan() -> None:
    house = House()
    scanning, other = house.client(), house.client()
    house.hub.start_scanning(scanning)
    house.hub.scan_ended(house.source)
    assert (scanning.told, other.told) == (["finished"], [])
    house.hub.start_scanning(scanning)
    assert house.source.scans == [True, True]


async def test_readings_go_to_subscribers_only_and_one_subscription_serves_all() -> None:
    house = House()
    first, second, third = house.client(), house.client(), house.client()
    for client in (first, first, second):
        await house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    assert house.drivers[0].calls == [("subscribe", 3, "Pressure")]
    house.drivers[0].listeners[3, InputType.PRESSURE](500)
    reading = (0, 3, InputType.PRESSURE, 500)
    assert (first.told, second.told, third.told) == ([reading], [reading], [])
    house.hub.unsubscribe(first, pressure(0, InputCommand.UNSUBSCRIBE))
    house.hub.unsubscribe(third, pressure(0, InputCommand.UNSUBSCRIBE))
    assert house.drivers[0].calls == [("subscribe", 3, "Pressure")]
    house.hub.unsubscribe(second, pressure(0, InputCommand.UNSUBSCRIBE))
    assert house.drivers[0].calls[-1] == ("unsubscribe", 3, "Pressure")


async def test_a_subscription_that_failed_can_be_tried_again() -> None:
    house = House()
    client = house.client()
    house.drivers[0].broken = True
    with pytest.raises(HardwareError):
        await house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    house.drivers[0].broken = False
    await house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    assert len(house.drivers[0].listeners) == 1


class OnlyTheFirst:
    """A grant for device 0: vibration up to half."""

    name = "token"
    refusal: str | None = None

    def sees(self, device: Device) -> bool:
        return device.index == 0

    def allows(self, device: Device, kind: OutputType) -> bool:
        return kind is OutputType.VIBRATE

    def ceiling(self, device: Device, kind: OutputType) -> float:
        return 0.5


async def test_a_grant_bounds_what_a_client_sees_and_does() -> None:
    house = House()
    guest = house.client("guest", OnlyTheFirst())
    assert list(house.hub.visible(guest)) == [0]
    house.hub.output(guest, output(0, 10))
    with pytest.raises(Denied, match="up to 10"):
        house.hub.output(guest, output(0, 11))
    with pytest.raises(Denied, match="may not use Rotate"):
        house.hub.output(guest, output(0, 1, feature=1))
    with pytest.raises(UnknownDevice):
        house.hub.output(guest, output(1, 1))


async def test_a_grant_bounds_what_a_client_stops() -> None:
    house = House()
    guest = house.client("guest", OnlyTheFirst())
    with pytest.raises(UnknownDevice):
        house.hub.stop(guest, stop(1))
    house.hub.stop(guest, stop())
    assert [driver.calls for driver in house.drivers] == [[("stop", None)], []]
    # What it may not use it may still stop.
    house.hub.stop(guest, stop(0, 1))
    assert house.drivers[0].calls[-1] == ("stop", (1,))


def test_another_hub_sees_the_way_of_devices_and_none_that_came_by_way_of_it() -> None:
    async def main() -> None:
        hub = Hub(Store(None))
        own, theirs, far = (device(address=address) for address in ("own", "theirs", "far"))
        theirs.via, far.via = ("b" * 16,), ("c" * 16, "d" * 16)
        for each in (own, theirs, far):
            hub.add(each)
        app, other = FakeClient(), FakeClient()
        other.hub_id = "b" * 16
        assert sorted(hub.visible(app)) == [0, 1, 2]
        seen = hub.visible(other)
        ways = {index: info.device_features[0].via for index, info in seen.items()}
        assert ways == {0: (hub.id,), 2: (hub.id, "c" * 16, "d" * 16)}
        assert all(info.device_features[0].via is UNSET for info in hub.visible(app).values())
        # What it is not shown is nothing to it.
        assert len(hub.stop(other, stop())) == 2
        for refused in (lambda: hub.stop(other, stop(1)), lambda: hub.output(other, output(1, 1))):
            with pytest.raises(UnknownDevice):
                refused()

    asyncio.run(main())


async def test_a_source_that_fails_is_not_in_the_way_of_the_stops_of_who_leaves() -> None:
    class Failing(FakeSource):
        def scan(self, on: bool) -> None:
            if not on:
                raise RuntimeError("a bug")

    house = House()
    house.hub.sources.append(Failing())
    client = house.client()
    house.hub.start_scanning(client)
    house.hub.output(client, output(0, 7))
    with pytest.raises(RuntimeError):
        house.hub.leave(client)
    assert house.drivers[0].calls[-1][0] == "stop"


async def test_who_leaves_stops_all_it_drove_even_what_lost_its_feature_meanwhile() -> None:
    house = House()
    first, second = house.client("first"), house.client("second")
    house.hub.output(first, output(0, 7))
    house.hub.output(second, output(0, 7, feature=1))
    house.hub.output(first, output(1, 7))
    toy = house.toys[0]
    toy.replace_features([toy._features[1]])  # the wearer's ceiling took the vibration away
    house.hub.leave(first)
    assert house.drivers[0].calls[-1] == ("stop", None)
    assert house.drivers[1].calls[-1] == ("stop", None)


async def test_a_device_stopped_by_itself_takes_the_same_value_again() -> None:
    house = House()
    client = house.client()
    house.hub.output(client, output(0, 7))
    house.toys[0].at_rest()
    house.hub.stopped(house.toys[0], "a write failed")
    assert not house.toys[0].running
    assert house.hub.output(client, output(0, 7)) is not None


async def test_news_of_a_device_that_is_gone_does_not_touch_its_successor() -> None:
    house = House()
    client = house.client()
    gone = house.toys[0]
    house.hub.remove(gone, "gone")
    back = device(address="A0")
    house.hub.add(back)
    house.hub.output(client, output(0, 7))
    house.hub.stopped(gone, "a write failed")
    assert house.hub.owners(back) == {0: client}
    assert back.running


async def test_a_device_that_comes_in_twice_is_stopped_on_its_old_way() -> None:
    house = House()
    client = house.client()
    house.hub.output(client, output(0, 7))
    house.hub.add(device(address="A0"))
    assert house.drivers[0].calls[-1] == ("stop", None)
    assert house.hub.owners(house.hub.devices[0]) == {}


async def test_a_closed_hub_stops_everything_and_starts_nothing() -> None:
    house = House()
    client = house.client()
    house.hub.output(client, output(0, 7))
    house.hub.close()
    with pytest.raises(HardwareError, match="shutting down"):
        house.hub.output(client, output(0, 9))
    assert house.drivers[0].calls[-1] == ("stop", None)
    assert house.hub.stop(client, stop(0))


async def test_a_slow_device_holds_up_no_subscription_of_another() -> None:
    house = House()
    slow, quick = house.client(), house.client()
    house.drivers[0].hold = True
    waiting = house.hub.subscribe(slow, pressure(0, InputCommand.SUBSCRIBE))
    async with asyncio.timeout(1):
        await house.hub.subscribe(quick, pressure(1, InputCommand.SUBSCRIBE))
    house.drivers[0].finish()
    await waiting


async def test_a_subscription_to_a_device_that_leaves_meanwhile_is_refused() -> None:
    house = House()
    client = house.client()
    house.drivers[0].hold = True
    waiting = house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    house.hub.remove(house.toys[0], "gone")
    house.drivers[0].finish()
    with pytest.raises(UnknownDevice):
        await waiting


async def test_inputs_that_do_not_exist_leave_nothing_behind() -> None:
    house = House()
    client = house.client()
    for feature in range(100, 200):
        command = InputCmd(
            id=1,
            device_index=0,
            feature_index=feature,
            type=InputType.PRESSURE,
            command=InputCommand.SUBSCRIBE,
        )
        with pytest.raises(UnknownFeature):
            await house.hub.subscribe(client, command)
    assert not house.hub._subscriptions


async def test_subscriptions_end_with_their_device() -> None:
    house = House()
    client = house.client()
    await house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    said = house.drivers[0].listeners[3, InputType.PRESSURE]
    house.hub.remove(house.toys[0], "gone")
    back = RecordingDriver()
    house.hub.add(device(back, address="A0"))
    said(500)
    assert back.calls == []
    client.told.clear()
    await house.hub.subscribe(client, pressure(0, InputCommand.SUBSCRIBE))
    back.listeners[3, InputType.PRESSURE](501)
    assert client.told == [(0, 3, InputType.PRESSURE, 501)]


async def test_a_fresh_hub_has_nothing_and_keeps_what_it_was_given() -> None:
    hold = Hold(HoldState(HoldMode.PAUSED, "Dashboard", 1_750_000_000.0))
    hub = Hub(Store(None), hold)
    assert hub.hold is hold
    assert hub.holds
    assert not Hub(Store(None)).holds
    assert (hub.clients, hub.devices, hub.scanning) == ((), {}, False)
    assert hub.turns is not None
    first = device()
    assert hub.add(first) == first.index == 0
    assert hub.devices == {0: first}


async def test_clients_are_those_that_have_joined_and_not_left() -> None:
    house = House()
    first, second = house.client("first"), house.client("second")
    assert set(house.hub.clients) == {first, second}
    house.hub.leave(first)
    assert house.hub.clients == (second,)
    house.hub.changed(house.toys[0])
    assert (first.told, second.told) == ([], ["devices"])
    house.hub.start_scanning(second)
    assert house.hub.scanning


async def test_a_stop_of_one_feature_takes_that_from_its_driver_and_no_other() -> None:
    house = House()
    first, second = house.client("first"), house.client("second")
    for index in (0, 1):
        house.hub.output(first, output(index, 7))
        house.hub.output(first, output(index, 7, feature=1))
    house.hub.stop(second, stop(0, 1))
    assert house.hub.owners(house.toys[0]) == {0: first}
    assert house.hub.owners(house.toys[1]) == {0: first, 1: first}
    house.hub.stopped(house.toys[1], "the wearer paused")
    assert house.hub.owners(house.toys[1]) == {}
    house.hub.halt(house.toys[0])
    assert house.hub.owners(house.toys[0]) == {}


async def test_what_is_left_of_a_toy_for_a_guest_is_what_the_grant_allows() -> None:
    house = House()
    guest = house.client("guest", OnlyTheFirst())
    shown = house.hub.visible(guest)[0].device_features
    assert shown[0].output is not UNSET
    assert shown[0].output[OutputType.VIBRATE].value == (0, 10)
    assert 1 not in shown
    assert 2 in shown
    whole = house.hub.shown(house.toys[0], None).device_features
    assert sorted(whole) == [0, 1, 2, 3]


async def test_a_toy_that_came_through_too_many_hubs_is_shown_to_no_further_one() -> None:
    hub = Hub(Store(None))
    near, far = device(address="near"), device(address="far")
    near.via = tuple(f"{n:016x}" for n in range(MAX_HUBS - 2))
    far.via = tuple(f"{n:016x}" for n in range(MAX_HUBS - 1))
    for each in (near, far):
        hub.add(each)
    other = FakeClient()
    other.hub_id = "f" * 16
    assert list(hub.visible(other)) == [0]
    assert list(hub.visible(FakeClient())) == [0, 1]


async def test_the_hub_itself_stops_any_device_and_only_one_that_is_there() -> None:
    house = House()
    assert len(house.hub.stop(None, stop(1))) == 1
    assert [driver.calls for driver in house.drivers] == [[], [("stop", None)]]
    with pytest.raises(UnknownDevice):
        house.hub.stop(None, stop(2))


async def test_what_is_checked_is_what_would_be_refused_and_nothing_is_done() -> None:
    house = House()
    guest = house.client("guest", OnlyTheFirst())
    house.hub.check_output(guest, output(0, 10))
    with pytest.raises(Denied):
        house.hub.check_output(guest, output(0, 11))
    app = house.client()
    with pytest.raises(DeviceError):
        house.hub.check_output(app, output(0, 21))
    with pytest.raises(UnknownDevice):
        house.hub.check_output(app, output(5, 1))
    house.hub.hold.wish(Wish.STOP, "Dashboard", 1_750_000_000.0)
    with pytest.raises(HeldByPerson):
        house.hub.check_output(app, output(0, 1))
    house.hub.check_output(app, output(0, 0))
    assert [driver.calls for driver in house.drivers] == [[], []]


@pytest.mark.parametrize("duration", [UNSET, 500])
async def test_a_duration_is_carried_out(duration: int | UnsetType) -> None:
    hub = Hub(Store(None))
    driver = RecordingDriver()
    hub.add(device(driver, STROKER))
    kind = OutputType.HW_POSITION_WITH_DURATION
    command = OutputCmd(
        id=1, device_index=0, feature_index=0, command={kind: OutputValue(50, duration)}
    )
    hub.check_output(FakeClient(), command)
    hub.output(FakeClient(), command)
    assert driver.calls[-1][4] == (0 if duration is UNSET else duration)


async def test_a_guest_under_a_mute_is_known_by_the_name_of_its_token() -> None:
    house = House()
    guest = house.client("guest", OnlyTheFirst())
    house.hub.hold.mute("token", "Dashboard", 1_750_000_000.0)
    with pytest.raises(HeldByPerson, match="muted"):
        house.hub.output(guest, output(0, 5))
    house.hub.output(house.client(), output(0, 5))
    assert house.drivers[0].calls == [("output", 0, "Vibrate", 5, 0)]


async def test_a_reading_is_asked_of_the_device() -> None:
    house = House()
    command = InputCmd(
        id=1, device_index=1, feature_index=2, type=InputType.BATTERY, command=InputCommand.READ
    )
    assert await house.hub.read(house.client(), command) == 87
    assert house.drivers[1].calls == [("read", 2, "Battery")]


class Remembering(Store):
    """A store that tells what it was told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[tuple[str, str]] = []

    def used(self, identity: Identity) -> None:
        self.told.append(("used", identity.address))

    def gone(self, identity: Identity) -> None:
        self.told.append(("gone", identity.address))


async def test_the_store_hears_of_the_first_use_and_of_who_goes_but_not_of_the_end() -> None:
    store = Remembering()
    hub = Hub(store)
    toys = [device(address="A"), device(address="B")]
    for toy in toys:
        hub.add(toy)
    client = FakeClient()
    for value in (1, 2, 3):
        hub.output(client, output(0, value))
    assert store.told == [("used", "A")]
    hub.remove(toys[1], "gone")
    assert store.told[1:] == [("gone", "B")]
    hub.close()
    hub.remove(toys[0], "the hub ends")
    assert store.told[2:] == []


async def test_a_device_without_a_way_to_it_says_so_to_who_asked_for_that_stop() -> None:
    house = House()

    def away(features: object) -> Outcome:
        raise HardwareError(ErrorCode.GONE, "its relay is away")

    house.drivers[0].stop = away  # type: ignore[method-assign]
    with pytest.raises(HardwareError, match="away"):
        await house.hub.halt(house.toys[0])
    assert len(house.hub.stop(house.client(), stop())) == 1, "its relay stops it by itself"


async def test_a_bug_in_one_device_keeps_no_other_from_its_stop_and_is_told_as_one() -> None:
    house = House()

    def broken(features: object) -> Outcome:
        raise ZeroDivisionError

    house.drivers[0].stop = broken  # type: ignore[method-assign]
    failed, done = house.hub.stop(house.client(), stop())
    with pytest.raises(HardwareError, match="error in the hub"):
        await failed
    await done
    assert house.drivers[1].calls == [("stop", None)]


async def test_a_device_that_comes_back_while_held_gets_a_stop_of_its_own() -> None:
    house = House()
    client = house.client()
    house.drivers[0].slow = True
    house.hub.output(client, output(0, 7))
    house.hub.hold.wish(Wish.PAUSE, "Dashboard", 1_750_000_000.0)
    first = house.hub.output(client, output(0, 0))
    assert house.hub.output(client, output(0, 0)) is first
    house.hub.remove(house.toys[0], "gone")
    house.hub.add(house.toys[0])
    calls = len(house.drivers[0].calls)
    assert house.hub.output(client, output(0, 0)) is not first
    assert len(house.drivers[0].calls) == calls + 1
    house.drivers[0].finish()


async def test_what_is_held_and_no_output_of_the_device_is_told_so() -> None:
    house = House()
    client = house.client()
    house.hub.hold.wish(Wish.PAUSE, "Dashboard", 1_750_000_000.0)
    with pytest.raises(UnknownFeature):
        house.hub.output(client, output(0, 0, feature=9))
    assert house.hub.output(client, output(0, 0)) is None, "it is off"


async def test_sources_hear_that_the_person_holds_everything() -> None:
    house = House()
    heard: list[str] = []
    house.source.hold_changed = lambda: heard.append("held")  # type: ignore[method-assign]
    house.hub.hold_changed()
    assert heard == ["held"]


async def test_a_stop_of_inputs_alone_tells_nothing_of_toys_that_may_be_running() -> None:
    house = House()
    client = house.client()
    house.hub.output(client, output(0, 7))
    house.hub.missing = lambda: ("A0",)
    house.hub.remove(house.toys[0], "gone")
    assert house.hub.stop(client, StopCmd(id=1, outputs=False)) == []
    assert len(house.hub.stop(client, stop())) == 2


async def test_failures_that_nobody_waits_for_are_not_said_twice() -> None:
    contexts: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    house = House()
    client = house.client()

    def refuse(features: object) -> Outcome:
        raise HardwareError(ErrorCode.REFUSED, "it has no stop")

    house.drivers[0].stop = refuse  # type: ignore[method-assign]
    house.hub.stop(client, stop())
    house.drivers[1].broken = True
    house.hub.subscribe(client, pressure(1, InputCommand.SUBSCRIBE))
    await asyncio.sleep(0.01)
    gc.collect()
    assert contexts == []


async def test_a_feature_that_is_not_there_cannot_be_halted() -> None:
    house = House()
    with pytest.raises(UnknownFeature):
        house.hub.halt(house.toys[0], {9})
